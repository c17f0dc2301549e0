"""JPEGs of all kinds of sampling, whole, and without some of their pixels."""

from __future__ import annotations

import random
from itertools import product

from conftest import gradient
from PIL import Image

from .containers import saved

SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0", "4:4:0", "grey", "cmyk")
KINDS = [f"{how}, {sampling}" for sampling, how in product(SAMPLINGS, ("baseline", "progressive", "with restarts"))]
_CODES = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2, "4:4:0": 1}
_END = b"\xff\xd9"


def jpeg(kind: str, size: tuple[int, int] = (160, 120)) -> bytes:
    """A JPEG of one of `KINDS`. One of 4:4:0 shows nothing, and its sides are multiples of 16."""
    how, sampling = kind.split(", ")
    noise = Image.frombytes("L", size, random.Random(kind).randbytes(size[0] * size[1]))
    colours = [Image.blend(each, noise, 0.3) for each in gradient(size).split()]
    mode = {"grey": "L", "cmyk": "CMYK"}.get(sampling, "RGB")
    picture = Image.merge(mode, [*colours, noise][: len(mode)])
    save: dict[str, object] = {"quality": 85, "progressive": how == "progressive"}
    if how == "with restarts":
        save["restart_marker_rows"] = 1
    if sampling in _CODES:
        save["subsampling"] = _CODES[sampling]
    data = saved(picture, "JPEG", **save)
    return _halved_the_other_way(data) if sampling == "4:4:0" else data


def without(data: bytes, count: int) -> bytes:
    """The JPEG *data* without the last *count* bytes of its pixels, but with its end."""
    assert data.endswith(_END)
    return data[: -2 - count] + _END


def _halved_the_other_way(data: bytes) -> bytes:
    """A JPEG of 4:2:2 as one of 4:4:0, which Pillow cannot write. Both have two blocks of light for one of a colour."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
    assert height % 8 == width % 16 == 0
    sides = (height * 2).to_bytes(2, "big") + (width // 2).to_bytes(2, "big")
    assert data[at + 11] == 0x21
    return data[: at + 5] + sides + data[at + 9 : at + 11] + b"\x12" + data[at + 12 :]
