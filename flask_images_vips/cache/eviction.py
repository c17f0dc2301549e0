"""Limit the size of a cache by evicting entries that have not been read recently.

This needs no index, no daemon and no scan of the whole cache. The algorithm is "second chance". Once an entry has been
read, its access time is later than its change time. Eviction spares such an entry once by resetting its access time,
and removes the others, oldest access first.

The entries are divided among 256 folders, called shards. One small file, which all processes share, counts the bytes in
each shard. A wrong count is corrected whenever its shard is scanned.
"""

from __future__ import annotations

import contextlib
import os
import random
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SHARDS = 256
_LARGEST_PART = 16  # an entry larger than 1/16 of the bound is not stored: it would evict too much
_SAMPLE_FILES = 32  # the minimum number of files in a sample
_EVICTED_PART = 10  # the oldest 1/10 of a sample is evicted
_MAX_SAMPLES, _MAX_FILES = 8, 512  # the most samples and files that a single write looks at
# Until all shards are counted, each write counts about this many files. As it adds only one file, the counting is done
# before the number of files has grown by 1 %.
_COUNTED_PER_WRITE = 128
CLOCK_MARGIN_NS = 20_000_000
"""Access times are set this much before or after the current time, so that they clearly differ from change times.

Change times come from the clock of the file system, which may be slightly off.
"""

_LARGEST_COUNT = 1 << 50  # a larger number means that the file is damaged
_NO_ACCESS_TIMES = getattr(os, "ST_NOATIME", 0)
_COUNT, _COUNTS = struct.Struct("<q"), struct.Struct(f"<{SHARDS}q")


class _File(NamedTuple):
    path: str
    status: os.stat_result

    @property
    def was_read(self) -> bool:
        return self.status.st_atime_ns > self.status.st_ctime_ns


class _Counts:
    """The bytes in each shard, in a file that all processes share.

    The file stores each count plus one. Zero, as in a new file or in one that a crash of the host emptied, means that
    the count is unknown. The file is not memory-mapped: the process would be killed if the file was truncated or its
    disk was full.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> list[int]:
        """Return the bytes in each shard. A negative number means that the count is unknown."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        data = os.read(self._descriptor, _COUNTS.size).ljust(_COUNTS.size, b"\0")
        return [count - 1 if count <= _LARGEST_COUNT else -1 for count in _COUNTS.unpack(data)]

    def write(self, index: int, count: int) -> None:
        os.lseek(self._descriptor, index * _COUNT.size, os.SEEK_SET)
        os.write(self._descriptor, _COUNT.pack(count + 1))

    def add(self, index: int, size: int) -> None:
        """Add *size* to a count unless it is unknown.

        If two processes add at the same moment, one addition may be lost.
        """
        os.lseek(self._descriptor, index * _COUNT.size, os.SEEK_SET)
        data = os.read(self._descriptor, _COUNT.size).ljust(_COUNT.size, b"\0")
        count = _COUNT.unpack(data)[0] - 1
        if 0 <= count < _LARGEST_COUNT:
            self.write(index, max(0, count + size))


