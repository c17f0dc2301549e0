"""A cache in a folder of this host.

``<folder>/<2 digits>/<key's folder>/<key's file>`` are the entries; ``locks/`` and ``tmp/`` lie beside them. An
entry is written under a temporary name and then renamed, so readers see all of it or nothing, and it is never
changed afterwards: `DiskCache.finish` puts another file in its place, once. A folder that cannot be written costs the
cache, not the answer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any, BinaryIO, TypeVar

from .bound import NEVER_READ_NS, SHARDS, Bound
from .entry import Entry, Key
from .flights import Flights
from .locks import FileLocks

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_SWEEP_EVERY = 256  # writes
_TRIES = 5
_WRITE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class DiskCache:
    """Keeps entries in *folder*, made at the first use.

    *private*, a folder above it or itself, must be ours alone, or nothing is kept: it lies where others may write,
    as in the system's folder for temporary files. *readable* lets a server of another user read entries, by their
    names. Times are in seconds.
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
        self._readable = readable
        self._folder_mode, self._file_mode = (0o711, 0o644) if readable else (0o700, 0o600)
        self.lock_timeout = lock_timeout
        self.temp_max_age = temp_max_age
        self.private = private
        self._temporary = os.path.join(folder, "tmp")
        self._locks = FileLocks(
            os.path.join(folder, "locks", "renditions"), lock_timeout, partial(self._warn, "locked")
        )
        self._flights: Flights[Any] = Flights()
        self._warned: dict[str, object] = {}
        self._writes = 0
        self._usable: bool | None = None

    @property
    def slots_folder(self) -> str:
        """Where the lock files of `Slots` lie: they count for the host as the cache does."""
        return os.path.join(self.folder, "locks", "slots")

    def path(self, key: Key) -> str:
        folder, file = key
        return os.path.join(self.folder, folder[:2], folder, file)

    def get(self, key: Key) -> Entry | None:
        """The entry of *key*, open for reading, or None. Takes no lock."""
        return self.at(self.path(key))

    def at(self, path: str) -> Entry | None:
        """As `get`, for one who remembers the `path` of a key."""
        if self._usable is None:
            self._prepare()
        if not self._usable:
            return None
        try:
            descriptor = os.open(path, _READ_FLAGS)
        except OSError:
            return None
        status = os.fstat(descriptor)
        # Emptied by a crash of the host, or laid there by somebody else: made again, it is replaced.
        ours = stat.S_ISREG(status.st_mode) and (self.private is None or _is_mine(status))
        if not status.st_size or not ours:
            os.close(descriptor)
            return None
        if self.bound is not None:
            self.bound.hit(path, status)
        if self._readable and not status.st_mode & 0o004:  # kept before another user was to read it
            with contextlib.suppress(OSError):
                self._open_up(path)
                os.chmod(path, self._file_mode & (status.st_mode | ~stat.S_IWUSR))  # it stays final
        return Entry(status.st_size, status.st_mtime_ns // 1_000_000_000, path, descriptor=descriptor)

    def has(self, key: Key) -> bool:
        """Whether there is an entry of *key*. That counts as reading it."""
        entry = self.get(key)
        if entry is not None:
            entry.close()
        return entry is not None

    def siblings(self, folder: str, prefix: str) -> list[Key]:
        """The keys of the entries of *folder* whose file's name begins with *prefix*."""
        with contextlib.suppress(OSError):
            names = os.listdir(os.path.join(self.folder, folder[:2], folder))
            return [(folder, name) for name in names if name.startswith(prefix)]
        return []

    def purge(self, folder: str) -> int:
        """Remove the entries of *folder*, and say how many there were."""
        removed = self._empty(folder)
        if removed and self.bound is not None:
            self.bound.recount(folder[:2])
        return removed

    def purge_all(self) -> int:
        """Remove all entries, and say how many there were. What is made meanwhile may stay."""
        removed = 0
        for shard in (f"{index:02x}" for index in range(SHARDS)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                removed += sum(self._empty(folder) for folder in os.listdir(os.path.join(self.folder, shard)))
                if self.bound is not None:
                    self.bound.recount(shard)
        return removed

    def _empty(self, folder: str) -> int:
        """Remove the files of *folder*, and say how many there were."""
        removed = 0
        for path in map(self.path, self.siblings(folder, "")):
            if not os.path.isdir(path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                    removed += 1
        if removed:
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(self.folder, folder[:2], folder))  # fails where something is left
        return removed

    def get_or_create(
        self,
        key: Key,
        mtime_ns: int,
        create: Callable[[], bytes],
        *,
        since: float | None = None,
        landed: Callable[[], object] = lambda: None,
    ) -> Entry:
        """The entry of *key*; where there is none, what *create* gives, stored.

        *create* is called once over all threads and processes of this host. What it raises is raised here, in all
        threads that wait, and nothing is stored. *mtime_ns* becomes the entry's modification time. The lock's timeout
        is counted from the monotonic time *since*, or from now. *landed* is called when all who wait can have what
        *create* gave, before room is made for more.
        """
        entry = self.get(key)
        if entry is not None:
            return entry
        now = time.monotonic()
        start = now if since is None else since
        left = start + self.lock_timeout - now
        made: Entry = self._flights.join(key, lambda: self._create(key, mtime_ns, create, start, landed), left)
        return made

    def usable(self) -> bool:
        """Whether the folder may be used; it is made where it is missing."""
        if self._usable is None or self.private is not None or not os.path.isdir(self._locks.folder):
            self._prepare()  # it may have been deleted since, and whoever makes it next decides whose it is
        return bool(self._usable)

    def _create(
        self, key: Key, mtime_ns: int, create: Callable[[], bytes], since: float, landed: Callable[[], object]
    ) -> Entry:
        if not self.usable():
            return _unstored(create(), mtime_ns)
        found: Entry | None = None

        def is_made() -> bool:
            nonlocal found
            found = self.get(key)
            return found is not None

        with self._locks.hold(_lock_name(key), since=since, needless=is_made):
            stored = found or self.get(key)
            if stored is not None:
                with stored:
                    stored.read()  # into memory: the threads that wait share this entry, not its place in the file
                return stored
            entry = self._write(key, mtime_ns, create)
        if entry.path is not None:
            # Making room reads many folders, and with each of them other threads come first.
            self._flights.land(key, entry)
            landed()
            self._count(key, entry.size_bytes)
        return entry

    def once(self, key: Key, work: Callable[[], T]) -> T:
        """What *work* gives. For one *key* it is at work once at a time, over all threads and processes of this host.

        Threads that ask meanwhile get what it gives, or raises, too.
        """

        def alone() -> T:
            if not self.usable():
                return work()
            with self._locks.hold(_lock_name(key)):
                return work()

        result: T = self._flights.join(key, alone, self.lock_timeout)
        return result

    def put(self, key: Key, write: Callable[[BinaryIO], int], *, in_use: bool = False) -> str | None:
        """Store what *write* writes into the file that it is given, and say where; None where it is too large to keep.

        *write* gives the modification time, in nanoseconds since 1970. Readers see all of the entry or nothing. One
        that is *in_use* counts as read, so that making room for it does not take it at once.

        Raises:
            OSError: it cannot be written. So, too, whatever *write* raises; nothing is stored then.
        """
        if not self.usable():
            raise _NotOurs(f"{self.folder} cannot be used")
        path = self._store(key, write, in_use=in_use)
        if path is not None:
            with contextlib.suppress(FileNotFoundError):  # evicted, or replaced by a newer one
                self._count(key, os.stat(path).st_size)
        return path

    def put_bytes(self, key: Key, data: bytes, mtime_ns: int, *, in_use: bool = False) -> str | None:
        """As `put`, of *data*."""

        def write(file: BinaryIO) -> int:
            file.write(data)
            return mtime_ns

        return self.put(key, write, in_use=in_use)

    def is_final(self, key: Key) -> bool | None:
        """Whether the entry of *key* was made final by `finish`; None where there is none."""
        with contextlib.suppress(OSError):
            return not os.stat(self.path(key)).st_mode & stat.S_IWUSR
        return None

    def finish(self, key: Key, data: bytes | None) -> int:
        """Make the entry of *key* final: *data* in its place, where those are fewer bytes, else as it is.

        By how many bytes it became smaller: 0 also where it is gone, and it stays so. Its modification time stays, and
        who has it open goes on reading what it was. A final entry is read-only: told by the file itself, this ends
        with it, however it goes.
        """
        if not self.usable():
            return 0
        path = self.path(key)
        try:
            size = os.stat(path).st_size
            if data is None or len(data) >= size:
                os.chmod(path, self._file_mode & ~stat.S_IWUSR)
                return 0

            def write(file: BinaryIO) -> int:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # links of nginx lead to the entry already, and it makes no check
                return os.stat(path).st_mtime_ns  # fails where it was removed meanwhile

            if self._store(key, write, in_use=True, final=True) is None:
                return 0
        except FileNotFoundError:
            return 0
        except OSError as error:
            self._warn("written", error)
            return 0
        self._count(key, len(data) - size)
        return size - len(data)

    def _count(self, key: Key, size: int) -> None:
        """Count *size* bytes more, or less, for an entry, and make room where there is too much."""
        if self.bound is not None:
            try:
                self.bound.added(key[0][:2], size)
            except OSError as error:
                self._warn("counted", error)

    def _store(
        self, key: Key, write: Callable[[BinaryIO], int], *, in_use: bool = False, final: bool = False
    ) -> str | None:
        """As `put`, but for counting."""
        # Before the work: where nothing can be written, that is known without a half-written file.
        descriptor, temporary = self._open_temporary()
        path = None
        try:
            file = os.fdopen(descriptor, "w+b")
            try:
                mtime_ns = write(file)
                file.flush()
                size = os.fstat(descriptor).st_size
            finally:
                with contextlib.suppress(OSError):  # what could not be flushed fails once more
                    file.close()
            if self.bound is not None and not self.bound.admits(size):
                return None
            mode = self._file_mode & ~stat.S_IWUSR if final else self._file_mode
            if mode != 0o600:
                os.chmod(temporary, mode)
            # Before or after the change, for the evictor; the kernel's own clock may be a little off.
            atime_ns = time.time_ns() + (NEVER_READ_NS if in_use else -NEVER_READ_NS)
            os.utime(temporary, ns=(atime_ns, mtime_ns))
            path = self._publish(temporary, key)
            return path
        finally:
            if path is None:
                _unlink(temporary)

    def _write(self, key: Key, mtime_ns: int, create: Callable[[], bytes]) -> Entry:
        data: bytes | None = None
        own: OSError | None = None  # of create, and none of the cache's

        def write(file: BinaryIO) -> int:
            nonlocal data, own
            try:
                data = create()
            except OSError as error:
                own = error
                raise
            file.write(data)
            return mtime_ns

        path = None
        try:
            path = self._store(key, write)
        except OSError as error:
            if error is own:
                raise
            self._warn("written", error)
        entry = _unstored(create() if data is None else data, mtime_ns)
        entry.path = path
        return entry

    def _open_temporary(self) -> tuple[int, str]:
        if self._writes % _SWEEP_EVERY == 0:
            self._sweep()
        self._writes += 1
        temporary = os.path.join(self._temporary, f".tmp-{secrets.token_hex(8)}")
        try:
            return os.open(temporary, _WRITE_FLAGS, 0o600), temporary
        except FileNotFoundError:
            self._make_folders()
            return os.open(temporary, _WRITE_FLAGS, 0o600), temporary

    def _publish(self, temporary: str, key: Key) -> str:
        """Rename the complete file to its entry. Its folder may be evicted at any moment."""
        path = self.path(key)
        folder = os.path.dirname(path)
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                os.replace(temporary, path)
                self._open_up(path)
                break
            for each in (os.path.dirname(folder), folder):
                _make_folder(each, self._folder_mode)
        else:
            os.replace(temporary, path)
        return path

    def _open_up(self, path: str) -> None:
        """Let others through the folders of an entry, which may be older than the wish that they read it."""
        if self._readable:
            folder = os.path.dirname(path)
            for each in (folder, os.path.dirname(folder), self.folder, self.private):
                if each is not None:
                    os.chmod(each, self._folder_mode)

    def _sweep(self) -> None:
        """Remove the temporary files that killed processes left."""
        oldest = time.time() - self.temp_max_age
        # What is wrong with the folder, if anything, the next write says.
        with contextlib.suppress(OSError), os.scandir(self._temporary) as files:
            for file in files:
                if file.stat(follow_symlinks=False).st_atime < oldest:  # its mtime is the source's, once it is complete
                    _unlink(file.path)

    def _prepare(self) -> None:
        """Make the folder, and decide whether it may be used."""
        try:
            self._make_folders()
            self._usable = True
        except _NotOurs as error:
            self._usable = False
            self._warn_once(str(error))
        except OSError as error:
            self._usable = self.private is None  # it may become writable, and what lies there may be read
            self._warn("made", error)

    def _make_folders(self) -> None:
        if self.private is not None:
            _make_folder(self.private, self._folder_mode)
            _check_ours(self.private)
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        _make_folder(self.folder, self._folder_mode)
        locks = os.path.join(self.folder, "locks")
        for folder in (self._temporary, locks, self._locks.folder, self.slots_folder):
            _make_folder(folder)

    def _warn(self, verb: str, error: OSError) -> None:
        """Once for each kind of failure: a full disk fails at every request."""
        reason = error.strerror or str(error)
        self._warn_once(f"The image cache in {self.folder} cannot be {verb} ({reason}): doing without.", reason)

    def _warn_once(self, message: str, reason: str = "") -> None:
        this = object()
        if self._warned.setdefault(reason, this) is this:
            logger.warning(message)


def _lock_name(key: Key) -> str:
    """The name of the lock of *key*: another one for each file of a folder, however their names begin."""
    return blake2b("/".join(key).encode(), digest_size=8).hexdigest()


class _NotOurs(OSError):
    """A folder that must be ours alone is not."""


def _check_ours(folder: str) -> None:
    """Refuse a *folder* where somebody else can have put files: a stranger on this host may have made it first."""
    status = os.lstat(folder)
    if not _is_mine(status) or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise _NotOurs(
            f"{folder} belongs to another user, or others may write there: images are rendered but not cached. "
            "Set IMAGES_CACHE to a folder of this application."
        )


def _is_mine(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _unstored(data: bytes, mtime_ns: int) -> Entry:
    return Entry(len(data), mtime_ns // 1_000_000_000, data=data)


def _make_folder(path: str, mode: int = 0o700) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)  # mkdir heeds the umask


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
