"""Count what is stored in a cache, and report what the file system refuses."""

from __future__ import annotations

from .entry import Key
from .eviction import Bound
from .notices import Loss, Notices


class Room:
    """The disk space that *bound* allows for entries, or unlimited space if it is None.

    *notices* learn of entries that have been stored, and of counts that cannot be read or written.
    """

    def __init__(self, bound: Bound | None, notices: Notices) -> None:
        self._bound = bound
        self._notices = notices

    def admits(self, size: int) -> bool:
        """Return whether an entry of *size* bytes may be stored."""
        return self._bound is None or self._bound.admits(size)

    def take(self, key: Key, size: int) -> None:
        """Count *size* bytes (may be negative) for the entry of *key*, and evict entries to stay within the limit.

        The entry has just been stored.
        """
        if self._bound is not None:
            with self._notices.losing(Loss.COUNTS):
                self._bound.added(key[0][:2], size)
        self._notices.stored()

    def recount(self, shard: str) -> None:
        if self._bound is not None:
            with self._notices.losing(Loss.COUNTS):
                self._bound.recount(shard)
