"""A server that fails is left alone for a while, and its failures are logged seldom."""

from __future__ import annotations

import pytest

from flask_images_vips import breaker as module
from flask_images_vips.breaker import Breaker


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_server_is_away_for_some_seconds_after_a_failure(clock: Clock) -> None:
    breaker = Breaker()
    assert not breaker.is_away
    breaker.note_failure(5)
    clock.now += 4
    assert breaker.is_away
    clock.now += 2
    assert not breaker.is_away
    assert breaker.has_failed
    breaker.leave_alone(5)
    assert breaker.is_away
    breaker.note_answer()
    assert not breaker.is_away
    assert not breaker.has_failed


def test_a_server_that_fails_again_and_again_is_logged_once_a_minute(clock: Clock) -> None:
    breaker = Breaker()
    assert [breaker.note_failure(5), breaker.note_failure(5)] == [True, False]
    assert [breaker.note_answer(), breaker.note_answer()] == [True, False]
    assert [breaker.note_failure(5), breaker.note_answer()] == [False, False]
    clock.now += 61
    assert [breaker.note_failure(5), breaker.note_answer()] == [True, True]
