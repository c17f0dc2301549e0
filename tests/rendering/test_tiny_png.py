"""Tiny PNGs are decoded as Pillow decodes them, and anything else is refused."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib

import pytest
from conftest import gradient, share
from PIL import Image

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.rendering.tiny_png import MAX_SIDE, rgba


def png(image: Image.Image, **save: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **save)
    return file.getvalue()


def drawn(mode: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A gradient with noise, so that every filter is used."""
    chance = random.Random(seed)
    noise = Image.frombytes("L", size, chance.randbytes(size[0] * size[1]))
    image = Image.blend(gradient(size), noise.convert("RGB"), 0.3)
    if mode in ("RGBA", "LA"):
        image.putalpha(noise)
    return image.convert(mode)


@pytest.mark.parametrize("size", [(1, 1), (32, 1), (1, 32), (31, 17), (MAX_SIDE, MAX_SIDE)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_the_pixels_are_those_of_pillow(mode: str, size: tuple[int, int]) -> None:
    data = png(drawn(mode, size))
    with Image.open(io.BytesIO(data)) as image:
        assert rgba(data) == (Size(*size), image.convert("RGBA").tobytes())


@pytest.mark.parametrize(
    ("mode", "transparent"), [("RGB", (9, 8, 7)), ("L", 40), ("P", 3), ("P", bytes([0, 100, 200]))]
)
def test_a_transparent_colour_is_clear(mode: str, transparent: object) -> None:
    image = drawn(mode, (20, 20))
    if not isinstance(transparent, bytes):
        image.paste(transparent, (3, 3, 9, 9))
    data = png(image, transparency=transparent)
    with Image.open(io.BytesIO(data)) as image:
        expected = image.convert("RGBA").tobytes()
    assert rgba(data) == (Size(20, 20), expected)
    assert min(expected[3::4]) < 255


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_palettes_of_few_colours_are_packed(depth: int) -> None:
    image = drawn("RGB", (21, 5)).quantize(1 << depth)
    data = png(image, bits=depth)
    with Image.open(io.BytesIO(data)) as image:
        assert rgba(data) == (Size(21, 5), image.convert("RGBA").tobytes())


def header(width: int, height: int, depth: int = 8, colour: int = 2, *other: int) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, depth, colour, *(other or (0, 0, 0)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", fields)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + bytes(4)


BOMB = zlib.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        header(2, 2) + chunk(b"IDAT", b"no stream"),
        header(2, 2) + chunk(b"IDAT", zlib.compress(b"\0\0")),
        header(2, 2) + chunk(b"IDAT", zlib.compress(b"\7" * 14)),
        header(2, 2, 8, 3) + chunk(b"IDAT", zlib.compress(bytes(6))),
        header(2, 2, 8, 5) + chunk(b"IDAT", zlib.compress(bytes(6))),
        header(2, 2, 16) + chunk(b"IDAT", zlib.compress(bytes(26))),
        header(2, 2, 8, 2, 0, 0, 1) + chunk(b"IDAT", zlib.compress(bytes(14))),
        header(0, 2) + chunk(b"IDAT", zlib.compress(b"")),
        header(60_000, 60_000) + chunk(b"IDAT", BOMB),
        header(60, 60)[:20],
        struct.pack(">8sI", b"\x89PNG\r\n\x1a\n", 2**32 - 1),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableSource, match="not a tiny PNG"):
        rgba(data)


def test_a_bomb_takes_no_more_memory_than_its_pixels() -> None:
    tracemalloc.start()
    rgba(header(MAX_SIDE, MAX_SIDE) + chunk(b"IDAT", BOMB))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_mutants_raise_nothing_else() -> None:
    chance, whole = random.Random(3), [png(drawn(mode, (9, 7))) for mode in ("RGB", "RGBA", "P", "1")]
    for _ in range(share(20_000)):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            size, pixels = rgba(bytes(data[: chance.randrange(8, len(data) + 1)]))
        except UnreadableSource:
            continue
        assert len(pixels) == 4 * size.pixels
