"""Keep one value per process, so that a forked child starts with a fresh one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Holds one value per process. *make* creates it on first use.

    Use this for locks, queues and threads. A forked child inherits its parent's memory but not its threads: it would
    wait for threads that do not exist, or for locks that nobody releases.

    If several threads use it for the first time at once, *make* may run in each of them, and all get the same result.
    So *make* must have no side effects.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._by_pid: dict[int, T] = {}

    def get(self) -> T:
        """Return the value of the current process."""
        pid = os.getpid()
        value = self._by_pid.get(pid)
        return self._by_pid.setdefault(pid, self._make()) if value is None else value


class Said(PerProcess[set[str]]):
    """The messages that a process has logged, so that it logs each of them once."""

    def __init__(self) -> None:
        super().__init__(set)

    def add(self, message: str) -> bool:
        """Add *message*. Returns whether it is new."""
        said = self.get()
        is_new = message not in said
        said.add(message)
        return is_new
