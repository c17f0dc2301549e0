"""Read parts of a file, with a limit on the bytes."""

from __future__ import annotations

import os

from ..errors import LimitExceeded, SourceChanged, UnreadableSource
from ..system_errors import busy

MAX_BYTES = 64_000
"""The number of bytes that are read of a file at most, in all reads together."""

MAX_PARTS = 400
"""The number of segments or chunks that are read of a file at most. Each takes up to two microseconds."""

_FIRST = 2048  # holds the whole header of most files
_NEXT = 128  # small, so that files with MAX_PARTS large segments stay within MAX_BYTES


class NotKnown(Exception):
    """The header cannot be read within the limits, or is of a rare kind. Only an engine can read it."""


class BoundedFile:
    """The file open at *descriptor*, named *ref* in errors. Its position is neither used nor changed.

    *size* is in bytes.
    """

    def __init__(self, descriptor: int, ref: str) -> None:
        self.ref = ref
        self._descriptor = descriptor
        self._left = MAX_BYTES
        self._start = 0
        try:
            self.size = os.fstat(descriptor).st_size
        except OSError as error:
            raise busy(ref, error) from error
        self._window = self._read(0, min(_FIRST, self.size))

    def read(self, offset: int, count: int) -> bytes:
        """Return the *count* bytes at *offset*.

        Raises:
            UnreadableSource: If the file is shorter.
            SourceChanged: If the file became shorter since it was opened.
            NotKnown: If more than `MAX_BYTES` would be read.
            Busy: If the system cannot read the file now.
        """
        if offset + count > self.size:
            raise self.broken("the file ends within its header")
        start = offset - self._start
        if start < 0 or start + count > len(self._window):
            self._window = self._read(offset, min(max(count, _NEXT), self.size - offset))
            self._start, start = offset, 0
        return self._window[start : start + count]

    def broken(self, reason: str) -> UnreadableSource:
        """Return the error for a file with a broken header."""
        return UnreadableSource(self.ref, reason)

    def _read(self, offset: int, count: int) -> bytes:
        if count > self._left:
            raise NotKnown
        self._left -= count
        try:
            data = os.pread(self._descriptor, count, offset)
        except OSError as error:
            raise busy(self.ref, error) from error
        if len(data) < count:
            raise SourceChanged(self.ref, "the file became shorter while its header was read")
        return data


class Beginning(BoundedFile):
    """A file of *size* bytes of which only *data*, its beginning, is on this host."""

    def __init__(self, data: bytes, size: int, ref: str) -> None:
        self.ref = ref
        self.size = size
        self._start, self._window = 0, data

    def _read(self, offset: int, count: int) -> bytes:
        raise NotKnown


def too_many(what: str, count: int, limit: int = MAX_PARTS) -> LimitExceeded:
    """Return the error for a file with more parts than any honest file has. *what* is as in `LimitExceeded`."""
    return LimitExceeded(what, count, limit, set_by="this package")
