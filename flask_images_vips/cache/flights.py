"""Share work between the threads of one process: the first thread works, and the others wait for its result.

A flight is a piece of work that is being done. Waiting threads wait for an event, which wakes all of them at once. With
a lock, each would be woken only by the one before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from .per_process import PerProcess

T = TypeVar("T")


class _Flight(Generic[T]):
    __slots__ = ("done", "error", "result")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: T | None = None
        self.error: Exception | None = None


class _UnderWay(Generic[T]):
    """The flights of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.flights: dict[Hashable, _Flight[T]] = {}


class Flights(Generic[T]):
    """Does each piece of work once, however many threads of this process ask for it at the same time.

    Results must not be None.
    """

    def __init__(self) -> None:
        self._under_way: PerProcess[_UnderWay[T]] = PerProcess(_UnderWay)

    def join(self, key: Hashable, make: Callable[[], T], timeout: float) -> T:
        """Return the result for *key*: wait if another thread is already making it, otherwise call *make*.

        An error of *make* is raised in all threads that wait for it. A thread that has waited for *timeout* seconds
        calls *make* itself.
        """
        flight, first = self._joined(key)
        if first:
            return self._lead(key, flight, make)
        if not flight.done.wait(timeout):
            return make()
        if flight.error is not None:
            raise flight.error
        return flight.result if flight.result is not None else make()

    def lead(self, key: Hashable, make: Callable[[], T]) -> T | None:
        """Return the result of *make*, or None at once if another thread is already making it."""
        flight, first = self._joined(key)
        return self._lead(key, flight, make) if first else None

    def land(self, key: Hashable, result: T) -> None:
        """Pass *result* to the threads that wait for *key*, before *make* has returned it.

        Call this within *make*, if it has more work to do for which the others need not wait.
        """
        flight = self._under_way.get().flights.get(key)
        if flight is not None:
            flight.result = result
            flight.done.set()

    def _joined(self, key: Hashable) -> tuple[_Flight[T], bool]:
        """Return the flight for *key*, and whether it begins now."""
        here = self._under_way.get()
        with here.lock:
            flight = here.flights.get(key)
            if flight is not None:
                return flight, False
            flight = here.flights[key] = _Flight()
            return flight, True

    def _lead(self, key: Hashable, flight: _Flight[T], make: Callable[[], T]) -> T:
        here = self._under_way.get()
        try:
            flight.result = make()
            return flight.result
        except Exception as error:
            flight.error = error
            raise
        finally:
            with here.lock:
                del here.flights[key]
            flight.done.set()
