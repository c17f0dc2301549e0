"""Store results as files in a folder of this host.

An entry is a stored result. It is the file ``<folder>/<2 digits>/<key's folder>/<key's file>``; the folders ``locks``
and ``tmp`` lie beside those named by digits. An entry is written under a temporary name and then renamed, so that
readers see all of it or nothing. After that it never changes, except as described in `recompressed`. If the folder
cannot be written, results are still returned, but not stored.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import BinaryIO, TypeVar

from .. import phases
from .entry import Entry, Key, opened, unstored
from .eviction import Bound
from .folder import Fill, Folder
from .locks import try_lock, unlock
from .notices import Loss, Notices
from .once import Once
from .recompressed import SmallerFiles
from .removal import Kept, Removal, Removed, names_in
from .room import Room
from .second_level import Missing, SecondLevel
from .shared import SharedCache

T = TypeVar("T")


class DiskCache:
    """Stores entries in *folder*, which is created when it is first used.

    *bound* limits the total size of the entries. *temp_max_age*, *private*, *readable*, *notices* and *bars* are
    described in `Folder`. A thread waits for the work of another thread or process for at most *lock_timeout* seconds.
    Entries that this host lacks are looked for in *shared*, the cache of all hosts, and new ones are stored there too.
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
        notices: Notices | None = None,
        bars: Callable[[str], bool] = lambda folder: False,
        shared: SharedCache | None = None,
    ) -> None:
        self.folder = folder
        self.bound = bound
        self.lock_timeout = lock_timeout
        self.shared = shared
        self._bars = bars
        self._folder = Folder(
            folder, temp_max_age=temp_max_age, private=private, readable=readable, notices=notices, bars=bars
        )
        self._room = Room(bound, self._folder.notices)
        self._removal = Removal(folder, self._room)
        self._once = Once(self._folder, lock_timeout)
        self._smaller = SmallerFiles(self._folder)
        self._second_level = SecondLevel(shared, lock_timeout)

    @property
    def background_lock(self) -> str:
        """The path of the lock file of `background_turn`."""
        return self._folder.background_lock

    @contextlib.contextmanager
    def background_turn(self) -> Iterator[bool]:
        """Yield whether this process may do work that only one process of the host does at a time.

        If the file system has no locks, every process may.
        """
        lock = None
        try:
            lock = try_lock(self.background_lock)
            free = lock is not None
        except OSError as error:
            self._folder.notices.lose(Loss.LOCKS, error)
            free = True
        try:
            yield free
        finally:
            if lock is not None:
                unlock(lock)

    def usable(self) -> bool:
        """Return whether entries may be stored. A missing folder is created."""
        return self._folder.usable()

    def path(self, key: Key) -> str:
        """Return the path of the entry of *key*, whether or not it exists."""
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
            descriptor, status = opened(path)
        except OSError:
            return None
        # An empty file is left by a crash of the host, and an untrusted one may come from another user. Treat both as
        # missing, so that they are made again.
        if not status.st_size or not self._folder.trusts(status):
            os.close(descriptor)
            return None
        if self.bound is not None:
            self.bound.hit(path, status)
        self._folder.share(path, status)
        return Entry(status.st_size, status.st_mtime_ns // 1_000_000_000, path, descriptor=descriptor)

    def open_up(self, path: str) -> None:
        """Let other users of this host read the entry at *path*, such as the one that nginx runs as."""
        with contextlib.suppress(OSError):  # evicted meanwhile
            self._folder.open_up(path, os.stat(path))

    def has(self, key: Key) -> bool:
        """Return whether there is an entry of *key*. This counts as reading it."""
        entry = self.get(key)
        if entry is not None:
            entry.close()
        return entry is not None

    def siblings(self, folder: str, prefix: str) -> list[Key]:
        """Return the keys of the entries in *folder* whose file names begin with *prefix*."""
        return [(folder, name) for name in names_in(self._parent(folder)) if name.startswith(prefix)]

    def get_or_create(
        self,
        key: Key,
        mtime_ns: int,
        create: Callable[[], bytes],
        *,
        since: float | None = None,
        shared: bool = True,
    ) -> Entry:
        """Return the entry of *key*. If there is none, call *create* and store its result.

        All threads and processes of this host share one call of *create*, unless a wait exceeds the lock timeout. So do
        all hosts, if *shared* is set and there is a cache behind this one. If *create* raises an error, nothing is
        stored, and the error is raised in all waiting threads of this process. The entry gets the modification time
        *mtime_ns*. The lock timeout counts from the monotonic time *since*, or from now.
        """
        start = time.monotonic() if since is None else since
        entry = self.get(key) or (self.fetched(key, mtime_ns, since=start) if shared else None)
        if entry is not None:
            return entry
        make = partial(self._second_level.made, key, create, start) if shared else create
        return self._made_once(key, key, mtime_ns, make, start)

    def fetched(self, key: Key, mtime_ns: int, *, since: float) -> Entry | None:
        """Return the entry of *key*, if it is in the cache of all hosts, and store it on this one.

        Returns None if it is not, if it was not a moment ago, or if there is no such cache. All threads and processes
        of this host share one request. The time to wait for it counts from the monotonic time *since*.
        """
        if not self._second_level.may_have(key):
            return None

        folder, file = key
        fetch = partial(self._second_level.existing, key)
        with contextlib.suppress(Missing):
            return self._made_once((folder, f"{file} fetched"), key, mtime_ns, fetch, since)
        return None

    @contextlib.contextmanager
    def making(self, work: Key, wanted: Key, mtime_ns: int, *, since: float) -> Iterator[bool]:
        """Keep other hosts from the same *work* during the block. Call this within `once`.

        Yields whether another host has made *wanted* meanwhile. It is then on this host too, if it can be stored.
        """
        with self._second_level.making(work, wanted, since) as data:
            if data is not None:
                self._landed(wanted, self._create(wanted, mtime_ns, lambda: data))
            yield data is not None

    def once(self, key: Key, work: Callable[[], T], *, since: float | None = None) -> T:
        """Run *work* and return its result. Only one call per *key* runs at a time on this host.

        Threads of this process that ask meanwhile get the same result or error. Nothing is stored. The lock timeout
        counts from the monotonic time *since*, or from now.
        """
        return self._once.run(key, work, since=since)

    def attempt(self, key: Key, work: Callable[[], T]) -> T | None:
        """Run *work* and return its result, or return None at once if `once` or this runs for *key* on this host."""
        return self._once.attempt(key, work)

    def put(self, key: Key, fill: Fill, *, in_use: bool = False) -> str | None:
        """Store the content that *fill* writes into an open file. Returns the path of the entry.

        Returns None if nothing was stored, because the entry is too large, the disk is nearly full, or the folder is
        barred. *fill* returns the modification time in nanoseconds since 1970. Readers see all of the entry or nothing.
        If *in_use* is set, the entry counts as read, so that it is not the first to be evicted.

        Raises:
            OSError: If the entry cannot be written. Nothing is stored after this error, or after any error that *fill*
            raises.
        """
        if not self.usable():
            raise OSError(f"{self.folder} cannot be used")
        path = self._store(key, fill, in_use=in_use)
        if path is not None:
            with contextlib.suppress(OSError):  # such as evicted meanwhile
                self._room.take(key, os.stat(path).st_size)
        return path

    def put_bytes(
        self, key: Key, data: bytes, mtime_ns: int, *, in_use: bool = False, shared: bool = True
    ) -> str | None:
        """Store *data*, for all hosts if *shared* is set. What they have already is kept. See `put`."""
        data = self._second_level.offered(key, data) if shared else data
        with phases.phase("store"):
            return self.put(key, lambda file: _filled(file, data, mtime_ns), in_use=in_use)

    def purge(self, folder: str) -> int:
        """Remove the entries that depend on *folder* and return how many there were."""
        return self._removal.purge(folder)

    def purge_all(self) -> int:
        """Remove all entries and return how many there were. Entries that are being written may remain."""
        return self._removal.purge_all()

    def set_aside(self) -> list[str]:
        """Take all entries out of the cache at once, however many there are. Returns the folders to delete afterwards.

        Raises:
            OSError: If that is not possible.
        """
        self.usable()  # creates the folder of temporary files
        return self._removal.set_aside()

    def oldest_first(self, folders: Collection[str] | None = None) -> list[Kept]:
        """Return all entries, or those in *folders*, in the order in which they were last read."""
        return self._removal.oldest_first(folders)

    def remove(self, entries: Iterable[Kept]) -> Iterator[Kept]:
        """Remove *entries*, and yield each that is removed. Also remove what killed processes left behind."""
        self._folder.sweep()
        return self._removal.remove(entries)

    def erase(self, folder: str) -> Removed:
        """Remove every trace of *folder*, also of entries that are being written. It must be barred already.

        Raises:
            OSError: If something cannot be removed.
        """
        return self._removal.erase(folder)

    def erase_barred(self) -> None:
        """Erase all folders that are barred, because they were barred on another host.

        They are erased in the cache of all hosts too: this one may have stored something just before it knew.

        Raises:
            OSError: If something cannot be removed.
        """
        for folder in self._removal.erase_if(self._bars):
            if self.shared is not None:
                self.shared.erase(folder)

    def is_final(self, key: Key) -> bool | None:
        """Return whether `replace_with_smaller` has dealt with the entry of *key*; None if there is no entry."""
        return self._smaller.is_final(self.path(key))

    def replace_with_smaller(self, key: Key, data: bytes | None) -> int:
        """Replace the entry of *key* with *data* if that is smaller, as `SmallerFiles.replace` does."""
        saved = self._smaller.replace(self.path(key), data, self._room.admits)
        if saved:
            self._room.take(key, -saved)
        return saved

    def _made_once(self, lock: Key, key: Key, mtime_ns: int, make: Callable[[], bytes], since: float) -> Entry:
        """Return the entry of *key*. If there is none, *make* and store it, while the *lock* is held."""
        create = partial(self._create, key, mtime_ns, make)
        made: Entry = self._once.run(
            lock, create, since=since, find=partial(self._read, key), landed=partial(self._landed, key)
        )
        return made

    def _read(self, key: Key) -> Entry | None:
        """Return the entry of *key* with its content in memory, so that threads can share it, or None."""
        entry = self.get(key)
        if entry is not None:
            with entry:
                entry.read()
        return entry

    def _landed(self, key: Key, made: Entry) -> None:
        """Count what was stored. This may evict entries, which is slow: waiting threads have their result by now."""
        if made.path is not None:
            self._room.take(key, made.size_bytes)

    def _create(self, key: Key, mtime_ns: int, create: Callable[[], bytes]) -> Entry:
        """Make the entry of *key* and store it if possible."""
        data: bytes | None = None
        error_of_create: OSError | None = None
        stored: Callable[[], None] | None = None

        def fill(file: BinaryIO) -> int:
            nonlocal data, error_of_create, stored
            try:
                data = create()
            except OSError as error:
                error_of_create = error
                raise
            stored = phases.start("store")
            return _filled(file, data, mtime_ns)

        path = None
        try:
            path = self._store(key, fill) if self.usable() else None
        except OSError as error:
            if error is error_of_create:
                raise
            self._folder.warn("written", error)
        if stored is not None:
            stored()
        entry = unstored(create() if data is None else data, mtime_ns)
        entry.path = path
        return entry

    def _parent(self, folder: str) -> str:
        return os.path.join(self.folder, folder[:2], folder)

    def _store(self, key: Key, fill: Fill, *, in_use: bool = False) -> str | None:
        path = self.path(key)
        return path if self._folder.write(path, fill, admits=self._room.admits, in_use=in_use) else None


def _filled(file: BinaryIO, data: bytes, mtime_ns: int) -> int:
    file.write(data)
    return mtime_ns
