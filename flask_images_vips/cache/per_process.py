"""Keep one value or one thread per process, so that a forked child starts with a fresh one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from ..errors import Busy
from ..system_errors import start

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


class ProcessThread:
    """A daemon thread called *name*, which each process that needs it starts once. It runs *work*."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name = name
        self._work = work
        self._started: PerProcess[_Started] = PerProcess(_Started)

    def start(self) -> bool:
        """Start the thread in this process, unless it was. Returns False if it cannot be started now."""
        mine = self._started.get()
        with mine.lock:
            if not mine.is_started:
                with suppress(Busy):
                    start(threading.Thread(target=self._work, name=self._name, daemon=True))
                    mine.is_started = True
            return mine.is_started


class _Started:
    """Whether the thread of one process was started."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_started = False
