"""Find out what the Pillow of this process can do, by asking it."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import PIL
from PIL import Image, features

from ...formats import ALL_INPUTS
from .. import jxl
from ..encoder_settings import settings_of

_OPTIONAL = {"webp": "webp", "avif": "avif", "jpeg2000": "jpg_2000"}


@cache
def can_read(format: str) -> bool:
    """Return whether Pillow has a decoder for *format*."""
    if format in _OPTIONAL:  # they are listed even if their decoder is missing
        name = _OPTIONAL[format]
        return name in {*features.modules, *features.codecs} and bool(features.check(name))
    if format == "jxl":
        return jxl.works()
    Image.init()
    return format.upper() in Image.OPEN


@cache
def can_write(format: str) -> bool:
    """Return whether Pillow can write *format*. This encodes one pixel, which takes milliseconds."""
    if format == "jxl":
        return can_read(format)
    try:
        Image.new("RGB", (1, 1)).save(io.BytesIO(), format.upper(), **settings_of("pillow", "fast").get(format, {}))
    except (KeyError, OSError, ValueError):
        return False
    return True


def describe() -> dict[str, Any]:
    """Return Pillow's version, and the names of the formats that it reads and writes, as a JSON object."""
    return {
        "pillow": PIL.__version__,
        "pillow_reads": [format for format in ALL_INPUTS if can_read(format)],
        "pillow_writes": [format for format in settings_of("pillow") if can_write(format)],
    }
