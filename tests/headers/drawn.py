"""Draw good files of each format at random, and ask both engines about them."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyvips
from PIL import Image

from flask_images_vips.engines.engine import Engine, Header
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import ImagesError, UnreadableSource
from flask_images_vips.formats import INPUTS
from flask_images_vips.headers.header import FileHeader
from flask_images_vips.headers.read import read_header
from headers.containers import (
    ALPHA,
    avif,
    box,
    exif,
    gif,
    gif_frame,
    page,
    png_of,
    properties_of,
    saved,
    segment,
    tiff,
    webp,
    webp_chunk,
    webp_header,
    with_segments,
)

FIELDS = ("size", "format", "frames", "alpha", "orientation")

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 4, 8), 4: (8, 16), 6: (8, 16)}
_ORIENTATIONS = (1, 1, 2, 3, 4, 5, 6, 7, 8)


def read(path: Path, *, auto_orient: bool = True, inputs: Sequence[str] = INPUTS) -> FileHeader | None:
    with path.open("rb") as file:
        return read_header(file.fileno(), path.name, auto_orient=auto_orient, inputs=inputs)


@cache
def _engines(auto_orient: bool) -> tuple[Engine, Engine]:
    return VipsEngine(auto_orient=auto_orient), PillowEngine(auto_orient=auto_orient)


def by_engines(path: Path, *, auto_orient: bool = True) -> list[Header | ImagesError]:
    """What libvips and Pillow say about a file."""
    said: list[Header | ImagesError] = []
    for engine in _engines(auto_orient):
        with path.open("rb") as file:
            try:
                said.append(engine.header(file.fileno(), path.name))
            except ImagesError as error:
                said.append(error)
            except ValueError as error:  # an offset of a TIFF that no file can have
                said.append(UnreadableSource(path.name, str(error)))
    return said


def agreed(path: Path, *, auto_orient: bool = True) -> dict[str, Any]:
    """What both engines say, where they agree; what one says, where the other cannot read the file."""
    said = [header for header in by_engines(path, auto_orient=auto_orient) if isinstance(header, Header)]
    values = {name: {getattr(header, name) for header in said} for name in FIELDS[:-1]}
    values["orientation"] = _orientations(path, said[0].format) if said else set()
    if said and isinstance(by_engines(path)[0], Header):
        values["whole"] = {said[0].whole}  # of libvips
    return {name: value.pop() for name, value in values.items() if len(value) == 1}


def _orientations(path: Path, format: str) -> set[int]:
    found = set()
    with suppress(Exception), Image.open(path) as image:  # its parsers raise whatever they meet
        found.add(Image.Image.getexif(image).get(0x0112, 1))
    if format != "avif":  # libvips turns it while it decodes
        with suppress(pyvips.Error):
            image = pyvips.Image.new_from_file(str(path))
            found.add(image.get("orientation") if image.get_typeof("orientation") else 1)
    return {number if 1 <= number <= 8 else 1 for number in found}


def differences(path: Path, *, auto_orient: bool = True) -> dict[str, Any]:
    """Where the readers say something else than the engines, which agree: the field, and what both say."""
    header = read(path, auto_orient=auto_orient)
    if header is None:
        return {"known": False}
    right = agreed(path, auto_orient=auto_orient)
    said = {name: getattr(header, name) for name in right}
    return {name: (said[name], right[name]) for name in right if said[name] not in (None, right[name])}


def drawing(format: str) -> Callable[[random.Random], bytes]:
    return {"jpeg": jpeg, "png": png, "gif": moving, "webp": web, "avif": av1, "tiff": pages}[format]


@cache
def picture(mode: str, size: tuple[int, int]) -> Image.Image:
    image = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(size))
    return image.convert(mode)


def _size(chance: random.Random) -> tuple[int, int]:
    return chance.choice((1, 2, 7, 40, 64, chance.randrange(1, 200))), chance.choice(
        (1, 3, 30, chance.randrange(1, 200))
    )


def _exif(chance: random.Random) -> bytes:
    return exif(
        chance.choice(_ORIENTATIONS),
        chance.choice("<>"),
        kind=chance.choice((3, 3, 3, 4)),
        gap=chance.choice((0, 0, 20, 3000)),
        before=chance.choice((0, 1, 5)),
    )


def jpeg(chance: random.Random) -> bytes:
    save = {"progressive": chance.random() < 0.3, "quality": chance.choice((20, 75, 95))}
    mode = chance.choice(("L", "RGB", "RGB", "CMYK"))
    if mode == "RGB":
        save["subsampling"] = chance.randrange(3)
    data = saved(picture(mode, _size(chance)), "JPEG", **save)
    more = [segment(chance.choice((0xE2, 0xED, 0xFE)), bytes(chance.choice((0, 9, 60_000)))) for _ in range(4)]
    for _ in range(chance.randrange(3)):  # only the first of them counts
        more.insert(chance.randrange(len(more)), segment(0xE1, b"Exif\0\0" + _exif(chance)))
    data = with_segments(data, *more[chance.randrange(4) :])
    if chance.random() < 0.2:
        data = data.replace(b"\xff\xc0\0", b"\xff\xc9\0", 1)  # as if it were coded arithmetically
    return data


def png(chance: random.Random) -> bytes:
    colour = chance.choice((0, 2, 3, 4, 6))
    depth = chance.choice(_DEPTHS[colour])
    width, height = _size(chance)
    chunks: list[tuple[bytes, bytes]] = [(b"IDAT", zlib.compress(bytes(9 * width * height + height)))]
    if chance.random() < 0.3 and colour not in (4, 6):
        chunks.insert(0, (b"tRNS", {0: b"\0\1", 2: b"\0\1\0\1\0\1", 3: b"\0"}[colour]))
    if colour == 3:
        chunks.insert(0, (b"PLTE", bytes(range(6))))
    if chance.random() < 0.3:
        chunks.insert(0, (b"eXIf", _exif(chance)))
    elif chance.random() < 0.2:
        chunks.append((b"eXIf", _exif(chance)))  # behind the pixels, where it does not count
    if chance.random() < 0.3:
        chunks.insert(0, (b"acTL", struct.pack(">II", 1, 0)))
        control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0)
        chunks.insert(1, (b"fcTL", control))
    for _ in range(chance.randrange(4)):
        chunks.insert(0, (b"tEXt", b"Comment\0" + b"x" * chance.choice((1, 100, 70_000))))
    interlace = int(chance.random() < 0.3)
    return png_of(struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace), *chunks)


def moving(chance: random.Random) -> bytes:
    width, height = chance.choice((_size(chance), (640, 480), (3000, 20)))
    blocks = chance.choice((1, 3, 3, 250))
    frames = []
    for number in range(chance.choice((1, 1, 2, 5))):
        clear = chance.choice((None, False, False, True)) if number == 0 else False
        across, down = (width, height) if number == 0 else (max(1, width // 2), max(1, height // 2))
        if chance.random() < 0.2:
            frames.append(b"\x21\xfe\4text\0")
        frames.append(gif_frame(0, 0, across, down, clear=clear, blocks=blocks))
    end = chance.choice((b";", b";", b"", b";" + bytes(9)))
    return gif(width, height, *frames, version=chance.choice((b"89a", b"87a")), end=end)


def web(chance: random.Random) -> bytes:
    size = _size(chance)
    drawn = picture(chance.choice(("RGB", "RGBA")), size)
    if chance.random() < 0.25:
        others = [drawn.rotate(90 * number).convert(chance.choice(("RGB", "RGBA"))) for number in range(1, 4)]
        return saved(drawn, "WEBP", save_all=True, append_images=others, exif=_exif(chance), method=0)
    data = saved(drawn, "WEBP", lossless=chance.random() < 0.4, method=0)
    if chance.random() < 0.5 or data[12:16] == b"VP8X":
        return data
    chunks, flags = [data[12:]], 0x10 if data[12:16] == b"VP8L" and data[24] & 0x10 else 0
    if chance.random() < 0.7:
        data = chance.choice((b"", b"Exif\0\0")) + _exif(chance)
        chunks.insert(chance.randrange(2), webp_chunk(b"EXIF", data))
        flags |= chance.choice((0, 8, 8))
    if chance.random() < 0.3:
        chunks.insert(0, webp_chunk(b"ICCP", bytes(chance.choice((3, 500, 90_000)))))
        flags |= 0x20
    return webp(webp_header(flags, *size), *chunks) + chance.choice((b"", b"", b"behind"))


@cache
def coded(mode: str, size: tuple[int, int]) -> tuple[list[bytes], bytes]:
    """An image in AV1: its properties, and its data."""
    data = saved(picture(mode, size), "AVIF", speed=10)
    return properties_of(data, b"ispe", b"pixi", b"av1C"), data[data.index(b"mdat") + 4 :]


def av1(chance: random.Random) -> bytes:
    """An AVIF of one image or of a grid of two, perhaps with alpha, turned, mirrored, and with EXIF that disagrees."""
    size = chance.choice(((64, 64), (128, 64), (96, 80)))
    (extent, channels, codec), data = coded(chance.choice(("RGB", "L")), size)
    (_, grey, grey_codec), clear = coded("L", size)
    turns = []
    if chance.random() < 0.5:
        turns.append(box(b"irot", bytes([chance.randrange(4)])))
    if chance.random() < 0.5:
        turns.append(box(b"imir", bytes([chance.randrange(2)])))
    items: dict[int, Any] = {}
    references: list[tuple[bytes, int, list[int]]] = []
    if chance.random() < 0.3:
        whole = box(b"ispe", struct.pack(">II", 2 * size[0], size[1]), version=0)
        across = struct.pack(">BBBBHH", 0, 0, 0, 1, 2 * size[0], size[1])
        items[1] = (b"grid", [whole, channels, *turns], across)
        items |= {tile: (b"av01", [extent, channels, codec], data) for tile in (2, 3)}
        references.append((b"dimg", 1, [2, 3]))
        tiles = [2, 3]
    else:
        items[1] = (b"av01", [extent, channels, codec, *turns], data)
        tiles = [1]
    if chance.random() < 0.5:
        meaning = box(b"auxC", chance.choice((ALPHA, b"urn:mpeg:hevc:2015:auxid:1\0")), version=0)
        for tile in tiles:
            turned = turns if tiles == [1] else []
            items[tile + 10] = (b"av01", [extent, grey, grey_codec, meaning, *turned], clear)
            references.append((b"auxl", tile + 10, [tile]))
    if chance.random() < 0.4:
        items[20] = (b"Exif", [], struct.pack(">I", 0) + _exif(chance))
        references.append((b"cdsc", 20, [1]))
    extra = chance.choice((b"", box(b"free", bytes(chance.choice((5, 3000))))))
    return avif(items, references, wide=chance.random() < 0.3, late=chance.random() < 0.3, extra=extra)


def pages(chance: random.Random) -> bytes:
    width, height = _size(chance)
    colour, samples, depth, extra = chance.choice(
        (
            *((1, 1, 1, None), (1, 1, 8, None), (1, 1, 16, None), (0, 1, 8, None), (1, 2, 8, [2]), (1, 2, 8, [1])),
            *((2, 3, 8, None), (2, 3, 16, None), (2, 4, 8, [1]), (2, 4, 8, [2]), (2, 4, 8, None)),
            *((2, 4, 16, [2]), (3, 1, 8, None), (5, 4, 8, None), (2, 5, 8, [2, 0])),
        )
    )
    more: dict[str, Any] = {"t338": (3, extra)} if extra else {}
    if chance.random() < 0.6:
        more["t274"] = (chance.choice((3, 3, 4)), [chance.choice(_ORIENTATIONS)])
    if chance.random() < 0.3:
        more["t256"], more["t257"] = (3, [width]), (3, [height])
    if chance.random() < 0.3:  # a strip for each row
        row = -(-width * samples * depth // 8)
        more |= {"t278": (3, [1]), "t273": (4, [1000] * height), "t279": (4, [row] * height)}
    if chance.random() < 0.3:
        more["t270"] = (1, [*b"A description\0"])
    if colour == 3:
        more["t320"] = (3, [0] * 768)
    tags = page(width, height, colour=colour, samples=samples, depth=depth, **more)
    order = chance.choice("<>")
    return tiff(tags, order, big=chance.random() < 0.3, gap=chance.choice((0, 0, 10_000)))
