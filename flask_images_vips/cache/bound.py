"""How large may the cache grow? Evicts what was not read lately, without an index, a daemon or a scan at start.

Second chance: an entry's access time is later than its change time once it was read. The evictor gives such an entry
another lap and takes the others, oldest access first. What each of 256 shards holds is counted in one small file that
all processes share; a count that went wrong is put right whenever its shard is scanned.
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
_LARGEST_SHARE = 16  # an entry larger than this part of the bound would push out too much
_LEAST_NAMES = 32  # a sample to take the oldest tenth of
_TAKEN_SHARE = 10
_TRIES, _MOST_NAMES = 8, 512  # what one write may cost
_LEARNED_NAMES = 128  # counted with each write while not all are: the cache grows by less than 1 % meanwhile
NEVER_READ_NS = 20_000_000
"""An access time that lies so far back is before the change time, whose clock may be a little behind."""

_LARGEST_COUNT = 1 << 50  # what is larger is no count: the file was damaged
_NO_ACCESS_TIMES = getattr(os, "ST_NOATIME", 0)
_COUNT, _COUNTS = struct.Struct("<q"), struct.Struct(f"<{SHARDS}q")


class _File(NamedTuple):
    path: str
    status: os.stat_result

    @property
    def was_read(self) -> bool:
        return self.status.st_atime_ns > self.status.st_ctime_ns


class _Counts:
    """The bytes in each shard, in a file of all processes.

    The file holds one more than that: zero, as in a new file or one that a crash of the host emptied, means not
    known. It is not mapped: that would kill the process where the file is cut short or its disk is full.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> list[int]:
        """By shard; below zero where it is not known."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        data = os.read(self._descriptor, _COUNTS.size).ljust(_COUNTS.size, b"\0")
        return [count - 1 if count <= _LARGEST_COUNT else -1 for count in _COUNTS.unpack(data)]

    def write(self, index: int, count: int) -> None:
        os.lseek(self._descriptor, index * _COUNT.size, os.SEEK_SET)
        os.write(self._descriptor, _COUNT.pack(count + 1))

    def add(self, index: int, size: int) -> None:
        """Add *size* to a count that is known. Of two processes that add to one at the same moment, one loses."""
        os.lseek(self._descriptor, index * _COUNT.size, os.SEEK_SET)
        data = os.read(self._descriptor, _COUNT.size).ljust(_COUNT.size, b"\0")
        count = _COUNT.unpack(data)[0] - 1
        if 0 <= count < _LARGEST_COUNT:
            self.write(index, max(0, count + size))


class Bound:
    """Keeps the entries of *folder* within *max_bytes*, and *min_free* (0 to 1) of its file system free.

    What *parts* hold, with bounds of their own, counts as well.
    """

    def __init__(self, folder: str, max_bytes: int, min_free: float, parts: Sequence[Bound] = ()) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.min_free = min_free
        self.parts = parts
        self._marks_hits: bool | None = None

    def admits(self, size: int) -> bool:
        """Whether an entry of *size* bytes may be stored at all."""
        if size > self.max_bytes // _LARGEST_SHARE:
            return False
        if self.min_free and hasattr(os, "statvfs"):
            with contextlib.suppress(OSError):  # what is wrong with the folder, the write says
                space = os.statvfs(self.folder)
                return space.f_bavail * space.f_frsize - size >= self.min_free * space.f_blocks * space.f_frsize
        return True

    def hit(self, path: str, status: os.stat_result) -> None:
        """Note that an entry is read, where the file system does not: mounted with ``noatime``."""
        if self._marks_hits is None:
            with contextlib.suppress(OSError, AttributeError):
                self._marks_hits = bool(os.statvfs(self.folder).f_flag & _NO_ACCESS_TIMES)
        if self._marks_hits and not _File(path, status).was_read:
            with contextlib.suppress(OSError):
                # Later than the change time, which this sets too, and whose clock may be a little ahead.
                os.utime(path, ns=(time.time_ns() + NEVER_READ_NS, status.st_mtime_ns))

    def added(self, shard: str, size: int) -> None:
        """Count an entry of *size* bytes in *shard*, two hexadecimal digits, and make room where that was too much."""
        with self._open() as counts:
            counts.add(int(shard, 16), size)
            held = counts.read()
            if min(held) < 0:
                unknown = [index for index, count in enumerate(held) if count < 0]
                if not self._learn(counts, int(shard, 16), unknown):
                    return
                held = counts.read()
            room = self.max_bytes - sum(part.held() for part in self.parts)
            if sum(held) > room:
                self._make_room(counts, room)

    def held(self) -> int:
        """The bytes that the entries take, as far as they are counted."""
        try:
            with self._open() as counts:
                return sum(max(0, count) for count in counts.read())
        except OSError:
            return 0  # nothing was stored yet

    def recount(self, shard: str) -> None:
        """Count *shard* anew, after entries were removed by hand."""
        with self._open() as counts:
            self._scan(int(shard, 16), counts)

    def _learn(self, counts: _Counts, own: int, unknown: list[int]) -> bool:
        """Count some of the *unknown* shards, so that no start has to wait for all, and say whether all are known.

        *own* is the one that was just added to.
        """
        looked = len(self._scan(own, counts)) if own in unknown else 0
        random.shuffle(unknown)  # other processes count others meanwhile
        for index in unknown:
            if looked >= _LEARNED_NAMES:
                return False
            if index != own:
                looked += len(self._scan(index, counts, over=False))
        return True

    def _make_room(self, counts: _Counts, room: int) -> None:
        looked = 0
        for _ in range(_TRIES):
            looked += self._evict_some(counts)
            if looked >= _MOST_NAMES or sum(counts.read()) <= room:
                return

    def _evict_some(self, counts: _Counts) -> int:
        """Take the oldest tenth of some shards, but for what was read since it was last looked at.

        How many files were looked at.
        """
        files: list[tuple[int, _File]] = []
        for index in random.sample(range(SHARDS), SHARDS):
            if len(files) >= _LEAST_NAMES:
                break
            files += [(index, file) for file in self._scan(index, counts)]
        files.sort(key=lambda each: each[1].status.st_atime_ns)
        left = most = max(1, len(files) // _TAKEN_SHARE)
        for index, file in files:
            if not left:
                break
            if file.was_read:
                with contextlib.suppress(OSError):
                    os.utime(file.path, ns=(time.time_ns() - NEVER_READ_NS, file.status.st_mtime_ns))
            else:
                left -= self._remove(index, file, counts)
        if left == most:
            # All of them were read. Sparing them once more, the cache would grow for as long as they are.
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
            os.rmdir(os.path.dirname(file.path))  # fails where it still holds others
        return True

    def _scan(self, index: int, counts: _Counts, *, over: bool = True) -> list[_File]:
        """The files of one shard, which is counted anew; not *over* the count of another process."""
        files = list(_files_below(os.path.join(self.folder, f"{index:02x}")))
        # At the start all processes count all shards, and what was added to another's count would be forgotten.
        if over or counts.read()[index] < 0:
            counts.write(index, sum(file.status.st_size for file in files))
        return files

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Counts]:
        # Anew for each write: it may have been deleted, and made again by another process.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(os.path.join(self.folder, "locks", "sizes"), flags, 0o600)
        try:
            yield _Counts(descriptor)
        finally:
            os.close(descriptor)


def _files_below(shard: str) -> Iterator[_File]:
    with contextlib.suppress(OSError), os.scandir(shard) as folders:
        for folder in folders:
            with contextlib.suppress(OSError), os.scandir(folder.path) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):  # a folder is nobody's entry, and unlinking it fails
                            yield _File(entry.path, status)
