"""Find the metadata of a WebP, and put rights into one: chunks of RIFF."""

from __future__ import annotations

import struct

from . import exif
from .file import MAX_BLOCK, MAX_PARTS, MAX_XMP, Blocks, File, Unfit

_HAS_XMP, _HAS_EXIF, _HAS_ALPHA = 0x04, 0x08, 0x10
_HEADER = 12


def find(file: File, blocks: Blocks) -> None:
    """Add the blocks of *file* to *blocks*.

    Raises:
        Unfit: If a chunk is broken. Then *blocks* has those before it.
    """
    offset = _HEADER
    for _ in range(MAX_PARTS):
        if offset + 8 > file.size:
            return
        kind, length = struct.unpack("<4sI", file.read(offset, 8))
        if kind == b"EXIF" and not blocks.exif and length <= MAX_BLOCK:
            blocks.exif = file.read(offset + 8, length).removeprefix(exif.PREFIX)
        elif kind == b"XMP " and not blocks.xmp and length <= MAX_XMP:
            blocks.xmp.append(file.read(offset + 8, length))
        offset += 8 + length + length % 2


def insert(data: bytes, xmp: bytes, block: bytes) -> bytes:
    """Return the WebP *data* with a packet of XMP and, unless that is empty, a *block* of EXIF.

    Raises:
        Unfit: If it is no WebP.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        raise Unfit("not a WebP")
    chunks = data[_HEADER : 8 + int.from_bytes(data[4:8], "little")]
    if chunks[:4] != b"VP8X":
        chunks = _chunk(b"VP8X", _header(chunks)) + chunks
    flags = chunks[8] | _HAS_XMP | (_HAS_EXIF if block else 0)
    chunks = chunks[:8] + bytes([flags]) + chunks[9:] + bytes(len(chunks) % 2)
    if block:
        chunks += _chunk(b"EXIF", block)
    chunks += _chunk(b"XMP ", xmp)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _header(chunks: bytes) -> bytes:
    """Return the content of the header of a file that has none so far, because it is one simple picture."""
    if chunks[:4] == b"VP8L" and chunks[8] == 0x2F:
        bits = int.from_bytes(chunks[9:13], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif chunks[:4] == b"VP8 " and chunks[11:14] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(chunks[at : at + 2], "little") & 0x3FFF for at in (14, 16))
        width, height, alpha = width - 1, height - 1, 0
    else:
        raise Unfit("a WebP without a picture")
    return bytes([_HAS_ALPHA * alpha, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
