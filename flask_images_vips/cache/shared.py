"""Define what a cache of one host needs of the cache that all hosts share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from .entry import Key
from .removal import Removed


class HostLocks(Protocol):
    """Named locks for all hosts of a site."""

    def hold(
        self, name: str, *, since: float, timeout: float, needless: Callable[[], bool]
    ) -> AbstractContextManager[bool]:
        """Hold the lock *name* for the block. Yields whether it is held.

        The block runs without the lock if *timeout* seconds have passed since the monotonic time *since*, if *needless*
        returns True because another host has done the work, or if the locks cannot be used. Without the lock, work may
        be done twice, but its result is still right.
        """
        ...


class SharedCache(Protocol):
    """A cache that all hosts share, behind the disk cache of each.

    Asking and storing never raise an error: a failure is a miss. Whoever removes something must know of a failure.
    """

    def fetch(self, key: Key) -> bytes | None:
        """Return the content of *key*, or None if it is not there or cannot be read now."""
        ...

    def offer(self, key: Key, data: bytes) -> bytes | None:
        """Store *data* unless *key* is there. Returns the content that is there already, or None."""
        ...

    def alone(
        self, key: Key, *, since: float, timeout: float, needless: Callable[[], bool]
    ) -> AbstractContextManager[bool]:
        """Keep other hosts from making *key* during the block: see `HostLocks.hold`."""
        ...

    def erase(self, folder: str) -> Removed:
        """Remove the entries in *folder*, and those that depend on it. See `DiskCache.erase`.

        What is being stored meanwhile is removed too, if *folder* is barred already.

        Raises:
            OSError: If something cannot be removed.
        """
        ...

    def purge_all(self) -> int:
        """Remove all entries and return how many there were. Entries that are being stored may remain.

        Raises:
            OSError: If something cannot be removed.
        """
        ...
