"""How many pictures does a file hold? Counted by its outline, before a library looks through all of them.

To read the header of a WebP, libwebp takes time that grows with the square of that number: ten seconds for 100,000
frames, in 5 MB. libnsgif takes memory, and libtiff time, that grow with it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from ..errors import LimitExceeded, UnreadableSource

MOST_FRAMES = 10_000
_PIECE = 1 << 18


def check_frames(descriptor: int) -> None:
    """Find the file at *descriptor* to hold no more than `MOST_FRAMES` frames, pages or chunks.

    Raises:
        LimitExceeded: there are more, and perhaps many more: counting stops there.
    """
    # In large pieces: pages and chunks that are many are small, and lie close together.
    with open(descriptor, "rb", buffering=_PIECE, closefd=False) as file:
        file.seek(0)
        start = file.read(16)
        if start.startswith(b"GIF8"):
            count = _gif_frames(file)
        elif start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            count = _webp_chunks(file)
        elif start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            count = _tiff_pages(file, start)
        else:
            return
    if count > MOST_FRAMES:
        raise LimitExceeded("number of frames", count, MOST_FRAMES, set_by="this package")


def check_gif(descriptor: int, ref: str, frames: int) -> None:
    """Find the first *frames* frames of a GIF to be there to their ends, as far as its outline (GIF89a) tells.

    libnsgif takes the frame before for what is missing of one, without a word.

    Raises:
        UnreadableSource: it ends before, or something else stands where a frame should be.
    """
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        data = file.read()
    try:
        offset = 13 + _table_bytes(data[10])
        while frames:
            if data[offset] == 0x2C:  # a frame
                offset += 11 + _table_bytes(data[offset + 9])
                frames -= 1
            elif data[offset] == 0x21:  # an extension
                offset += 2
            else:
                raise UnreadableSource(ref, f"no frame and no extension at byte {offset} of a GIF")
            while data[offset]:
                offset += data[offset] + 1
            offset += 1
    except IndexError:
        raise UnreadableSource(ref, "a GIF that ends within a frame") from None


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_frames(file: BinaryIO) -> int:
    """At most so many: the end of a block and the mark of a picture stand before each, and now and then in its data."""
    file.seek(0)
    return sum(piece.count(b"\0,") for piece in iter(lambda: file.read(_PIECE), b""))


def _webp_chunks(file: BinaryIO) -> int:
    offset, count = 12, 0
    while count <= MOST_FRAMES:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            break
        (size,) = struct.unpack_from("<I", head, 4)
        offset, count = offset + 8 + size + size % 2, count + 1
    return count


def _tiff_pages(file: BinaryIO, start: bytes) -> int:
    """The pages, also of a BigTIFF; a chain of pages that bites its tail has endless ones."""
    order = "<" if start[:2] == b"II" else ">"
    big = 43 in start[2:4]
    (entries, size, next_page, first), entry = (("Q", 8, "Q", 8), 20) if big else (("H", 2, "I", 4), 12)
    count = 0
    try:
        (offset,) = struct.unpack_from(order + next_page, start, first)
        while offset and count <= MOST_FRAMES:
            file.seek(offset)
            (tags,) = struct.unpack(order + entries, file.read(size))
            file.seek(offset + size + entry * tags)
            (offset,) = struct.unpack(order + next_page, file.read(struct.calcsize(order + next_page)))
            count += 1
    except (OSError, OverflowError, struct.error):
        pass  # cut short, or pointing to nowhere: to find out more is the library's part
    return count
