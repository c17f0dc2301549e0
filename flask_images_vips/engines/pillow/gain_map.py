"""Cut, scale and turn a gain map like the picture that it belongs to.

Renditions of both engines use this module: a map is small, and Pillow can cut it at a fraction of a pixel.
"""

from __future__ import annotations

import io
from math import ceil

from PIL import Image

from ...geometry import Box, Geometry, Size, Turn
from .effects import turned

_QUALITY = 85  # maps are smooth, and their errors are multiplied
_MODES = ("L", "RGB")


class UnusableMap(Exception):
    """The map cannot be used, for the reason in the message."""


def rendered_map(
    data: bytes, source: Size, geometry: Geometry, upright: Turn, *, needs_grey: bool, keeps_profile: bool
) -> bytes:
    """Return the gain map *data*, a JPEG, for the part of the picture that *geometry* shows, as a JPEG.

    *source* is the upright size of the picture, and *upright* the turn that makes picture and map upright. For each
    pixel of the rendition, the result has as many pixels as the map has for each pixel of the picture, but it is never
    enlarged. With *needs_grey*, a map in colours is refused. With *keeps_profile*, the profile of the map is kept.

    Raises:
        UnusableMap: If it is broken, has more pixels than the picture, or has other colours.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            _check(image, source, needs_grey=needs_grey)
            profile = image.info.get("icc_profile") if keeps_profile else None
            picture = turned(image, upright)
            picture.load()
    except (UnusableMap, MemoryError):
        raise
    except Exception as error:  # Pillow's parsers may raise any exception
        raise UnusableMap("it cannot be decoded") from error
    across, down = picture.width / source.width, picture.height / source.height
    left, top, right, bottom = shown_part(source, geometry)
    box = left * across, top * down, right * across, bottom * down
    width, height = geometry.turn.size(geometry.canvas)
    size = _side(width * across, box[2] - box[0]), _side(height * down, box[3] - box[1])
    made = turned(picture.resize(size, Image.Resampling.LANCZOS, box=box), geometry.turn)
    made.info = {}  # the encoder would copy a comment from here
    file = io.BytesIO()
    made.save(file, "JPEG", quality=_QUALITY, subsampling="4:4:4", icc_profile=profile)
    return file.getvalue()


def profile_of_jpeg(descriptor: int) -> bytes | None:
    """Return the ICC profile of the JPEG at *descriptor*. None if it has none, or is broken."""
    try:
        with io.FileIO(descriptor, closefd=False) as file:
            file.seek(0)
            with Image.open(file, formats=["JPEG"]) as image:
                profile: bytes | None = image.info.get("icc_profile")
                return profile
    except MemoryError:
        raise
    except Exception:  # Pillow's parsers may raise any exception
        return None


def shown_part(source: Size, geometry: Geometry) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what *geometry* shows of an upright picture of the size *source*.

    They are in pixels, which may be fractions. No part of the canvas may lie outside of the picture.
    """
    cut, scaled = geometry.cut or Box(0, 0, *source), geometry.upright
    left, top = geometry.offset
    shown = geometry.turn.undone(Box(-left, -top, *geometry.canvas), scaled)
    across, down = cut.width / scaled.width, cut.height / scaled.height
    left_edge, top_edge = cut.left + shown.left * across, cut.top + shown.top * down
    right_edge = min(left_edge + shown.width * across, cut.left + cut.width)
    return left_edge, top_edge, right_edge, min(top_edge + shown.height * down, cut.top + cut.height)


def _check(image: Image.Image, source: Size, *, needs_grey: bool) -> None:
    if image.width * image.height > source.pixels:
        raise UnusableMap("it has more pixels than the picture")
    if image.mode not in _MODES:
        raise UnusableMap("it is neither grey nor RGB")
    if needs_grey and image.mode != "L":
        raise UnusableMap("its gains are those of the picture's colour space, which only keep='icc,gainmap' keeps")


def _side(wanted: float, available: float) -> int:
    """Return a side of the result in pixels. The tolerance is for floating-point errors."""
    return max(1, min(ceil(wanted - 1e-6), ceil(available - 1e-6)))
