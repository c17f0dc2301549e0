"""Read the header of a PNG: its chunks, up to the first pixels."""

from __future__ import annotations

from ..geometry import Size
from . import exif
from .bounded import MAX_PARTS, BoundedFile, NotKnown, too_many
from .header import FileHeader

# The depths that each colour type may have.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_WITH_PALETTE = 3
_WITH_ALPHA = (4, 6)
_MAX = 2**31 - 1  # of a side, and of a chunk's bytes


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a PNG. An animated one counts as a still image, as it does for the engines.

    EXIF behind the first pixels is ignored: both engines ignore it.

    Raises:
        UnreadableSource: If its header is broken.
        LimitExceeded: If more than `MAX_PARTS` chunks precede its pixels.
        NotKnown: If it is of a kind that decoders treat differently.
    """
    first = file.read(8, 25)
    size, alpha, interlaced = _first_chunk(first, file)
    palette = first[17] == _WITH_PALETTE
    offset, orientation = 33, None
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
        offset += 12 + length
    raise too_many("the PNG has at least {:,} chunks before its pixels", MAX_PARTS + 1)


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
