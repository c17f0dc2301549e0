"""Count the frames or pages of a file by walking over its blocks, before a library parses all of them.

Even reading a header can be expensive. libwebp's time grows with the square of the number of frames: ten seconds for
100,000 frames, which fit into 5 MB. libnsgif's memory and libtiff's time grow linearly.
"""

from __future__ import annotations

import os
import struct
from io import BufferedReader, FileIO

from ..errors import LimitExceeded
from .gif_frames import MAX_FRAMES, check_sizes, frames_of

_PIECE = 1 << 18


def check_frames(descriptor: int) -> None:
    """Refuse the file at *descriptor* if it has too many frames, pages or chunks, or a GIF with very large frames.

    Raises:
        LimitExceeded: If there are more than `MAX_FRAMES`, or if its frames are too large.
    """
    start = os.pread(descriptor, 16, 0)
    if start.startswith(b"GIF8"):
        frames = frames_of(descriptor, MAX_FRAMES + 1)
        check_sizes(frames)
        count = len(frames)
    elif start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        count = _webp_chunks(descriptor)
    elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        count = _tiff_pages(descriptor, start)
    else:
        return
    if count > MAX_FRAMES:
        raise LimitExceeded(
            "the file seems to have {:,} or more frames, pages or chunks", count, MAX_FRAMES, set_by="this package"
        )


def _webp_chunks(descriptor: int) -> int:
    # Read through a large buffer: if there are many chunks, they are small, so that one read covers many of them.
    with BufferedReader(FileIO(descriptor, closefd=False), _PIECE) as file:
        offset, count = 12, 0
        while count <= MAX_FRAMES:
            file.seek(offset)
            head = file.read(8)
            if len(head) < 8:
                break
            (size,) = struct.unpack_from("<I", head, 4)
            offset, count = offset + 8 + size + size % 2, count + 1
    return count


def _tiff_pages(descriptor: int, start: bytes) -> int:
    """Return the number of pages of a TIFF or BigTIFF. If the chain of pages has a loop, return more than the limit."""
    order = "<" if start[:2] == b"II" else ">"
    big = 43 in start[2:4]
    counting, address, first, entry = ("Q", "Q", 8, 20) if big else ("H", "I", 4, 12)
    counted, linked = struct.Struct(order + counting), struct.Struct(order + address)
    seen: set[int] = set()
    try:
        (offset,) = linked.unpack_from(start, first)
        while offset and len(seen) <= MAX_FRAMES:
            if offset in seen:
                return MAX_FRAMES + 1
            seen.add(offset)
            (tags,) = counted.unpack(os.pread(descriptor, counted.size, offset))
            (offset,) = linked.unpack(os.pread(descriptor, linked.size, offset + counted.size + entry * tags))
    except (OSError, OverflowError, ValueError, struct.error):
        pass  # the file is truncated or an offset lies outside of it: the library will report that
    return len(seen)
