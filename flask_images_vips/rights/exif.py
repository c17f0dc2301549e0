"""Read Artist and Copyright of EXIF, and write a block that holds nothing else."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from .record import Rights

PREFIX = b"Exif\0\0"
"""What stands before EXIF in a JPEG, and in some other files."""

ARTIST, COPYRIGHT = 0x013B, 0x8298
"""Their tags (Exif 3.0, 4.6.5)."""

_TYPES = (2, 129)  # ASCII, UTF-8
_MAX_BYTES = 4096


def read(file: BinaryIO) -> dict[int, bytes]:
    """Return Artist and Copyright of a TIFF, or of an EXIF block, without zeros and spaces at their ends.

    Raises:
        OSError, OverflowError, struct.error: If it is cut short, or an offset lies outside of it.
    """
    file.seek(0)
    start = file.read(8)
    order = "<" if start[:2] == b"II" else ">"
    if struct.unpack(order + "H", start[2:4]) != (42,):
        return {}
    file.seek(*struct.unpack(order + "I", start[4:]))
    (count,) = struct.unpack(order + "H", file.read(2))
    found = {}
    wanted = {ARTIST, COPYRIGHT}
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


def write(values: dict[int, bytes]) -> bytes:
    """Return a block of EXIF, without a prefix, of *values*, by tag."""
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
    return b"MM\0*" + struct.pack(">IH", 8, len(values)) + entries + bytes(4) + data


def parse(block: bytes) -> dict[str, Any]:
    """Return the rights in a *block* of EXIF by the names of `Rights`; none if it is broken."""
    try:
        return of_values(read(io.BytesIO(block.removeprefix(PREFIX))))
    except (OSError, OverflowError, struct.error):
        return {}


def of_values(values: dict[int, bytes]) -> dict[str, Any]:
    """Return the rights that the tags *values* say, by the names of `Rights`."""
    texts = {tag: _text(value) for tag, value in values.items()}
    found: dict[str, Any] = {}
    if ARTIST in texts:
        found["creator"] = [name for part in texts[ARTIST].split(";") if (name := part.strip())]
    if COPYRIGHT in texts:
        found["copyright"] = texts[COPYRIGHT]
    return found


def values_of(rights: Rights) -> dict[int, bytes]:
    """Return the tags that say *rights*."""
    texts = {ARTIST: "; ".join(rights.creator), COPYRIGHT: rights.copyright}
    return {tag: text.encode() for tag, text in texts.items() if text}


def _text(value: bytes) -> str:
    # A zero separates the notice of the photographer from that of the editor.
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return "; ".join(part for each in text.split("\0") if (part := each.strip()))
