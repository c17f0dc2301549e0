"""Draw HEICs of the kinds that phones and programs write, and such as nobody writes. They are made by pillow-heif."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
from conftest import gradient
from PIL import Image

from flask_images_vips.engines.heic import _own_symbols
from headers.containers import avif, box, properties_of

with _own_symbols():
    pillow_heif = pytest.importorskip("pillow_heif")

SIZE = (256, 160)
TILE = 64
_ORIENTATION, _HIDDEN = 0x0112, 0x0113  # the second stands for the first while pillow-heif writes
Items = Mapping[int, tuple[bytes, Sequence[bytes], bytes]]


def _settings(**save: Any) -> dict[str, Any]:
    return {"quality": 90, "enc_params": {"preset": "ultrafast"}, **save}


def heic(picture: Image.Image, **save: Any) -> bytes:
    """*picture* as a HEIC. *save* are arguments of pillow-heif's ``save``."""
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, **_settings(**save))
    return bytes(file.getvalue())


def turned(orientation: int, exif: int | None = None, size: tuple[int, int] = SIZE, **save: Any) -> bytes:
    """A gradient that irot and imir turn by *orientation*, with another orientation in *exif*."""
    tags = Image.Exif()
    tags[_ORIENTATION], tags[_HIDDEN] = orientation, exif or 0
    picture = gradient(size)
    made = pillow_heif.HeifFile()
    made.add_frombytes("RGB", picture.size, picture.tobytes())
    made[0].info["exif"] = tags.tobytes()
    file = io.BytesIO()
    made.save(file, **_settings(**save))
    data = bytes(file.getvalue())
    if exif is None:
        return data
    own, hidden = (struct.pack(">HH", tag, 3) for tag in (_ORIENTATION, _HIDDEN))
    assert data.count(own) == data.count(hidden) == 1
    return data.replace(own, struct.pack(">HH", 0x0114, 3)).replace(hidden, own)


def deep(mode: str = "RGB", **save: Any) -> bytes:
    """A gradient of 10 bits a band."""
    levels = gradient(SIZE).convert(mode).tobytes()
    samples = b"".join(struct.pack("<H", level * 257) for level in levels)
    file = io.BytesIO()
    pillow_heif.from_bytes(f"{mode};16", SIZE, samples).save(file, **_settings(**save))
    return bytes(file.getvalue())


def several(*pictures: Image.Image, primary: int = 0) -> bytes:
    made = pillow_heif.HeifFile()
    for picture in pictures:
        made.add_from_pillow(picture)
    file = io.BytesIO()
    made.save(file, **_settings(primary_index=primary))
    return bytes(file.getvalue())


def clear() -> Image.Image:
    """A gradient that is transparent at its top."""
    picture = gradient(SIZE)
    picture.putalpha(Image.linear_gradient("L").resize(SIZE))
    return picture


def branded(data: bytes, major: bytes) -> bytes:
    """*data* with another brand."""
    return data[:8] + major + data[12:]


KINDS: dict[str, Callable[[], bytes]] = {
    "one": lambda: heic(gradient(SIZE)),
    "grid": lambda: heic(gradient(SIZE), tile_size=TILE),  # as iPhones
    "grid with a rest": lambda: heic(gradient((250, 150)), tile_size=TILE),
    "turned grid": lambda: turned(6, tile_size=TILE),
    "odd": lambda: heic(gradient((101, 75))),
    "alpha": lambda: heic(clear()),
    "grey": lambda: heic(gradient(SIZE).convert("L")),
    "grey with alpha": lambda: heic(clear().convert("LA")),
    "10 bits": deep,
    "10 bits in grey": lambda: deep("L"),
    "4:4:4": lambda: heic(gradient(SIZE), chroma=444),
    "thumbnail": lambda: heic(gradient(SIZE), thumbnails=[64]),
    "several": lambda: several(gradient(SIZE), gradient(SIZE).rotate(180)),
    "second": lambda: several(gradient(SIZE).rotate(180), gradient(SIZE), primary=1),
    **{f"turned {number}": lambda number=number: turned(number) for number in range(1, 9)},
    **{
        brand.decode(): lambda brand=brand: branded(heic(gradient(SIZE)), brand)
        for brand in (b"mif1", b"msf1", b"hevc", b"hevx", b"heix", b"heim", b"heis")
    },
}
"""The kinds that are read, by name."""


@cache
def of_kind(name: str) -> bytes:
    return KINDS[name]()


def drawn(chance: random.Random) -> bytes:
    """One of `KINDS`."""
    return of_kind(chance.choice([*KINDS]))


@cache
def _coded() -> tuple[tuple[bytes, ...], bytes]:
    """The properties, and the data, of an image of `TILE` × `TILE` pixels."""
    data = heic(gradient((TILE, TILE)))
    return tuple(properties_of(data, b"ispe", b"pixi", b"hvcC")), data[data.index(b"mdat") + 4 :]


