"""Draw Ultra HDR JPEGs, and take them apart again."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flask_images_vips.headers.gain_map import GainMap, find_gain_map
from flask_images_vips.headers.gain_map_data import Channel, GainMapData
from flask_images_vips.rendering.ultra_hdr import joined

SIZE, MAP_SIZE = (256, 160), (64, 40)
DATA = GainMapData([Channel(Fraction(0), Fraction(2))], Fraction(0), Fraction(2))


def ramp(size: tuple[int, int], *, down: bool = False) -> Image.Image:
    """A picture in grey whose levels say how far each pixel is from the left, or from the top: 0 to 255."""
    width, height = size
    across = (np.arange(width) + 0.5) / width
    along = (np.arange(height) + 0.5) / height
    levels = np.repeat(along[:, None], width, 1) if down else np.repeat(across[None], height, 0)
    return Image.fromarray(np.rint(levels * 255).astype(np.uint8))


def jpeg(picture: Image.Image, **save: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **{"quality": 95, "subsampling": "4:4:4", **save})
    return file.getvalue()


def coordinates(size: tuple[int, int]) -> Image.Image:
    """A picture whose red says how far a pixel is from the left, and whose green how far it is from the top."""
    return Image.merge("RGB", (ramp(size), ramp(size, down=True), Image.new("L", size, 128)))


def ultra_hdr(picture: Image.Image, gain_map: Image.Image, data: GainMapData = DATA, **save: Any) -> bytes:
    return joined(jpeg(picture, **save), jpeg(gain_map), data)


def map_in(path: Path) -> GainMap | None:
    with path.open("rb") as file:
        return find_gain_map(file.fileno())


def taken_apart(file: bytes, folder: Path) -> tuple[Image.Image, Image.Image, GainMapData]:
    """The picture and the map of *file*, and how the map is applied."""
    path = folder / "taken apart.jpg"
    path.write_bytes(file)
    found = map_in(path)
    assert found is not None
    assert found.start + found.size == len(file)
    picture, gain_map = (Image.open(io.BytesIO(part)) for part in (file[: found.start], file[found.start :]))
    picture.load()
    gain_map.load()
    return picture, gain_map, found.data


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
