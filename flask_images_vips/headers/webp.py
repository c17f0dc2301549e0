"""Read the header of a WebP: its chunks."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import UnreadableSource
from ..geometry import Size
from . import exif
from .bounded import MAX_PARTS, BoundedFile, NotKnown
from .header import FileHeader

_ANIMATION, _EXIF, _ALPHA = 0x02, 0x08, 0x10
_MAX_PIXELS = 2**32


class _Chunk(NamedTuple):
    """A chunk, of *length* bytes from the offset *start*. The next one is at *end*."""

    kind: bytes
    start: int
    length: int
    end: int


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a WebP.

    *frames* is None if an animation has more than `MAX_PARTS` chunks.

    Raises:
        UnreadableSource: If its header is broken, or if the file is cut short anywhere, as for both engines.
        NotKnown: If its EXIF stands behind more than `MAX_PARTS` chunks, or a chunk behind its first frame is broken.
    """
    end = 8 + int.from_bytes(file.read(4, 4), "little")
    if end > file.size:
        raise file.broken("a WebP that is cut short")
    first = _chunk(file, 12, end)
    if first.kind == b"VP8X":
        return _extended(file, first, end)
    size, alpha = _still(file, first)
    return FileHeader(size, "webp", alpha=alpha)


def _chunk(file: BoundedFile, offset: int, end: int) -> _Chunk:
    """Return the chunk at *offset* of a file whose chunks end at *end*."""
    head = file.read(offset, 8)
    start, length = offset + 8, int.from_bytes(head[4:], "little")
    if start + length > end:
        raise file.broken("a WebP with a broken chunk")
    return _Chunk(head[:4], start, length, start + length + length % 2)


def _still(file: BoundedFile, chunk: _Chunk) -> tuple[Size, bool]:
    """Return the size of the image in *chunk*, and whether it has alpha."""
    if chunk.kind == b"VP8L" and chunk.length >= 5:
        data = file.read(chunk.start, 5)
        bits = int.from_bytes(data[1:], "little")
        if data[0] == 0x2F and not bits >> 29:  # the signature, and the only version
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bool(bits >> 28)
    elif chunk.kind == b"VP8 " and chunk.length >= 10:
        data = file.read(chunk.start, 10)
        size = Size(int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF)
        # A key frame that is shown, of one of the four profiles, and the signature.
        if data[0] & 0x19 == 0x10 and data[3:6] == b"\x9d\x01\x2a" and size.pixels:
            return size, False
    raise file.broken("a WebP without an image, or with a broken one")


def _extended(file: BoundedFile, first: _Chunk, end: int) -> FileHeader:
    """Return the header of a WebP whose *first* chunk states flags and the size. Its chunks end at *end*."""
    if first.length < 10:
        raise file.broken("a WebP with a broken header")
    head = file.read(first.start, 10)
    flags = head[0]
    size = Size(int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1)
    has_exif, animated = bool(flags & _EXIF), bool(flags & _ANIMATION)
    offset, orientation, still = first.end, None, None
    frames, counted = 0, True
    for _ in range(MAX_PARTS):
        if offset + 8 > end or (still is not None and (orientation or not has_exif)):
            break
        try:
            chunk = _chunk(file, offset, end)
        except UnreadableSource:
            if frames:
                raise NotKnown from None  # libwebp takes the size of a frame from the chunks inside of it
            raise
        offset = chunk.end
        if chunk.kind == b"ANMF":
            frames += 1
        elif chunk.kind == b"EXIF" and has_exif and orientation is None:
            prefixed = chunk.length >= 6 and file.read(chunk.start, 6) == exif.PREFIX
            start = chunk.start + 6 * prefixed
            orientation = exif.orientation(file, start, chunk.start + chunk.length)
        elif chunk.kind in (b"VP8 ", b"VP8L") and still is None:
            still, _ = _still(file, chunk)
    else:
        if has_exif and orientation is None:
            raise NotKnown
        counted = False
    if size.pixels >= _MAX_PIXELS or animated == (frames == 0) or (not animated and still != size):
        raise file.broken("a WebP whose header does not fit its image")
    shown = 1 if not animated else frames if counted else None
    return FileHeader(size, "webp", orientation or 1, shown, alpha=bool(flags & _ALPHA))
