"""JPEGs, AVIFs and SVGs that state much and hold little."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

from PIL import Image

from pool.attackers import arithmetic, lossless, many_scans, segment
from pool.avif_attackers import avif

Attackers = Iterator[tuple[str, Callable[[], bytes]]]


def small_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 30)).save(file, "JPEG")
    return file.getvalue()


def with_segments(data: bytes) -> bytes:
    """A small JPEG with *data* before its pixels."""
    jpeg = small_jpeg()
    return jpeg[:2] + data + jpeg[2:]


def sequential(side: int, scans: int, components: int = 3, sampling: int = 0x11) -> bytes:
    """A baseline JPEG of empty scans, each of one component."""
    frame = struct.pack(">BHHB", 8, side, side, components)
    frame += b"".join(bytes([1 + number, sampling, 0]) for number in range(components))
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC0, frame)
    tables += segment(0xC4, b"\0\1" + bytes(16)) + segment(0xC4, b"\x10\1" + bytes(16))
    return b"\xff\xd8" + tables + segment(0xDA, b"\1\1\0\0\x3f\0") * scans + b"\xff\xd9"


def _jpegs() -> Attackers:
    for side, count in product((1000, 4000, 7000), (10, 150, 2000)):
        yield f"{count} scans of {side}.jpg", partial(many_scans, side, count)
        yield f"{count} arithmetic scans of {side}.jpg", partial(arithmetic, side, count)
    for side, sampling in product((4000, 7000, 65_500), (0x11, 0x44)):
        yield f"baseline of {side}, sampling {sampling:x}.jpg", partial(sequential, side, 200, 3, sampling)
    yield "four components.jpg", partial(sequential, 7000, 150, 4)
    yield "lossless 5000.jpg", partial(lossless, 5000)
    for name, marker in (("tables", 0xDB), ("codes", 0xC4), ("restarts", 0xDD), ("xmp", 0xE1), ("profile", 0xE2)):
        data = {0xDB: b"\0" + b"\1" * 64, 0xC4: b"\0\1" + bytes(16), 0xDD: b"\0\1"}.get(marker, bytes(60_000))
        for count in (100, 2000):
            yield f"{count} {name}.jpg", lambda m=marker, d=data, c=count: with_segments(segment(m, d) * c)  # type: ignore[misc]
    yield "markers.jpg", lambda: small_jpeg()[:-2] + b"\xff\xd0" * 3_000_000 + b"\xff\xd9"
    yield "fill bytes.jpg", lambda: with_segments(b"\xff" * 10_000_000)
    yield "junk.jpg", lambda: with_segments(b"x" * 10_000_000)
    yield "without an end.jpg", lambda: small_jpeg()[:-2] + b"\0" * 20_000_000


def _avifs() -> Attackers:
    for tiles in (2, 16, 64, 200):
        yield f"{tiles} tiles a side.avif", partial(avif, tiles, tiles * tiles)
    for items in (1000, 30_000):
        yield f"{items} items.avif", partial(avif, 2, items)
    for references in (100, 1000):
        yield f"{references} references.avif", partial(avif, 2, references, references)


def svg(inside: str) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480">{inside}</svg>'.encode()


def _svgs() -> Attackers:
    nested = "".join(f'<g id="a{n + 1}">{f"""<use href="#a{n}"/>""" * 10}</g>' for n in range(1, 10))
    yield "uses.svg", lambda: svg(f'<defs><rect id="a1" width="9" height="9"/>{nested}</defs><use href="#a10"/>')
    rect = '<rect width="640" height="480" filter="url(#f)"/>'
    blur = '<filter id="f"><feGaussianBlur stdDeviation="500"/></filter>'
    yield "blur.svg", lambda: svg(blur + rect * 50)
    noise = '<filter id="f"><feTurbulence baseFrequency="9" numOctaves="9999"/></filter>'
    yield "noise.svg", lambda: svg(noise + rect)
    yield "groups.svg", lambda: svg("<g>" * 50_000 + "</g>" * 50_000)
    yield "paths.svg", lambda: svg(f'<path d="M0 0{"L640 480L0 0" * 60_000}" stroke="red"/>')
    pattern = '<pattern id="p" width="1" height="1" patternUnits="userSpaceOnUse"><circle r="1"/></pattern>'
    yield "pattern.svg", lambda: svg(pattern + '<rect width="640" height="480" fill="url(#p)"/>' * 500)
    yield "huge.svg", lambda: svg("").replace(b"640", b"6400000")
    yield "text.svg", lambda: svg(f'<text y="20">{"x" * 500_000}</text>')


ATTACKERS = {**dict(_jpegs()), **dict(_avifs()), **dict(_svgs())}
