"""Keep one value per process, so that a forked child starts with a fresh one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One value per process. *make* creates it when the process first asks for it.

    Use it for locks, queues and threads. A forked child inherits its parent's memory but not its threads: it would
    wait for threads that do not exist, or for locks that nobody releases.

    Several threads may ask first at the same time. *make* then runs in each of them and all get the same result, so
    *make* must have no side effects.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._by_pid: dict[int, T] = {}

    def get(self) -> T:
        """Return the value of the current process."""
        pid = os.getpid()
        value = self._by_pid.get(pid)
        return self._by_pid.setdefault(pid, self._make()) if value is None else value
