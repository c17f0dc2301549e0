"""Read the header of a PNG: its chunks, up to the first pixels."""

from __future__ import annotations

import os
import zlib

from ..geometry import Size
from . import exif
from .bounded import MAX_PARTS, BoundedFile, NotKnown, too_many
from .header import FileHeader

# The depths that each colour type may have.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_WITH_PALETTE = 3
_WITH_ALPHA = (4, 6)
_MAX = 2**31 - 1  # of a side, and of a chunk's bytes
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 10_000
_MAX_PACKED = 1 << 20  # bytes of compressed texts: libpng unpacks all, up to a thousand times as many
_MAX_KEYWORD = 79


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a PNG. An animated one counts as a still image, as it does for the engines.

    EXIF behind the first pixels is ignored: both engines ignore it.

    Raises:
        UnreadableSource: If its header is broken.
        LimitExceeded: If more than `MAX_PARTS` chunks precede its pixels, or much compressed text.
        NotKnown: If it is of a kind that decoders treat differently.
    """
    first = file.read(8, 25)
    size, alpha, interlaced = _first_chunk(first, file)
    palette = first[17] == _WITH_PALETTE
    offset, orientation, packed = 33, None, 0
    for _ in range(MAX_PARTS):
        head = file.read(offset, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name == b"IDAT":
            return FileHeader(size, "png", orientation or 1, alpha=alpha, whole=interlaced, palette=palette)
        if name == b"IEND":
            raise file.broken("a PNG without pixels")
        if length > _MAX or not name.isalpha():
            raise file.broken("a PNG with a broken chunk")
        if name == b"tRNS":
            alpha = alpha or length > 0
        elif name == b"eXIf" and orientation is None:
            orientation = exif.orientation(file, offset + 8, offset + 8 + length)
        elif name == b"zTXt" or (name == b"iTXt" and _is_packed(file, offset + 8, length)):
            packed += length
            if packed > _MAX_PACKED:
                raise too_many("the texts of the PNG have at least {:,} compressed bytes", packed, _MAX_PACKED)
        offset += 12 + length
    raise too_many("the PNG has at least {:,} chunks before its pixels", MAX_PARTS + 1)


def _is_packed(file: BoundedFile, start: int, length: int) -> bool:
    """Return whether the iTXt at *start* is compressed: a flag behind its keyword tells."""
    _, _, behind = file.read(start, min(length, _MAX_KEYWORD + 2)).partition(b"\0")
    return behind[:1] == b"\1"


def fault(descriptor: int) -> str | None:
    """Return what is wrong with the chunks of the PNG at *descriptor*; None if nothing is, or if it is no PNG.

    Reads the file up to the fault. Decoders often do not say what it is.
    """
    offset, size = len(_SIGNATURE), os.fstat(descriptor).st_size
    if os.pread(descriptor, offset, 0) != _SIGNATURE:
        return None
    for _ in range(_MAX_CHUNKS):
        head = os.pread(descriptor, 8, offset)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        end = offset + 12 + length
        if len(head) == 8 and not name.isalpha():
            return f"there is no chunk at byte {offset}"
        shown = f"chunk {name.decode('latin-1')} at byte {offset}"
        if len(head) < 8 or end > size:
            return f"the file ends within its {shown}" if len(head) == 8 else "the file ends before its last chunk"
        data = os.pread(descriptor, length + 8, offset + 4)
        if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
            return f"the checksum of its {shown} is wrong"
        if name == b"IEND":
            break
        offset = end
    return None


def _first_chunk(chunk: bytes, file: BoundedFile) -> tuple[Size, bool, bool]:
    """Return the size, and whether the PNG has an alpha channel and is interlaced."""
    if chunk[:8] != b"\0\0\0\x0dIHDR":
        raise NotKnown  # such as Apple's own kind
    size = Size(int.from_bytes(chunk[8:12], "big"), int.from_bytes(chunk[12:16], "big"))
    depth, colour, compression, filter, interlace = chunk[16:21]
    if not size.pixels or max(size) > _MAX:
        raise file.broken("a PNG of an impossible size")
    if depth not in _DEPTHS.get(colour, ()):
        raise file.broken("a PNG of an impossible depth")
    if compression or filter or interlace > 1:
        raise NotKnown
    return size, colour in _WITH_ALPHA, bool(interlace)