def image(size: tuple[int, int] = (TILE, TILE), *more: bytes) -> tuple[bytes, list[bytes], bytes]:
    """An image in HEVC that states a *size*, with *more* properties. It really has `TILE` × `TILE` pixels."""
    (_, channels, codec), data = _coded()
    return b"hvc1", [extent(size), channels, codec, *more], data


def derived(kind: bytes, size: tuple[int, int], data: bytes = b"", *more: bytes) -> tuple[bytes, list[bytes], bytes]:
    """An image that is made of others."""
    return kind, [extent(size), _coded()[0][1], *more], data


def extent(size: tuple[int, int]) -> bytes:
    return box(b"ispe", struct.pack(">II", *size), version=0)


def grid(rows: int, columns: int, size: tuple[int, int]) -> tuple[bytes, list[bytes], bytes]:
    return derived(b"grid", size, struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size))


def built(items: Items, references: Sequence[tuple[bytes, int, Sequence[int]]] = (), **more: Any) -> bytes:
    """A HEIC of any *items*, see `containers.avif`."""
    return avif(items, references, brand=b"heic", **more).replace(b"avifmif1miaf", b"heicmif1miaf", 1)


ONE = (TILE, TILE)
BOMBS: dict[str, Callable[[], bytes]] = {
    "states 30000 × 30000": lambda: built({1: image((30_000, 30_000))}),
    "states fewer pixels": lambda: built({1: image((TILE // 2, TILE // 2))}),
    "states more pixels": lambda: built({1: image((4000, 4000))}),
    "holds more pixels": lambda: heic(Image.new("RGB", (1000, 1000))).replace(extent((1000, 1000)), extent(ONE)),
    "tiles": lambda: built(
        {1: grid(64, 64, (64 * TILE, 64 * TILE)), **dict.fromkeys(range(2, 4098), image())},
        [(b"dimg", 1, range(2, 4098))],
    ),
    "a tile many times": lambda: built(
        {1: grid(250, 250, (250 * TILE, 250 * TILE)), 2: image()}, [(b"dimg", 1, [2] * 62_500)]
    ),
    "grids in grids": lambda: built(
        {1: grid(16, 16, ONE), 2: grid(16, 16, ONE), 3: grid(16, 16, ONE), 4: image()},
        [(b"dimg", item, [item + 1] * 256) for item in (1, 2, 3)],
    ),
    "a grid of itself": lambda: built({1: grid(1, 1, ONE)}, [(b"dimg", 1, [1])]),
    "a circle": lambda: built({1: grid(1, 1, ONE), 2: grid(1, 1, ONE)}, [(b"dimg", 1, [2]), (b"dimg", 2, [1])]),
    "a circle of iden": lambda: built(
        {1: derived(b"iden", ONE), 2: derived(b"iden", ONE)}, [(b"dimg", 1, [2]), (b"dimg", 2, [1])]
    ),
    "a chain": lambda: built(
        {**dict.fromkeys(range(1, 300), derived(b"iden", ONE)), 300: image()},
        [(b"dimg", item, [item + 1]) for item in range(1, 300)],
    ),
    "alpha of alpha": lambda: built(
        {1: image(), 2: image(ONE, box(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0", version=0))},
        [(b"auxl", 2, [1]), (b"auxl", 1, [2])],
    ),
    "no grid": lambda: built({1: grid(2, 2, (2 * TILE, 2 * TILE))}),
    "an overlay": lambda: built(
        {1: derived(b"iovl", (30_000, 30_000), struct.pack(">BB4HII", 0, 1, 0, 0, 0, 0, 30_000, 30_000) + bytes(8))}
        | {2: image()},
        [(b"dimg", 1, [2])],
    ),
    "images": lambda: built(dict.fromkeys(range(1, 5000), image())),
    "no primary image": lambda: of_kind("one").replace(b"pitm", b"pitx"),
    "no codec": lambda: of_kind("one").replace(b"hvcC", b"hvcX"),
    "only a track": lambda: box(b"ftyp", b"hevc\0\0\0\0msf1hevc") + box(b"moov", bytes(500)),
    "only a brand": lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(100),
    "cut in its header": lambda: of_kind("one")[:200],
    "cut in its pixels": lambda: of_kind("one")[:-300],
    "cut in its tiles": lambda: of_kind("grid")[:-300],
    "no part": lambda: built(
        {1: image(ONE, box(b"clap", struct.pack(">IIIIiIiI", 0, 1, TILE, 1, 0, 1, 0, 1)))},
    ),
    "no pixels": lambda: built({1: image((0, TILE))}),
}
"""Files that must be refused, by what is wrong with them."""
