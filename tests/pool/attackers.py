"""Files that are small and valid enough to be opened, and that take seconds or gigabytes to decode."""

from __future__ import annotations

import struct
import zlib


def tiff(width: int, height: int, tags: dict[int, tuple[int, int, int | None]], tail: bytes) -> bytes:
    """A TIFF of one directory. A tag is (type, count, value), where None is the offset of *tail*."""
    grey = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
    fields = sorted({**grey, **tags}.items())
    start = 8 + 2 + 12 * len(fields) + 4
    entries = [
        struct.pack("<HHII", tag, kind, count, start if value is None else value)
        for tag, (kind, count, value) in fields
    ]
    return struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + b"".join(entries) + bytes(4) + tail


def many_bands(side: int = 5000, samples: int = 500, rows: int = 16) -> bytes:
    """A TIFF of 25 Mpx with 500 samples a pixel."""
    strip, strips = zlib.compress(bytes(side * samples * rows), 9), -(-side // rows)
    base = 8 + 2 + 12 * 10 + 4
    offsets = struct.pack(f"<{strips}I", *[base + 8 * strips] * strips)
    lengths = struct.pack(f"<{strips}I", *[len(strip)] * strips)
    tags: dict[int, tuple[int, int, int | None]] = {
        259: (3, 1, 8),
        273: (4, strips, base),
        277: (3, 1, samples),
        278: (4, 1, rows),
        279: (4, strips, base + 4 * strips),
        338: (3, 1, 0),
    }
    return tiff(side, side, tags, offsets + lengths + strip)


def many_strips(height: int = 4_000_000) -> bytes:
    """A TIFF with a strip for each of its rows."""
    return tiff(1, height, {273: (1, height, None), 278: (4, 1, 1), 279: (1, height, None)}, b"\1" * height)


def many_scans(side: int = 7000, count: int = 8000) -> bytes:
    """A progressive JPEG of scans that say nothing."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    blocks = ((side + 7) // 8) ** 2
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    tables += segment(0xC4, b"\0\1" + bytes(15) + b"\0") + segment(0xC4, b"\x10\1\1" + bytes(14) + b"\xe0\0")
    bits, left = "", blocks
    while left >= 1 << 14:
        skipped = min(left, (1 << 15) - 1)
        bits, left = bits + "0" + format(skipped - (1 << 14), "014b"), left - skipped
    bits += "10" * left if left < 3000 else "0" + "0" * 14
    bits += "1" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")

    def scan(low: int) -> bytes:
        return segment(0xDA, b"\1\1\0" + bytes([1, 63, low])) + body

    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes((blocks + 7) // 8)
    refined = b"".join(scan((low << 4) | (low - 1)) for low in range(13, 0, -1))
    return b"\xff\xd8" + tables + first + scan(0x0D) + refined + scan(0) * count + b"\xff\xd9"


def one_row(width: int = 49_999_999) -> bytes:
    """A PNG of one row of 50 Mpx, 16 bits a band, with alpha."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(6)
    data = packer.compress(b"\0") + b"".join(packer.compress(b"\x40" * 8_000_000) for _ in range(width // 1_000_000))
    data += packer.compress(b"\x40" * (8 * (width % 1_000_000))) + packer.flush()
    header = struct.pack(">IIBBBBB", width, 1, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


ATTACKERS = {"bands.tif": many_bands, "strips.tif": many_strips, "scans.jpg": many_scans, "row.png": one_row}
