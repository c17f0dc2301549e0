"""Find the metadata of a PNG, and put rights into one: chunks."""

from __future__ import annotations

import struct
import zlib

from . import exif
from .file import MAX_BLOCK, MAX_PARTS, MAX_XMP, Blocks, File, Unfit

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_XMP = b"XML:com.adobe.xmp\0"
_BEHIND_HEADER = 33


def find(file: File, blocks: Blocks) -> None:
    """Add the blocks of *file* to *blocks*. XMP may stand behind the pixels.

    Raises:
        Unfit: If a chunk is broken. Then *blocks* has those before it.
    """
    offset = len(SIGNATURE)
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack(">I4s", file.read(offset, 8))
        start = offset + 8
        if kind == b"IEND":
            return
        if kind == b"eXIf" and not blocks.exif and length <= MAX_BLOCK:
            blocks.exif = file.read(start, length).removeprefix(exif.PREFIX)
        elif kind == b"iTXt" and not blocks.xmp and len(_XMP) + 2 < length <= MAX_XMP and _is_xmp(file, start):
            blocks.xmp.append(_text(file.read(start, length)[len(_XMP) :]))
        offset = start + length + 4


def _is_xmp(file: File, start: int) -> bool:
    return file.read(start, len(_XMP)) == _XMP


def _text(data: bytes) -> bytes:
    """Return the text of an iTXt chunk: *data* follows its keyword."""
    packed, texts = data[0], data[2:].split(b"\0", 2)
    text = texts[-1]
    if not packed:
        return text
    try:
        return zlib.decompressobj().decompress(text, MAX_XMP)
    except zlib.error:
        return b""


def insert(data: bytes, xmp: bytes, block: bytes) -> bytes:
    """Return the PNG *data* with a packet of XMP and, unless that is empty, a *block* of EXIF.

    Raises:
        Unfit: If it is no PNG.
    """
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR":
        raise Unfit("not a PNG")
    made = _chunk(b"eXIf", block) if block else b""
    made += _chunk(b"iTXt", _XMP + bytes(4) + xmp)
    return data[:_BEHIND_HEADER] + made + data[_BEHIND_HEADER:]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
