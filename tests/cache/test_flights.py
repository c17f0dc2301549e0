"""Threads that want the same thing wait for the first of them."""

from __future__ import annotations

import threading

from cache.shared import (
    DATA,
    KEY,
    PATIENCE_SECONDS,
    STRANGER,
    Tally,
    joins,
    together,
    until,
)
from flask_images_vips.cache.flights import Flights


def test_a_flight_is_made_once_for_all_that_wait(tally: Tally) -> None:
    flights: Flights[bytes] = Flights()
    joined = joins(flights)

    def make() -> bytes:
        tally.add()
        until(lambda: joined.count(KEY) == 32, "all the others wait")
        return DATA

    assert together(32, lambda _: flights.join(KEY, make, PATIENCE_SECONDS)) == [DATA] * 32
    assert tally.count == 1


def test_a_flight_that_is_over_is_forgotten() -> None:
    flights: Flights[str] = Flights()
    assert flights.join(KEY, lambda: "first", PATIENCE_SECONDS) == "first"
    assert flights.join(KEY, lambda: "second", PATIENCE_SECONDS) == "second"


def test_a_second_thread_does_not_lead() -> None:
    flights: Flights[str] = Flights()
    assert flights.lead(KEY, lambda: str(flights.lead(KEY, lambda: "second"))) == "None"
    assert flights.lead(KEY, lambda: "third") == "third"


def test_a_flight_for_one_thing_does_not_hold_up_another() -> None:
    flights: Flights[str] = Flights()
    assert flights.join(KEY, lambda: flights.join(STRANGER, lambda: "inner", PATIENCE_SECONDS), 0.1) == "inner"


def test_who_waits_for_a_flight_too_long_goes_alone() -> None:
    flights: Flights[str] = Flights()
    entered, over = threading.Event(), threading.Event()

    def hang() -> str:
        entered.set()
        assert over.wait(PATIENCE_SECONDS)
        return "late"

    def work(index: int) -> str:
        if index == 0:
            return flights.join(KEY, hang, PATIENCE_SECONDS)
        try:
            assert entered.wait(PATIENCE_SECONDS)
            return flights.join(KEY, lambda: "alone", 0.1)
        finally:
            over.set()

    assert together(2, work) == ["late", "alone"]


def test_a_flight_lands_before_its_maker_has_done_the_rest() -> None:
    flights: Flights[str] = Flights()
    entered, told, joined = threading.Event(), threading.Event(), joins(flights)

    def make() -> str:
        entered.set()
        until(lambda: joined.count(KEY) == 2, "the other waits")
        flights.land(KEY, "landed")
        assert told.wait(PATIENCE_SECONDS)
        return "landed"

    def work(index: int) -> str:
        if index == 0:
            return flights.join(KEY, make, PATIENCE_SECONDS)
        assert entered.wait(PATIENCE_SECONDS)
        try:
            return flights.join(KEY, lambda: "alone", PATIENCE_SECONDS)
        finally:
            told.set()

    assert together(2, work) == ["landed", "landed"]
