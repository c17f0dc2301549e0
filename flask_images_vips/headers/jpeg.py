"""Read the header of a JPEG: its segments, up to the first pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ..errors import ImagesError
from ..geometry import Size
from . import exif
from .bounded import MAX_PARTS, BoundedFile, NotKnown, too_many
from .header import FileHeader

_START_OF_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_START = b"\xff\xd8\xff"
END_MARKER = bytes([0xFF, _END])
_PIECE = 1 << 18
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the others are tables
_DECODED = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # baseline, extended and progressive, by Huffman or arithmetic coding
_LOSSLESS = {0xC3, 0xCB}
_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
_PIECES = (100, 4000)  # most often little is between two segments
_MAX_APART = 100  # segments, if there is other data between them


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a JPEG.

    Raises:
        UnreadableSource: If its header is broken.
        LimitExceeded: If more than `MAX_PARTS` segments precede its pixels, or fewer with other data between them.
        NotKnown: If it is of a kind that decoders treat differently, or much other data precedes its pixels.
    """
    offset, size, orientation = 2, None, None
    segments, most = 0, MAX_PARTS
    for _ in range(MAX_PARTS):
        head = file.read(offset, 4)
        marker = head[1]
        if head[0] != 0xFF or marker in (0x00, 0xFF):
            offset, most = _next_marker(file, offset), _MAX_APART
            continue
        if marker in _ALONE:
            offset += 2
            continue
        if marker == _START_OF_SCAN:
            if size is None:
                raise file.broken("a JPEG without a frame header")
            return FileHeader(size, "jpeg", orientation or 1)
        if marker == _END:
            raise file.broken("a JPEG that ends before its pixels")
        end = offset + 2 + max(2, int.from_bytes(head[2:], "big"))
        if marker in _FRAMES:
            if size is not None:
                raise file.broken("a JPEG with two frame headers")
            size = _size(file, marker, offset + 4, end)
        elif marker == _APP1 and orientation is None and end - offset >= 10 and file.read(offset + 4, 6) == exif.PREFIX:
            orientation = exif.orientation(file, offset + 10, end)
        offset, segments = end, segments + 1
    if segments >= most:
        raise too_many("the JPEG has at least {:,} segments before its pixels", segments + 1, most)
    raise NotKnown


def is_lossless(descriptor: int) -> bool:
    """Return whether the file at *descriptor* is a lossless JPEG. Decoders cannot shrink it, and do not say so."""
    return next((marker in _LOSSLESS for marker, _ in _segments(descriptor) if marker in _FRAMES), False)


def _segments(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield the marker and the offset of each segment up to the first scan, or up to the first that is broken."""
    offset = 2
    with suppress(NotKnown, ImagesError):
        file = BoundedFile(descriptor, "")
        for _ in range(MAX_PARTS):
            head = file.read(offset, 4)
            if head[0] != 0xFF:
                return
            yield head[1], offset
            if head[1] == _START_OF_SCAN:
                return
            offset += 2 + int.from_bytes(head[2:], "big")


def is_jpeg(descriptor: int) -> bool:
    """Return whether the file at *descriptor* starts like a JPEG."""
    return os.pread(descriptor, len(_START), 0) == _START


def lacks_end(descriptor: int) -> bool:
    """Return whether the JPEG at *descriptor* ends within its pixels, perhaps only without the last marker.

    Many cameras write other data behind that marker, such as a video. It cannot occur within the data of pixels.
    """
    size = os.fstat(descriptor).st_size
    if os.pread(descriptor, len(END_MARKER), max(0, size - len(END_MARKER))) == END_MARKER:
        return False
    start = next((offset for marker, offset in _segments(descriptor) if marker == _START_OF_SCAN), size)
    before = b""
    for offset in range(start, size, _PIECE):
        piece = os.pread(descriptor, _PIECE, offset)
        if END_MARKER in before + piece:
            return False
        before = piece[-1:]
    return start < size


def _size(file: BoundedFile, marker: int, start: int, end: int) -> Size:
    """Return the size that the frame header between the offsets *start* and *end* states."""
    frame = file.read(start, end - start)
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5]:
        raise file.broken("a JPEG whose frame header has a wrong length")
    if marker not in _DECODED and marker not in _LOSSLESS:
        raise file.broken("a JPEG of a kind that no decoder reads")
    size = Size(int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big"))
    if not size.pixels:
        raise file.broken("a JPEG without pixels")
    if marker in _LOSSLESS or frame[0] != 8 or frame[5] not in (1, 3, 4):
        raise NotKnown
    return size


def _next_marker(file: BoundedFile, offset: int) -> int:
    """Return the offset of the next byte that may begin a marker, after *offset*. Decoders skip what is between."""
    piece = b""
    for size in _PIECES:
        piece = file.read(offset, min(size, file.size - offset))
        fill = len(piece) - len(piece.lstrip(b"\xff"))
        if 1 < fill < len(piece):  # any number of these bytes may precede a marker
            return offset + fill - 1
        at = piece.find(b"\xff", 1)
        if at > 0 and not fill > 1:
            return offset + at
    return offset + max(len(piece) - piece.endswith(b"\xff"), 1)
