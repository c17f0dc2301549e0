"""PNGs, GIFs and WebPs that state much and hold little."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

from fuzz_route import png_chunk
from PIL import Image

from pool.attackers import SIGNATURE
from pool.many_tiffs import zeros

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SIDES = {"square": (7000, 7000), "half": (4990, 4990), "wide": (99_000, 500), "tall": (500, 99_000)}

Attackers = Iterator[tuple[str, Callable[[], bytes]]]


def png(shape: str, depth: int, colour: int, interlace: int = 0) -> bytes:
    width, height = _SIDES[shape]
    rows = height * (1 + -(-width * depth * _SAMPLES[colour] // 8))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    palette = png_chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    pixels = png_chunk(b"IDAT", zeros(rows * 2 if interlace else rows))
    return SIGNATURE + png_chunk(b"IHDR", header) + palette + pixels + png_chunk(b"IEND", b"")


def png_with(name: bytes, data: bytes, count: int = 1) -> bytes:
    """A small PNG with *count* chunks before its pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zeros(48 * 193)) + png_chunk(b"IEND", b"")
    return SIGNATURE + header + png_chunk(name, data) * count + pixels


def _pngs() -> Attackers:
    kinds = ((1, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 3), (16, 6))
    for (depth, colour), shape in product(kinds, _SIDES):
        yield f"depth {depth}, colour {colour}, {shape}.png", partial(png, shape, depth, colour)
    for depth, colour in kinds:
        yield f"depth {depth}, colour {colour}, interlaced.png", partial(png, "half", depth, colour, 1)
    bomb = zeros(100_000_000)
    for count in (1, 100):
        yield f"{count} texts.png", partial(png_with, b"zTXt", b"a\0\0" + bomb, count)
        yield f"{count} other texts.png", partial(png_with, b"iTXt", b"a\0\1\0\0\0" + bomb, count)
        yield f"{count} profiles.png", partial(png_with, b"iCCP", b"a\0\0" + bomb, count)
    yield "10000 chunks.png", partial(png_with, b"tEXt", b"a\0b", 10_000)
    yield "large text.png", partial(png_with, b"tEXt", b"a\0" + bytes(10_000_000))
    yield "large exif.png", partial(png_with, b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(10_000_000))
    yield "10000 frames.png", partial(png_with, b"fcTL", bytes(26), 10_000)
    yield "stated frames.png", partial(png_with, b"acTL", b"\x7f\xff\xff\xff" + bytes(4))


def gif(screen: int, frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frames + b";"


def _frame(left: int, top: int, width: int, height: int, *, disposal: int = 1, codes: bytes = b"\x02\x44\x01") -> bytes:
    """A frame, of one pixel unless *codes* are given: the blocks of compressed pixels."""
    control = b"\x21\xf9\4" + bytes([disposal << 2 | 1, 5, 0, 0, 0])
    return control + b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02" + codes + b"\0"


def _long_runs(pixels: int) -> bytes:
    """Codes for at least so many pixels of one colour: each stands for one more than the code before it."""
    bits, length, code, size, run = 0, 0, 6, 3, 0
    values = [4, 0]  # clear the table; a pixel
    while run < pixels and code < 4096:
        values.append(code)
        run, code = run + code - 4, code + 1
    written = 0
    for number, value in enumerate(values):
        bits |= value << length
        length += size
        written = number + 3
        if written >= 1 << size and size < 12:
            size += 1
    data = bits.to_bytes(-(-length // 8), "little")
    return b"".join(bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255))


def _gifs() -> Attackers:
    for screen, count, disposal in product((100, 3000, 5000), (50, 100, 5000), (1, 2, 3)):
        moving = b"".join(_frame(number % 50, number % 50, 40, 40, disposal=disposal) for number in range(count))
        yield f"{count} frames on {screen}, disposal {disposal}.gif", partial(gif, screen, moving)
    for side in (1000, 8000, 65_535):
        yield f"runs of {side}.gif", lambda s=side: gif(5000, _frame(0, 0, s, s, codes=_long_runs(s * s)))  # type: ignore[misc]
        later = _frame(0, 0, 10, 10) + _frame(0, 0, side, side) * 20
        yield f"later frames of {side}.gif", partial(gif, 10, later)
    for name, blocks in (("comments", b"\x21\xfe\x01x\0"), ("controls", b"\x21\xf9\4\0\0\0\0\0"), ("junk", b"xxxx")):
        yield f"{name}.gif", partial(gif, 100, blocks * 300_000 + _frame(0, 0, 100, 100))
    yield "cross.gif", partial(gif, 10, _frame(0, 0, 10, 10) + _frame(0, 0, 65_535, 1) + _frame(0, 0, 1, 65_535))


def _webp(side: int, frames: int, *, flags: int = 2, extra: bytes = b"") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (min(side, 64),) * 2).save(file, "WEBP", lossless=True)
    small = min(side, 64) - 1
    frame = bytes(6) + small.to_bytes(3, "little") * 2 + b"\x64\0\0\0" + file.getvalue()[12:]
    canvas = (side - 1).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + canvas + b"ANIM" + struct.pack("<I", 6)
    body += bytes(6) + extra + (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _still_webp(side: int, mode: str, *, lossless: bool) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, "WEBP", lossless=lossless, method=0, quality=1)
    return file.getvalue()


def _webps() -> Attackers:
    for side, frames in product((64, 3000, 5000, 16_383), (2, 100, 5000)):
        yield f"{frames} frames on {side}.webp", partial(_webp, side, frames)
    for mode, lossless in product(("RGB", "RGBA"), (True, False)):
        name = f"{mode} {'without' if lossless else 'with'} loss.webp"
        yield name, partial(_still_webp, 4000, mode, lossless=lossless)
    for name, kind in (("profile", b"ICCP"), ("exif", b"EXIF"), ("xmp", b"XMP "), ("unknown", b"abcd")):
        chunk = kind + struct.pack("<I", 10_000_000) + bytes(10_000_000)
        yield f"large {name}.webp", lambda c=chunk: _webp(64, 2, flags=0x2E, extra=c)  # type: ignore[misc]
    small = b"abcd" + struct.pack("<I", 0)
    yield "200000 chunks.webp", lambda: _webp(64, 2, extra=small * 200_000)


ATTACKERS = {**dict(_pngs()), **dict(_gifs()), **dict(_webps())}
