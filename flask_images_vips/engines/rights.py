"""Who made this picture, and whose is it? EXIF's Artist and Copyright, read, and written anew without all the rest."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

_PREFIX = b"Exif\0\0"
_TAGS = (0x013B, 0x8298)  # Artist, Copyright (Exif 3.0, 4.6.5)
_TEXTS = (2, 129)  # ASCII, UTF-8
_MOST_BYTES = 4096


def rights(exif: bytes) -> bytes | None:
    """A block of EXIF with those two tags of the block *exif* and nothing else; None where it states neither."""
    return rights_of_tiff(io.BytesIO(exif.removeprefix(_PREFIX)))


def rights_of_tiff(file: BinaryIO) -> bytes | None:
    """As `rights`, of the first page of a TIFF file, which is of the same build."""
    try:
        found = _read(file)
    except (OSError, OverflowError, struct.error):
        return None  # cut short, or pointing to nowhere: a picture without rights is still a picture
    return _written(found) if found else None


def _read(file: BinaryIO) -> dict[int, bytes]:
    """The texts of `_TAGS`, without the zeros at their ends."""
    file.seek(0)
    start = file.read(8)
    order = "<" if start[:2] == b"II" else ">"
    if struct.unpack(order + "H", start[2:4]) != (42,):
        return {}
    file.seek(*struct.unpack(order + "I", start[4:]))
    (count,) = struct.unpack(order + "H", file.read(2))
    found = {}
    wanted = {*_TAGS}
    for number, kind, length, place in struct.iter_unpack(order + "HHI4s", file.read(12 * count)):
        if number in wanted and kind in _TEXTS and length <= _MOST_BYTES:
            wanted.remove(number)  # a hostile file may repeat a tag 65,535 times
            text: bytes = place[:length]
            if length > 4:
                file.seek(*struct.unpack(order + "I", place))
                text = file.read(length)
            if text := text.strip(b"\0 "):
                found[number] = text
    return found


def _written(texts: dict[int, bytes]) -> bytes:
    entries, data = b"", b""
    start = 8 + 2 + 12 * len(texts) + 4
    for number, text in sorted(texts.items()):
        value = text + b"\0"
        if len(value) <= 4:
            place = value.ljust(4, b"\0")
        else:
            place = struct.pack(">I", start + len(data))
            data += value + bytes(len(value) % 2)
        entries += struct.pack(">HHI4s", number, _TEXTS[0], len(value), place)
    return _PREFIX + b"MM\0*" + struct.pack(">IH", 8, len(texts)) + entries + bytes(4) + data
