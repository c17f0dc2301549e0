"""Count the frames or pages of a file by walking over its blocks, before a library parses all of them.

Even reading a header can be expensive. libwebp's time grows with the square of the number of frames: ten seconds for
100,000 frames, which fit into 5 MB. libnsgif's memory and libtiff's time grow linearly.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from io import BufferedReader, FileIO

from ..errors import LimitExceeded, UnreadableSource
from .gif_blocks import Blocks, OtherBlock

MAX_FRAMES = 10_000

_PIECE = 1 << 18


def check_frames(descriptor: int) -> None:
    """Refuse the file at *descriptor* if it has too many frames, pages or chunks.

    Raises:
        LimitExceeded: If there are more than `MAX_FRAMES`.
    """
    start = os.pread(descriptor, 16, 0)
    if start.startswith(b"GIF8"):
        count = _gif_frames(descriptor)
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


def check_gif(descriptor: int, ref: str, frames: int) -> None:
    """Refuse a GIF if one of its first *frames* frames is incomplete.

    Without this check, libnsgif would silently fill the missing part of a frame with the frame before it.

    Raises:
        UnreadableSource: If the file ends too early, or has unknown blocks between the frames.
        LimitExceeded: See `gif_blocks`.
    """
    blocks = Blocks(descriptor)
    try:
        for _ in range(frames):
            blocks.skip_frame()
    except OtherBlock as other:
        raise UnreadableSource(ref, f"a GIF with an unknown block at byte {other.offset}") from None
    except EOFError:
        raise UnreadableSource(ref, "a GIF that ends within a frame") from None


def _gif_frames(descriptor: int) -> int:
    """Return the number of frames up to the first unknown block. Most decoders read no further."""
    blocks, count = Blocks(descriptor), 0
    with suppress(OtherBlock, EOFError):
        while count <= MAX_FRAMES:
            blocks.skip_frame()
            count += 1
    return count


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
