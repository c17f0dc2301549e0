"""Store entries in a folder of this host.

Entries are the files ``<folder>/<2 digits>/<key's folder>/<key's file>``; ``locks/`` and ``tmp/`` lie beside them. An
entry is written under a temporary name and then renamed, so readers see all of it or nothing. After that it never
changes, with the one exception in `smaller`. If the folder cannot be written, results are still returned, but not
stored.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, TypeVar

from .bound import SHARDS, Bound
from .entry import Entry, Key, unstored
from .folder import Fill, Folder
from .once import Once
from .smaller import SmallerFiles

T = TypeVar("T")

_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class DiskCache:
    """Stores entries in *folder*, which is created when it is first used.

    *bound* limits the size of all entries together. `Folder` explains *temp_max_age*, *private* and *readable*. Nobody
    waits for the work of another thread or process for longer than *lock_timeout* seconds.
    """

    def __init__(
        self,
        folder: str,
        *,
        lock_timeout: float,
        temp_max_age: float,
        bound: Bound | None = None,
        private: str | None = None,
        readable: bool = False,
    ) -> None:
        self.folder = folder
        self.bound = bound
        self.lock_timeout = lock_timeout
        self._folder = Folder(folder, temp_max_age=temp_max_age, private=private, readable=readable)
        self._room = _Room(bound, self._folder.warn)
        self._once = Once(self._folder, lock_timeout)
        self._smaller = SmallerFiles(self._folder)

    @property
    def slots_folder(self) -> str:
        """The folder for the lock files of `Slots`, which apply to the same host as the cache."""
        return self._folder.slots

    def usable(self) -> bool:
        """Return whether entries may be stored. A missing folder is created."""
        return self._folder.usable()

    def path(self, key: Key) -> str:
        """Return where the entry of *key* is stored, whether or not it exists."""
        folder, file = key
        return os.path.join(self._parent(folder), file)

    def get(self, key: Key) -> Entry | None:
        """Return the entry of *key*, open for reading, or None. No lock is taken."""
        return self.at(self.path(key))

    def at(self, path: str) -> Entry | None:
        """Like `get`, for callers that remember the `path` of a key."""
        if not self._folder.may_read():
            return None
        try:
            descriptor = os.open(path, _READ_FLAGS)
        except OSError:
            return None
        status = os.fstat(descriptor)
        # A crash of the host may have emptied the file, or another user planted it. It is made again and replaced.
        if not status.st_size or not self._folder.trusts(status):
            os.close(descriptor)
            return None
        if self.bound is not None:
            self.bound.hit(path, status)
        self._folder.share(path, status)
        return Entry(status.st_size, status.st_mtime_ns // 1_000_000_000, path, descriptor=descriptor)

    def has(self, key: Key) -> bool:
        """Return whether there is an entry of *key*. This counts as reading it."""
        entry = self.get(key)
        if entry is not None:
            entry.close()
        return entry is not None

    def siblings(self, folder: str, prefix: str) -> list[Key]:
        """Return the keys of the entries in *folder* whose file names begin with *prefix*."""
        return [(folder, name) for name in _names(self._parent(folder)) if name.startswith(prefix)]

    def get_or_create(
        self,
        key: Key,
        mtime_ns: int,
        create: Callable[[], bytes],
        *,
        since: float | None = None,
        landed: Callable[[], object] = lambda: None,
    ) -> Entry:
        """Return the entry of *key*. If there is none, store what *create* returns.

        *create* runs once over all threads and processes of this host. Its errors are raised in all threads that
        wait, and nothing is stored. The entry's modification time becomes *mtime_ns*. The lock timeout counts from
        the monotonic time *since*, or from now. *landed* runs once the waiters have the result, before eviction.
        """
        entry = self.get(key)
        if entry is not None:
            return entry

        def find() -> Entry | None:
            found = self.get(key)
            if found is not None:
                with found:
                    found.read()  # waiting threads share the entry, so they must not share a position in the file
            return found

        def finish(made: Entry) -> None:
            if made.path is not None:
                landed()
                self._room.take(key, made.size_bytes)  # may evict, which reads many folders while other threads run

        make = partial(self._create, key, mtime_ns, create)
        start = time.monotonic() if since is None else since
        return self._once.run(key, make, since=start, find=find, landed=finish)

    def once(self, key: Key, work: Callable[[], T]) -> T:
        """Return the result of *work*, which runs once at a time per *key*, over all threads and processes.

        Threads that ask meanwhile get the same result or error. Nothing is stored.
        """
        return self._once.run(key, work)

    def put(self, key: Key, fill: Fill, *, in_use: bool = False) -> str | None:
        """Store what *fill* writes into an open file and return its path, or None if it is too large to store.

        *fill* returns the modification time in nanoseconds since 1970. Readers see all of the entry or nothing. An
        entry that is *in_use* counts as read, so it is not the first to be evicted.

        Raises:
            OSError: If the entry cannot be written. Errors of *fill* are raised as they are. Nothing is stored.
        """
        if not self.usable():
            raise OSError(f"{self.folder} cannot be used")
        path = self._store(key, fill, in_use=in_use)
        if path is not None:
            with contextlib.suppress(FileNotFoundError):  # evicted meanwhile
                self._room.take(key, os.stat(path).st_size)
        return path

    def put_bytes(self, key: Key, data: bytes, mtime_ns: int, *, in_use: bool = False) -> str | None:
        """Store *data*. See `put`."""
        return self.put(key, lambda file: _filled(file, data, mtime_ns), in_use=in_use)

    def purge(self, folder: str) -> int:
        """Remove the entries in *folder* and return how many there were."""
        removed = _remove_files(self._parent(folder))
        if removed:
            self._room.recount(folder[:2])
        return removed

    def purge_all(self) -> int:
        """Remove all entries and return how many there were. Entries that are being written may remain."""
        removed = 0
        for shard in (f"{index:02x}" for index in range(SHARDS)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                folders = os.listdir(os.path.join(self.folder, shard))
                removed += sum(_remove_files(self._parent(folder)) for folder in folders)
                self._room.recount(shard)
        return removed

    def is_final(self, key: Key) -> bool | None:
        """Return whether `replace_with_smaller` has dealt with the entry of *key*; None if there is no entry."""
        return self._smaller.is_final(self.path(key))

    def replace_with_smaller(self, key: Key, data: bytes | None) -> int:
        """The only method that changes an entry. See `SmallerFiles.replace`."""
        saved = self._smaller.replace(self.path(key), data, self._room.admits)
        if saved:
            self._room.take(key, -saved)
        return saved

    def _create(self, key: Key, mtime_ns: int, create: Callable[[], bytes]) -> Entry:
        """Make the entry of *key* and store it if possible."""
        data: bytes | None = None
        error_of_create: OSError | None = None

        def fill(file: BinaryIO) -> int:
            nonlocal data, error_of_create
            try:
                data = create()
            except OSError as error:
                error_of_create = error
                raise
            return _filled(file, data, mtime_ns)

        path = None
        try:
            path = self._store(key, fill) if self.usable() else None
        except OSError as error:
            if error is error_of_create:
                raise
            self._folder.warn("written", error)
        entry = unstored(create() if data is None else data, mtime_ns)
        entry.path = path
        return entry

    def _parent(self, folder: str) -> str:
        return os.path.join(self.folder, folder[:2], folder)

    def _store(self, key: Key, fill: Fill, *, in_use: bool = False) -> str | None:
        path = self.path(key)
        return path if self._folder.write(path, fill, admits=self._room.admits, in_use=in_use) else None


class _Room:
    """What entries may take on the disk: *bound*, or no limit. *warn* is called if the counts cannot be kept."""

    def __init__(self, bound: Bound | None, warn: Callable[[str, OSError], None]) -> None:
        self._bound = bound
        self._warn = warn

    def admits(self, size: int) -> bool:
        """Return whether an entry of *size* bytes may be stored."""
        return self._bound is None or self._bound.admits(size)

    def take(self, key: Key, size: int) -> None:
        """Add *size* bytes, which may be negative, to what the entries take, and evict others if it is too much."""
        if self._bound is not None:
            try:
                self._bound.added(key[0][:2], size)
            except OSError as error:
                self._warn("counted", error)

    def recount(self, shard: str) -> None:
        if self._bound is not None:
            self._bound.recount(shard)


def _remove_files(folder: str) -> int:
    """Remove the files in *folder*, then *folder* itself if it is empty. Return how many files there were."""
    removed = 0
    for name in _names(folder):
        path = os.path.join(folder, name)
        if not os.path.isdir(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                removed += 1
    if removed:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # fails unless it is empty
    return removed


def _names(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def _filled(file: BinaryIO, data: bytes, mtime_ns: int) -> int:
    file.write(data)
    return mtime_ns
