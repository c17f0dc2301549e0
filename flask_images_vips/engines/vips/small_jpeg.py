"""Encode small JPEGs with Pillow, which takes less CPU time than libvips and writes the same file.

libvips starts threads for each file, which cost more than encoding a small picture. Importing Pillow takes much longer
than one file, so only renderers do this, which are forked after `load`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ..encoder_settings import FULL_CHROMA
from .load import pyvips

_MOST_PIXELS = 250_000
_MODES = {("srgb", 3): "RGB", ("b-w", 1): "L"}
_SETTINGS = {"Q": "quality", "optimize_coding": "optimize"}
_JFIF = slice(2, 20)  # a segment that Pillow always writes, and libvips only with other metadata

_pillow: Any = None


def load() -> None:
    """Let this process, and those that are forked from it, encode with Pillow."""
    global _pillow  # noqa: PLW0603
    from PIL import Image  # noqa: PLC0415

    Image.preinit()  # imports its encoder
    _pillow = Image


def encoded(image: pyvips.Image, parameters: Mapping[str, Any]) -> bytes | None:
    """Return *image* as a JPEG without metadata, or None if libvips has to encode it.

    That is so without `load`, if it is not small, if only libvips has the *parameters*, or if the file may not fit into
    the buffer that Pillow has for it.
    """
    if _pillow is None or parameters["Q"] >= FULL_CHROMA:
        return None
    mode = _MODES.get((image.interpretation, image.bands))
    small = image.width * image.height <= _MOST_PIXELS
    if mode is None or image.format != "uchar" or not small or not parameters.keys() <= _SETTINGS.keys():
        return None
    file = io.BytesIO()
    picture = _pillow.frombuffer(mode, (image.width, image.height), image.write_to_memory(), "raw", mode, 0, 1)
    picture.save(file, "JPEG", **{_SETTINGS[name]: value for name, value in parameters.items()})
    data = file.getvalue()
    return data[: _JFIF.start] + data[_JFIF.stop :]
