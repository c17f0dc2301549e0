"""Count the frames or pages of a file by walking over its blocks, before a library parses all of them.

Even reading a header can be expensive. libwebp's time grows with the square of the number of frames: ten seconds for
100,000 frames, which fit into 5 MB. libnsgif's memory and libtiff's time grow linearly.
"""

from __future__ import annotations

import struct
from io import BufferedReader, FileIO, RawIOBase
from typing import BinaryIO

from ..errors import LimitExceeded
from .gif_frames import MAX_FRAMES, check_sizes, frames_of

_PIECE = 1 << 18


def check_frames(descriptor: int) -> None:
    """Refuse the file at *descriptor* if it has too many frames, pages or chunks, or a GIF with very large frames.

    Raises:
        LimitExceeded: If there are more than `MAX_FRAMES`, or if its frames are too large.
    """
    # Read through a large buffer: if there are many chunks, they are small, so that one read covers many of them.
    with BufferedReader(FileIO(descriptor, closefd=False), _PIECE) as file:
        file.seek(0)
        start = file.read(16)
        if start.startswith(b"GIF8"):
            count = _gif_frames(file)
        elif start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            count = _webp_chunks(file)
        elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            # Without a buffer, because pages may lie far apart, and reading each of them would fill the buffer anew.
            count = _tiff_pages(file.raw, start)
        else:
            return
    if count > MAX_FRAMES:
        raise LimitExceeded(
            "the file seems to have {:,} or more frames, pages or chunks", count, MAX_FRAMES, set_by="this package"
        )
    if start.startswith(b"GIF8"):
        check_sizes(frames_of(descriptor, MAX_FRAMES))


def _gif_frames(file: BinaryIO) -> int:
    """Estimate the number of frames. It is usually exact or too high.

    Each frame starts with a comma after a zero byte, but this pair of bytes may also occur within image data.
    """
    file.seek(0)
    return sum(piece.count(b"\0,") for piece in iter(lambda: file.read(_PIECE), b""))


def _webp_chunks(file: BinaryIO) -> int:
    offset, count = 12, 0
    while count <= MAX_FRAMES:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            break
        (size,) = struct.unpack_from("<I", head, 4)
        offset, count = offset + 8 + size + size % 2, count + 1
    return count


def _tiff_pages(file: RawIOBase, start: bytes) -> int:
    """Return the number of pages of a TIFF or BigTIFF. If the chain of pages has a loop, return more than the limit."""
    order = "<" if start[:2] == b"II" else ">"
    big = 43 in start[2:4]
    (entries, size, next_page, first), entry = (("Q", 8, "Q", 8), 20) if big else (("H", 2, "I", 4), 12)
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + next_page, start, first)
        while offset and len(seen) <= MAX_FRAMES:
            if offset in seen:
                return MAX_FRAMES + 1
            seen.add(offset)
            file.seek(offset)
            (tags,) = struct.unpack(order + entries, file.read(size) or b"")
            file.seek(offset + size + entry * tags)
            (offset,) = struct.unpack(order + next_page, file.read(struct.calcsize(order + next_page)) or b"")
    except (OSError, OverflowError, ValueError, struct.error):
        pass  # the file is truncated or an offset lies outside of it: the library will report that
    return len(seen)
