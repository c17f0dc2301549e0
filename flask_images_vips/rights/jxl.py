"""Find the metadata of a JPEG XL, and put rights into one: boxes around its codestream."""

from __future__ import annotations

import struct

from . import exif
from .file import MAX_BLOCK, MAX_PARTS, MAX_XMP, Blocks, File, Unfit

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
CODESTREAM = b"\xff\x0a"
"""The beginning of a file that is only a codestream, without boxes."""

_TYPE = b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
_XMP, _EXIF = b"xml ", b"Exif"


def find(file: File, blocks: Blocks) -> None:
    """Add the blocks of *file* to *blocks*. Boxes that are compressed by Brotli are not read.

    Raises:
        Unfit: If a box is broken. Then *blocks* has those before it.
    """
    if file.read(0, 2) == CODESTREAM:
        return
    offset = 0
    for _ in range(MAX_PARTS):
        if offset + 8 > file.size:
            return
        length, kind = struct.unpack(">I4s", file.read(offset, 8))
        start = offset + 8
        if length == 1:
            length, start = file.number(start, 8), start + 8
        end = offset + length if length else file.size
        if end < start:
            raise Unfit("a box is smaller than its header")
        if kind == _XMP and not blocks.xmp and end - start <= MAX_XMP:
            blocks.xmp.append(file.read(start, end - start))
        elif kind == _EXIF and not blocks.exif and 4 < end - start <= MAX_BLOCK:
            skipped = 4 + file.number(start, 4)
            blocks.exif = file.read(start, end - start)[skipped:].removeprefix(exif.PREFIX)
        offset = end


def insert(data: bytes, xmp: bytes, block: bytes) -> bytes:
    """Return the JPEG XL *data* with a packet of XMP and, unless that is empty, a *block* of EXIF.

    Raises:
        Unfit: If it is no JPEG XL, or its boxes are broken.
    """
    if data.startswith(CODESTREAM):
        data = SIGNATURE + _TYPE + _box(b"jxlc", data)
    elif not data.startswith(SIGNATURE):
        raise Unfit("not a JPEG XL")
    made = _box(_EXIF, bytes(4) + block) if block else b""
    return _closed(data) + made + _box(_XMP, xmp)


def _closed(data: bytes) -> bytes:
    """Return *data* with the length of its last box, which may state none: then it reaches to the end of the file."""
    offset = 0
    for _ in range(MAX_PARTS):
        if offset == len(data):
            return data
        if offset + 16 > len(data):
            break
        length = int.from_bytes(data[offset : offset + 4], "big")
        if length == 0:
            return data[:offset] + struct.pack(">I", len(data) - offset) + data[offset + 4 :]
        if length == 1:
            length = int.from_bytes(data[offset + 8 : offset + 16], "big")
        if length < 8:
            break
        offset += length
    raise Unfit("a JPEG XL with a broken box")


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content
