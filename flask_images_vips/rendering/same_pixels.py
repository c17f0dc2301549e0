"""Send the pixels of a PNG as they are, without encoding them again.

Whoever made a small PNG may have spent minutes on it, so encoding it again often makes it larger. This module writes a
new file around the compressed pixels of the old one, and nothing else of it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_END = b"IEND"
# These change what the pixels look like, so they cannot be left out. Without them, a PNG is shown as sRGB.
_MEANINGFUL = {b"cICP", b"iCCP", b"eXIf"}
# What PNG files in sRGB state (PNG, third edition, 11.3.2.5), in units of 1/100,000.
_SRGB = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
_PIECE = 1 << 18
_MAX_CHUNKS = 20_000  # encoders write 8 kB or more into a chunk


def same_pixels(descriptor: int) -> bytes | None:
    """Return a PNG with the same compressed pixels as the one at *descriptor*, and without its metadata.

    Returns None if the file is no such PNG, or if it hides other data between its pixels or behind them.
    """
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    made, pixels = [_SIGNATURE], []
    try:
        for kind, content in _chunks(data):
            if kind in _MEANINGFUL or _SRGB.get(kind, content) != content or (kind not in _KEPT and kind[:1].isupper()):
                return None
            if kind == b"IDAT":
                pixels.append(content)
            if kind in _KEPT:
                made.append(_chunk(kind, content))
        whole = _is_stream_of(pixels, _raw_bytes(data))
    except (struct.error, ValueError, KeyError, zlib.error):
        return None
    return b"".join([*made, _chunk(_END, b"")]) if whole else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each chunk but the last.

    Raises:
        ValueError, struct.error: If the chunks are broken, or the file ends within them.
    """
    if not data.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    offset = len(_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind == _END:
            return
        content = data[offset + 8 : offset + 8 + length]
        if struct.unpack_from(">I", data, offset + 8 + length) != (zlib.crc32(kind + content),):
            raise ValueError("a broken chunk")
        yield kind, content
        offset += 12 + length
    raise ValueError("too many chunks")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _raw_bytes(data: bytes) -> int:
    """Return how many bytes the pixels have before compression.

    Raises:
        ValueError, KeyError, struct.error: If the PNG is interlaced or not valid.
    """
    length, kind, width, height, depth, colour, _, _, interlaced = struct.unpack_from(">I4sIIBBBBB", data, 8)
    if (length, kind, interlaced) != (13, b"IHDR", 0):
        raise ValueError("interlaced, or without a header")
    return int(height * (1 + (width * depth * _SAMPLES[colour] + 7) // 8))


def _is_stream_of(pieces: list[bytes], size: int) -> bool:
    """Return whether *pieces* are one stream of *size* bytes, with nothing behind it.

    Raises:
        zlib.error: If they are not a stream.
    """
    stream, count = zlib.decompressobj(), 0
    # Each call of zlib copies what it leaves, so a large piece must not be passed to it whole.
    for part in (piece[at : at + _PIECE] for piece in pieces for at in range(0, len(piece), _PIECE)):
        left = part
        while left and count <= size and not stream.eof:
            count += len(stream.decompress(left, _PIECE))
            left = stream.unconsumed_tail
        if left:
            return False
    while not stream.eof and count <= size and (more := stream.decompress(stream.unconsumed_tail, _PIECE)):
        count += len(more)
    return stream.eof and count == size and not stream.unused_data
