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
# For the file of a strip of 65,500 × 3 pixels, which consists of blocks of 1,048,064 pixels. Pillow's own buffer has a
# byte per pixel of the picture, and noise takes almost a byte per pixel of its blocks.
_LARGE_BUFFER = 2_000_000
_MODES = {("srgb", 3): "RGB", ("b-w", 1): "L"}
_SETTINGS = {"Q": "quality", "optimize_coding": "optimize"}
_JFIF = slice(2, 20)  # a segment that Pillow always writes, and libvips only with other metadata

_pillow: Any = None
_files: Any = None


def load() -> None:
    """Let this process, and those that are forked from it, encode with Pillow."""
    global _pillow, _files
    from PIL import Image, ImageFile  # noqa: PLC0415

    Image.preinit()  # imports its encoder
    _pillow, _files = Image, ImageFile


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
    picture = _pillow.frombuffer(mode, (image.width, image.height), image.write_to_memory(), "raw", mode, 0, 1)
    settings = {_SETTINGS[name]: value for name, value in parameters.items()}
    try:
        data = _saved(picture, settings)
    except OSError:  # the file does not fit into the buffer
        _files.MAXBLOCK = _LARGE_BUFFER  # from now on, because it costs little
        data = _saved(picture, settings)
    return data[: _JFIF.start] + data[_JFIF.stop :]


def _saved(picture: Any, settings: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **settings)
    return file.getvalue()
