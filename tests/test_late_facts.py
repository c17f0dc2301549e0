"""What pages have asked for is found once each, and not too much of it."""

from __future__ import annotations

import threading

import pytest
from servers import PATIENCE_SECONDS, until

from flask_images_vips import late_facts
from flask_images_vips.errors import Busy, SourceChanged
from flask_images_vips.late_facts import LateFacts


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> LateFacts:
    monkeypatch.setattr(late_facts, "DELAY_SECONDS", 0)
    return LateFacts()


def test_a_fact_that_waits_already_is_not_queued_again(later: LateFacts) -> None:
    go, found = threading.Event(), []
    later.find("slow", lambda: go.wait(PATIENCE_SECONDS))
    for _ in range(5):
        later.find("fact", lambda: found.append("fact"))
    later.find("last", lambda: found.append("last"))
    go.set()
    until(lambda: "last" in found, "all were found")
    assert found == ["fact", "last"]
    later.find("fact", lambda: found.append("again"))
    until(lambda: "again" in found, "it can be asked for again")


def test_few_facts_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_facts, "DELAY_SECONDS", 0)
    monkeypatch.setattr(late_facts, "_MOST_FACTS", 5)
    later, begun, go, found = LateFacts(), threading.Event(), threading.Event(), []
    later.find("slow", lambda: (begun.set(), go.wait(PATIENCE_SECONDS)))
    assert begun.wait(PATIENCE_SECONDS)
    for number in range(9):
        later.find(number, lambda number=number: found.append(number))  # type: ignore[misc]
    go.set()
    until(lambda: len(found) >= 5, "those that wait were found")
    later.find(8, lambda: found.append("again"))
    until(lambda: "again" in found, "there is room again")
    assert found == [0, 1, 2, 3, 4, "again"]


def test_a_fact_that_cannot_be_found_now_is_tried_again(later: LateFacts) -> None:
    tries: list[int] = []

    def find() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise Busy("no renderer is free")

    later.find("fact", find)
    until(lambda: len(tries) == 4, "it was found")


def test_a_picture_that_renderers_die_of_keeps_no_other_fact_waiting(later: LateFacts) -> None:
    tries: list[str] = []

    def find() -> None:
        tries.append("fatal")
        raise Busy("two renderers were killed")

    later.find("fatal", find)
    later.find("other", lambda: tries.append("other"))
    until(lambda: tries.count("fatal") == late_facts._TRIES, "it is given up")
    assert tries.index("other") < 3
    later.find("last", lambda: tries.append("last"))
    until(lambda: "last" in tries, "all were tried")
    assert tries.count("fatal") == late_facts._TRIES
    later.find("fatal", lambda: tries.append("found"))
    until(lambda: "found" in tries, "it can be asked for again")


@pytest.mark.parametrize("error", [SourceChanged("a.jpg", "changed"), ZeroDivisionError("a bug")])
def test_a_fact_that_fails_ends_no_thread_and_may_be_asked_for_again(
    later: LateFacts, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    found: list[str] = []
    later.find("fact", fail)
    later.find("other", lambda: found.append("other"))
    until(lambda: found, "the other was found")
    later.find("fact", lambda: found.append("fact"))
    until(lambda: "fact" in found, "it was found")
    assert bool(caplog.records) == isinstance(error, ZeroDivisionError)
