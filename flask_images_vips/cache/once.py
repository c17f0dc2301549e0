"""Do a piece of work once, however many threads and processes of this host ask for it at the same time.

In each process, the first thread that asks does the work, and the others wait for its result in memory. These first
threads of all processes exclude each other with a file lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .. import phases
from ..errors import WaitedTooLong
from ..hashing import digest
from .entry import Key
from .flights import Flights
from .folder import Folder
from .locks import FileLocks
from .notices import Loss

T = TypeVar("T")


class Once:
    """Runs only one piece of work at a time per key, with locks in *folder*.

    A thread waits for others for at most *timeout* seconds.
    """

    def __init__(self, folder: Folder, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout
        self._flights: Flights[Any] = Flights()
        self._locks = FileLocks(folder.locks, timeout, partial(folder.notices.lose, Loss.LOCKS))

    def run(
        self,
        key: Key,
        work: Callable[[], T],
        *,
        since: float | None = None,
        find: Callable[[], T | None] = lambda: None,
        landed: Callable[[T], object] | None = None,
    ) -> T:
        """Return the result of *work*. Threads that ask for the same *key* meanwhile get the same result or error.

        The timeout counts from the monotonic time *since*, or from now. After the timeout, *work* runs even if another
        thread or process is still working. If *work* raises `WaitedTooLong`, a waiting thread that has time left runs
        its own *work* instead of raising the same error.

        *find* returns the result if another process has made it by now, or None. It is called while waiting for the
        lock, and once more before *work* runs. If *landed* is given, it is called with the result of *work* once the
        waiting threads have it.
        """
        obtained = phases.start("lock")

        def alone() -> T:
            if not self._folder.usable():
                obtained()
                return work()
            found: T | None = None

            def is_done() -> bool:
                nonlocal found
                found = find()
                return found is not None

            with self._locks.hold(_lock_name(key), since=since, needless=is_done):
                obtained()
                if found is not None or is_done():
                    assert found is not None
                    return found
                result = work()
            if landed is not None:
                self._flights.land(key, result)
                landed(result)
            return result

        since = time.monotonic() if since is None else since
        try:
            return self._joined(key, alone, since + self._timeout)
        finally:
            obtained()

    def _joined(self, key: Key, work: Callable[[], T], until: float) -> T:
        """Return the result of *work* by the first thread that asks for *key*, waiting until a monotonic time."""
        while True:
            try:
                made: T = self._flights.join(key, work, until - time.monotonic())
                return made
            except WaitedTooLong:
                if time.monotonic() >= until:
                    raise

    def attempt(self, key: Key, work: Callable[[], T]) -> T | None:
        """Return the result of *work*, or None at once if work for *key* is already running, in any process."""

        def alone() -> T | None:
            if not self._folder.usable():
                return work()
            with self._locks.attempt(_lock_name(key)) as free:
                return work() if free else None

        made: T | None = self._flights.lead(key, alone)
        return made


def _lock_name(key: Key) -> str:
    """Return the name of the lock for *key*.

    It is a digest of the whole key, because the names of files in one folder begin alike, and `FileLocks` uses only the
    beginning of a name.
    """
    return digest("/".join(key), 8)
