"""Make an image of libvips from pixels that another library has decoded."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...geometry import Size
from .load import pyvips

SEQUENTIAL = "vips-sequential"
"""The field that marks an image as read from top to bottom. libvips rounds a few values differently without it."""

_FIELDS = "vips-loader", "icc-profile-data", "exif-data", "orientation", SEQUENTIAL


class Pixels(NamedTuple):
    """Pixels in grey, RGB or RGBA, row by row, 8 bits a band. *data* is a buffer."""

    size: Size
    bands: int
    data: Any


def image_of(pixels: Pixels, header: pyvips.Image) -> pyvips.Image:
    """Return an image of *pixels* with the metadata of *header*, which libvips has read from the same file."""
    image = pyvips.Image.new_from_memory(pixels.data, *pixels.size, pixels.bands, "uchar")
    colours = "b-w" if pixels.bands == 1 else "srgb"
    image = image.copy(interpretation=colours, xres=header.xres, yres=header.yres)
    for field in _FIELDS:
        if (kind := header.get_typeof(field)) != 0:
            image.set_type(kind, field, header.get(field))
        else:  # setting the EXIF block may also have set ``orientation``
            image.remove(field)
    return image