class Bound:
    """Evicts entries of *folder* when they exceed *max_bytes*, and refuses entries when the disk is nearly full.

    *min_free* is the part of the file system, 0 to 1, that must remain free. *parts* are the bounds of other caches
    whose bytes also count towards *max_bytes*.
    """

    def __init__(self, folder: str, max_bytes: int, min_free: float, parts: Sequence[Bound] = ()) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.min_free = min_free
        self.parts = parts
        self._marks_hits: bool | None = None

    def admits(self, size: int) -> bool:
        """Return whether an entry of *size* bytes may be stored at all."""
        if size > self.max_bytes // _LARGEST_PART:
            return False
        if self.min_free and hasattr(os, "statvfs"):
            # If this fails, so does the write that follows, which reports the reason.
            with contextlib.suppress(OSError):
                space = os.statvfs(self.folder)
                return space.f_bavail * space.f_frsize - size >= self.min_free * space.f_blocks * space.f_frsize
        return True

    def hit(self, path: str, status: os.stat_result) -> None:
        """Record that the entry at *path* is read, unless the file system does so.

        A file system that is mounted with ``noatime`` does not.
        """
        if self._marks_hits is None:
            with contextlib.suppress(OSError, AttributeError):
                self._marks_hits = bool(os.statvfs(self.folder).f_flag & _NO_ACCESS_TIMES)
        if self._marks_hits and not _File(path, status).was_read:
            with contextlib.suppress(OSError):
                # This sets the change time too, so the access time must be later than now.
                os.utime(path, ns=(time.time_ns() + CLOCK_MARGIN_NS, status.st_mtime_ns))

    def added(self, shard: str, size: int) -> None:
        """Add *size* bytes to the count of *shard*, two hexadecimal digits, and evict entries to stay within the limit.

        Raises:
            OSError: If the counts cannot be read or written.
        """
        with self._open() as counts:
            counts.add(int(shard, 16), size)
            held = counts.read()
            if min(held) < 0:
                unknown = [index for index, count in enumerate(held) if count < 0]
                if not self._count_some(counts, int(shard, 16), unknown):
                    return
                held = counts.read()
            room = self.max_bytes - sum(part.held() for part in self.parts)
            if sum(held) > room:
                self._make_room(counts, room)

    def held(self) -> int:
        """Return the number of bytes in all shards that are counted so far."""
        try:
            with self._open() as counts:
                return sum(max(0, count) for count in counts.read())
        except OSError:
            return 0  # nothing has been stored yet

    def recount(self, shard: str) -> None:
        """Count *shard* again, after entries were removed without eviction."""
        with self._open() as counts:
            self._scan(int(shard, 16), counts)

    def _count_some(self, counts: _Counts, own: int, unknown: list[int]) -> bool:
        """Count some of the *unknown* shards and return whether all are known now.

        Counting all of them at once would delay the first write. *own* is the shard that was just written to.
        """
        looked = len(self._scan(own, counts)) if own in unknown else 0
        random.shuffle(unknown)  # so that several processes count different shards
        for index in unknown:
            if looked >= _COUNTED_PER_WRITE:
                return False
            if index != own:
                looked += len(self._scan(index, counts, overwrite=False))
        return True

    def _make_room(self, counts: _Counts, room: int) -> None:
        looked = 0
        for _ in range(_MAX_SAMPLES):
            looked += self._evict_some(counts)
            if looked >= _MAX_FILES or sum(counts.read()) <= room:
                return

    def _evict_some(self, counts: _Counts) -> int:
        """Evict the least recently read tenth of the files in some random shards.

        A file that was read after it was written, or after it was last spared, is spared. If that applies to all files,
        the oldest tenth is evicted nevertheless. Returns the number of files looked at.
        """
        files: list[tuple[int, _File]] = []
        for index in random.sample(range(SHARDS), SHARDS):
            if len(files) >= _SAMPLE_FILES:
                break
            files += [(index, file) for file in self._scan(index, counts)]
        files.sort(key=lambda each: each[1].status.st_atime_ns)
        left = most = max(1, len(files) // _EVICTED_PART)
        for index, file in files:
            if not left:
                break
            if file.was_read:
                with contextlib.suppress(OSError):
                    os.utime(file.path, ns=(time.time_ns() - CLOCK_MARGIN_NS, file.status.st_mtime_ns))
            else:
                left -= self._remove(index, file, counts)
        if left == most:
            # No file was removed, because all had been read. Sparing all of them again and again would let the cache
            # grow.
            for index, file in files[:most]:
                self._remove(index, file, counts)
        return len(files)

    def _remove(self, index: int, file: _File, counts: _Counts) -> bool:
        try:
            os.unlink(file.path)
        except OSError:
            return False
        counts.add(index, -file.status.st_size)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(file.path))  # fails unless the folder is empty
        return True

    def _scan(self, index: int, counts: _Counts, *, overwrite: bool = True) -> list[_File]:
        """Return the files of one shard and store its count. A known count is replaced only if *overwrite* is set."""
        files = list(files_below(os.path.join(self.folder, f"{index:02x}")))
        # While the counts are unknown, several processes may count the same shard. Replacing the count of another
        # process would lose the bytes that were added to it since.
        if overwrite or counts.read()[index] < 0:
            counts.write(index, sum(file.status.st_size for file in files))
        return files

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Counts]:
        # Opened each time, because another process may have deleted and recreated the file.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(os.path.join(self.folder, "locks", "sizes"), flags, 0o600)
        try:
            yield _Counts(descriptor)
        finally:
            os.close(descriptor)


def files_below(shard: str) -> Iterator[_File]:
    """Yield the entries in the folder *shard*."""
    with contextlib.suppress(OSError), os.scandir(shard) as folders:
        for folder in folders:
            with contextlib.suppress(OSError), os.scandir(folder.path) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):  # folders are not entries
                            yield _File(entry.path, status)
