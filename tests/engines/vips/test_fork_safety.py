"""A process knows that it was forked after libvips had made pixels."""

from __future__ import annotations

import logging
import os

import pytest

from flask_images_vips.engines.vips import fork_safety as forks


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has made no pixels yet."""
    monkeypatch.setattr(forks, "_first_pid", None)
    monkeypatch.setattr(forks, "_warned_pid", None)


def test_the_process_that_makes_pixels_may_go_on(caplog: pytest.LogCaptureFixture) -> None:
    assert not forks.forked_after_pixels()
    forks.note_pixels()
    assert not forks.forked_after_pixels()
    assert caplog.records == []


def test_another_process_may_not_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forks.note_pixels()
    for child in (os.getpid() + 1, os.getpid() + 2):
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "flask_images_vips"):
            patch.setattr(os, "getpid", lambda child=child: child)
            caplog.clear()
            for _ in range(3):
                assert forks.forked_after_pixels()
                forks.note_pixels()  # changes nothing
            (record,) = caplog.records
            assert "gunicorn --preload" in record.getMessage()
