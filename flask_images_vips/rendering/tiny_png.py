"""Decode the tiny PNGs that placeholders are made from, without a decoder written in C.

A renderer has made them, and a renderer that a hostile file has taken over may send anything. So the web worker reads
them in Python, within narrow limits.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from ..errors import UnreadableSource
from ..geometry import Size

MAX_SIDE = 64
_MAX_BYTES = 65_536  # several times what such a picture has without any compression
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BANDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


def rgba(data: bytes) -> tuple[Size, bytes]:
    """Return the size of the PNG *data*, and its pixels in RGBA with 4 bytes per pixel, row by row.

    Raises:
        UnreadableSource: If it is broken, has more than `MAX_SIDE` pixels per side or more bytes than these need, or is
            not as engines write PNGs: 8 bits per band or less, and not interlaced.
    """
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError("too many bytes")
        chunks = dict(_chunks(data))
        width, height, depth, colour, *other = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
        if any(other) or depth > 8 or not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
            raise ValueError("another kind of PNG")
        row_bytes = (width * _BANDS[colour] * depth + 7) // 8
        raw = zlib.decompressobj().decompress(chunks[b"IDAT"], height * (row_bytes + 1))
        pixels = [
            _pixel(values, colour, depth, chunks)
            for row in _rows(raw, height, row_bytes, max(1, _BANDS[colour] * depth // 8))
            for values in _values(row, width * _BANDS[colour], depth, _BANDS[colour])
        ]
        return Size(width, height), b"".join(pixels)
    except (ValueError, KeyError, IndexError, struct.error, zlib.error) as error:
        raise UnreadableSource("placeholder", f"not a tiny PNG ({error})") from error


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each chunk. The content of several IDAT chunks is joined."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no signature")
    offset, pixels = len(_SIGNATURE), b""
    while offset < len(data):
        (length,), name = struct.unpack_from(">I", data, offset), data[offset + 4 : offset + 8]
        content = data[offset + 8 : offset + 8 + length]
        if name == b"IDAT":
            content = pixels = pixels + content
        yield name, content
        offset += 12 + length


def _rows(raw: bytes, height: int, row_bytes: int, step: int) -> Iterator[bytearray]:
    """Yield the rows, whose filters are undone. *step* is the number of bytes from a pixel to the next."""
    above = bytearray(row_bytes)
    for start in range(0, height * (row_bytes + 1), row_bytes + 1):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + row_bytes])
        for i in range(row_bytes):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            row[i] = (row[i] + _predicted(kind, left, above[i], corner)) & 255
        yield row
        above = row


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    """Return what the filter *kind* predicts for a byte, see the PNG specification, section 9."""
    if kind == 4:
        nearness = [(abs(left + above - corner - value), number) for number, value in enumerate((left, above, corner))]
        return (left, above, corner)[min(nearness)[1]]
    return (0, left, above, (left + above) // 2)[kind]


def _values(row: bytearray, count: int, depth: int, bands: int) -> Iterator[list[int]]:
    """Yield the values of each pixel of a row."""
    per_byte, most = 8 // depth, (1 << depth) - 1
    values = [row[i // per_byte] >> (8 - depth * (i % per_byte + 1)) & most for i in range(count)]
    for start in range(0, count, bands):
        yield values[start : start + bands]


def _pixel(values: list[int], colour: int, depth: int, chunks: dict[bytes, bytes]) -> bytes:
    """Return a pixel in RGBA."""
    transparent = chunks.get(b"tRNS", b"")
    if colour == 3:
        (index,) = values
        red, green, blue = chunks[b"PLTE"][3 * index : 3 * index + 3]
        return bytes([red, green, blue, transparent[index] if index < len(transparent) else 255])
    key = list(struct.unpack(f">{len(transparent) // 2}H", transparent))
    most = (1 << depth) - 1
    shown = [value * 255 // most for value in values]
    if colour in (0, 2):
        shown.append(0 if key and key == values else 255)
    return bytes(shown if len(shown) == 4 else [shown[0]] * 3 + shown[1:])
