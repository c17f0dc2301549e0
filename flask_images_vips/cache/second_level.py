"""Use the cache that all hosts share as the second level of the cache, behind the disk of one host.

Whatever fails there is a miss, so the host then works by itself. A key that was missing is not asked for again at once:
the requests that wait for the same image would all ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import phases
from ..expiring import Expiring
from .entry import Key
from .shared import SharedCache

_MISSING_SECONDS = 1.0


class Missing(Exception):
    """The cache of all hosts does not have what was asked for, or cannot be asked now."""


class SecondLevel:
    """The cache *shared* by all hosts, or nothing if it is None.

    A thread waits for other hosts for at most *lock_timeout* seconds.
    """

    def __init__(self, shared: SharedCache | None, lock_timeout: float) -> None:
        self._shared = shared
        self._timeout = lock_timeout
        self._missing: Expiring[bool] = Expiring()

    def may_have(self, key: Key) -> bool:
        """Return whether it is worth asking for *key*."""
        return self._shared is not None and key not in self._missing

    def fetch(self, key: Key) -> bytes | None:
        """Return the content of *key*, or None."""
        if self._shared is None:
            return None
        with phases.phase("fetch"):
            data = self._shared.fetch(key)
        if data is None:
            self._missing.add(key, True, _MISSING_SECONDS)
        return data

    def existing(self, key: Key) -> bytes:
        """Return the content of *key*.

        Raises:
            Missing: If it is not there.
        """
        data = self.fetch(key)
        if data is None:
            raise Missing
        return data

    def made(self, key: Key, make: Callable[[], bytes], since: float) -> bytes:
        """Return the content of *key*. Unless another host has stored it meanwhile, *make* and store it.

        The time to wait for other hosts counts from the monotonic time *since*.
        """
        with self.making(key, key, since) as found:
            return self.offered(key, make()) if found is None else found

    def offered(self, key: Key, data: bytes) -> bytes:
        """Store *data*, unless *key* is there. Returns what is there now, so that all hosts have the same content."""
        if self._shared is None:
            return data
        self._missing.discard(key)
        with phases.phase("store"):
            return self._shared.offer(key, data) or data

    @contextmanager
    def making(self, work: Key, wanted: Key, since: float) -> Iterator[bytes | None]:
        """Keep other hosts from the same *work* during the block.

        Yields the content of *wanted* if another host has stored it meanwhile, or None.
        """
        if self._shared is None:
            yield None
            return
        data: bytes | None = None

        def is_done() -> bool:
            nonlocal data
            data = self.fetch(wanted)
            return data is not None

        waited = phases.start("lock")
        with self._shared.alone(work, since=since, timeout=self._timeout, needless=is_done) as held:
            waited()
            if held:
                is_done()
            yield data
