"""Give libvips the pixels of a HEIC. pillow-heif decodes them, because pyvips-binary has no decoder of HEVC."""

from __future__ import annotations

from .. import heic
from .load import pyvips


def decoded(descriptor: int, ref: str) -> pyvips.Image:
    """Decode the HEIC open at *descriptor* to an image in memory, with its profile and its EXIF block.

    Raises:
        UnsupportedSource, UnreadableSource: As in `engines.heic.decoded`.
    """
    picture = heic.decoded(descriptor, ref)
    bands = len(picture.mode)
    image = pyvips.Image.new_from_memory(picture.data, *picture.size, bands, "uchar")
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
    if picture.mode.endswith("a"):
        image = image.unpremultiply().rint().cast("uchar")
    for field, data in (("icc-profile-data", picture.profile), ("exif-data", picture.exif)):
        if data:
            image.set_type(pyvips.GValue.blob_type, field, data)
    image.set_type(pyvips.GValue.gstr_type, "vips-loader", "heicload")
    image.remove("orientation")  # setting the EXIF block may also have set it, but it does not count
    return image
