"""Read parts of a file that may be hostile: how much may be read of it, and where it ends."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import BinaryIO

MAX_XMP = 1 << 20
"""The largest XMP packet that is read, in bytes. Usual ones have a few thousand."""

MAX_BLOCK = 1 << 16
"""The largest block of EXIF or IPTC that is read, in bytes."""

MAX_PARTS = 10_000
"""The maximum number of segments, chunks or boxes that are read from one file."""

MAX_CALLS = 50_000
"""How often another library may read or seek in a file at most. A GIF of 5 MB takes so many calls."""

_MAX_BYTES = 4 << 20
_MAX_READS = 30_000


class Unfit(Exception):
    """The file does not have the structure of its format, or exceeds a limit of this module."""


class File:
    """A file, given as an open descriptor or as its bytes. The position of a descriptor is not used."""

    def __init__(self, file: int | bytes) -> None:
        self._file = file
        self.size = os.fstat(file).st_size if isinstance(file, int) else len(file)
        self._bytes, self._reads = _MAX_BYTES, _MAX_READS

    def read(self, offset: int, count: int) -> bytes:
        """Return the *count* bytes at *offset*.

        Raises:
            Unfit: If the file does not have them, or if the limits on all reads together are reached.
            OSError: If the system cannot read the file now.
        """
        self._bytes -= count
        self._reads -= 1
        if offset < 0 or count < 0 or offset + count > self.size or self._bytes < 0 or self._reads < 0:
            raise Unfit("a part lies outside of the file, or there are too many")
        if isinstance(self._file, bytes):
            return self._file[offset : offset + count]
        data = os.pread(self._file, count, offset)
        if len(data) < count:
            raise Unfit("the file became shorter")
        return data

    def number(self, offset: int, size: int) -> int:
        """Return the number of *size* bytes at *offset*, the most significant byte first."""
        return int.from_bytes(self.read(offset, size), "big")


class Rationed:
    """A *file* for another library, which fails after `MAX_CALLS` calls, as one with millions of tiny parts would take.

    *spent* tells whether that was so.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._calls = MAX_CALLS

    @property
    def spent(self) -> bool:
        return self._calls < 0

    def _call(self) -> BinaryIO:
        self._calls -= 1
        if self.spent:
            raise OSError("the file was read too often")
        return self._file

    def read(self, count: int = -1) -> bytes:
        return self._call().read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._call().seek(offset, whence)

    def tell(self) -> int:
        return self._call().tell()

    def write(self, data: bytes) -> int:
        raise OSError("the file is for reading only")

    def flush(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Blocks:
    """The blocks of metadata in a file: packets of XMP, EXIF that begins as a TIFF, and datasets of IPTC-IIM."""

    xmp: list[bytes] = field(default_factory=list)
    exif: bytes = b""
    iptc: bytes = b""
