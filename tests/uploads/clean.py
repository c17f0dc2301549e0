"""Is a stored file whole, and does it hold nothing but what is on a list? This reads files by itself."""

from __future__ import annotations

import io
import struct

from PIL import Image

JPEG_SEGMENTS = {0xE0, 0xE1, 0xE2, 0xEE, 0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xDA}
PNG_CHUNKS = {
    b"IHDR",
    b"PLTE",
    b"tRNS",
    b"IDAT",
    b"IEND",
    b"iCCP",
    b"eXIf",
    b"sRGB",
    b"gAMA",
    b"iTXt",
    b"cHRM",
    b"pHYs",
    b"bKGD",
}
WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}
AVIF_BOXES = {b"ftyp", b"meta", b"mdat"}


def check_clean(data: bytes, format: str) -> None:
    """Fail if *data* is no whole file of *format*, or holds anything else."""
    with Image.open(io.BytesIO(data)) as picture:
        assert str(picture.format).lower() == format
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            picture.load()
    {"jpeg": _jpeg, "png": _png, "webp": _webp, "gif": _gif, "avif": _avif}[format](data)


def _jpeg(data: bytes) -> None:
    at = 2
    while (marker := data[at + 1]) != 0xD9:
        assert data[at] == 0xFF
        assert marker in JPEG_SEGMENTS, hex(marker)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            while not (data[at] == 0xFF and data[at + 1] not in (0, 0xFF, *range(0xD0, 0xD8))):
                at += 1
    assert data[at:] == b"\xff\xd9"


def _png(data: bytes) -> None:
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        assert kind in PNG_CHUNKS, kind
        at += 12 + length
    assert at == len(data)


def _webp(data: bytes) -> None:
    assert int.from_bytes(data[4:8], "little") + 8 == len(data)
    at = 12
    while at < len(data):
        assert data[at : at + 4] in WEBP_CHUNKS
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    assert at == len(data)


def _gif(data: bytes) -> None:
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            packed = data[at + 9]
            at += 11 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
        else:
            assert data[at] == 0x21
            assert data[at + 1] == 0xF9 or data[at + 3 : at + 14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0"), data[at:]
            at += 2
        while length := data[at]:
            at += 1 + length
        at += 1
    assert at == len(data) - 1


def _avif(data: bytes) -> None:
    at = 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        assert kind in AVIF_BOXES
        at += length
    assert at == len(data)
