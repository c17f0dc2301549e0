"""Find the largest picture in an icon (ICO), whose directory says where its pictures are."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from ..formats import is_file_of
from .bounded import BoundedFile

_MAX_ENTRIES = 100  # an icon has about ten
_HEAD, _ENTRY = struct.Struct("<HHH"), struct.Struct("<BBBxHHII")
_DIB = struct.Struct("<Iii")
_BMP_HEADERS = range(40, 125)  # the sizes that a header of a bitmap may have


class _Entry(NamedTuple):
    """An entry of the directory. 0 stands for 256 pixels."""

    width: int
    height: int
    colours: int
    planes: int
    depth: int
    size_bytes: int
    offset: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width or 256, self.height or 256


def is_icon(descriptor: int) -> bool:
    return is_file_of("ico", os.pread(descriptor, 4, 0))


def largest_picture(descriptor: int, ref: str) -> bytes:
    """Return the largest picture of the icon at *descriptor*: a PNG file, or an icon that contains only that picture.

    If several have the same size, it is the one of the most colours.

    Raises:
        UnreadableSource: If the icon is broken, or a bitmap in it has another size than the directory says.
    """
    file = BoundedFile(descriptor, ref)
    _, _, count = _HEAD.unpack(file.read(0, _HEAD.size))
    if not 0 < count <= _MAX_ENTRIES:
        raise file.broken(f"an icon of {count} pictures; expected 1 to {_MAX_ENTRIES}")
    directory = file.read(_HEAD.size, count * _ENTRY.size)
    best = max(
        (_Entry(*fields) for fields in _ENTRY.iter_unpack(directory)),
        key=lambda entry: (entry.size[0] * entry.size[1], entry.depth),
    )
    start = file.read(best.offset, _DIB.size)
    if best.offset + best.size_bytes > file.size:
        raise file.broken("the icon ends within a picture")
    data = os.pread(descriptor, best.size_bytes, best.offset)
    if is_file_of("png", start):
        return data
    _check_bitmap(start, best, file)
    return _HEAD.pack(0, 1, 1) + _ENTRY.pack(*best._replace(offset=_HEAD.size + _ENTRY.size)) + data


def _check_bitmap(start: bytes, entry: _Entry, file: BoundedFile) -> None:
    """Refuse a bitmap that is larger than the directory says. Its mask counts as a second half of its height."""
    header, width, height = _DIB.unpack(start)
    if header not in _BMP_HEADERS or (width, height) != (entry.size[0], 2 * entry.size[1]):
        raise file.broken("a bitmap in the icon has another size than its directory says")
