"""Extract EXIF's Artist and Copyright, and write them into a new block that holds nothing else."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

_PREFIX = b"Exif\0\0"
_TAGS = (0x013B, 0x8298)  # Artist, Copyright (Exif 3.0, 4.6.5)
_TYPES = (2, 129)  # ASCII, UTF-8
_MAX_BYTES = 4096


def rights(exif: bytes) -> bytes | None:
    """Return a new EXIF block with the Artist and Copyright of the block *exif*, or None if it has neither."""
    return rights_of_tiff(io.BytesIO(exif.removeprefix(_PREFIX)))


def rights_of_tiff(file: BinaryIO) -> bytes | None:
    """Like `rights`, for the first page of a TIFF file. An EXIF block has the structure of such a file."""
    try:
        found = _read(file)
    except (OSError, OverflowError, struct.error):
        return None  # the file is truncated or an offset lies outside of it: render it without the rights
    return _written(found) if found else None


def _read(file: BinaryIO) -> dict[int, bytes]:
    """Return the values of `_TAGS`, without zeros and spaces at their ends."""
    file.seek(0)
    start = file.read(8)
    order = "<" if start[:2] == b"II" else ">"
    if struct.unpack(order + "H", start[2:4]) != (42,):
        return {}
    file.seek(*struct.unpack(order + "I", start[4:]))
    (count,) = struct.unpack(order + "H", file.read(2))
    found = {}
    wanted = {*_TAGS}
    for tag, type_, length, place in struct.iter_unpack(order + "HHI4s", file.read(12 * count)):
        if tag in wanted and type_ in _TYPES and length <= _MAX_BYTES:
            wanted.remove(tag)  # a hostile file may repeat a tag 65,535 times
            value: bytes = place[:length]
            if length > 4:
                file.seek(*struct.unpack(order + "I", place))
                value = file.read(length)
            if value := value.strip(b"\0 "):
                found[tag] = value
    return found


def _written(values: dict[int, bytes]) -> bytes:
    entries, data = b"", b""
    start = 8 + 2 + 12 * len(values) + 4
    for tag, text in sorted(values.items()):
        value = text + b"\0"
        if len(value) <= 4:
            place = value.ljust(4, b"\0")
        else:
            place = struct.pack(">I", start + len(data))
            data += value + bytes(len(value) % 2)
        entries += struct.pack(">HHI4s", tag, _TYPES[0], len(value), place)
    return _PREFIX + b"MM\0*" + struct.pack(">IH", 8, len(values)) + entries + bytes(4) + data
