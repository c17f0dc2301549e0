"""Work with 16 bits per band, for renditions that have more than 8.

Between decoding and encoding, levels are from 0 to 65,535, whatever the depth of the source or of the rendition.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...geometry import Size
from .load import pyvips

_FACTOR = 257  # 65,535 / 255


def levels(image: pyvips.Image) -> int:
    """Return how many levels of *image* there are for one of 8 bits: 257 or 1."""
    return _FACTOR if image.format == "ushort" else 1


def fitting(colour: Sequence[int], image: pyvips.Image) -> list[int]:
    """Return *colour*, whose bands are from 0 to 255, in the levels of *image*."""
    return [band * levels(image) for band in colour]


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert grey to RGB, and keep the depth."""
    return image.colourspace("srgb" if levels(image) == 1 else "rgb16")


def in_8_bits(image: pyvips.Image) -> pyvips.Image:
    """Convert to 8 bits, if *image* has 16."""
    if levels(image) == 1:
        return image
    grey = image.interpretation == "grey16"
    return (image / _FACTOR).rint().cast("uchar").copy(interpretation="b-w" if grey else "srgb")


def in_16_bits(image: pyvips.Image) -> pyvips.Image:
    """Convert sRGB or grey to 16 bits, if *image* has fewer."""
    if image.format == "ushort":
        return image
    if image.format != "uchar":  # linear light
        return image.colourspace("rgb16")
    grey = image.interpretation == "b-w"
    return (image.cast("ushort") * _FACTOR).cast("ushort").copy(interpretation="grey16" if grey else "rgb16")


def converted(image: pyvips.Image) -> pyvips.Image:
    """Convert from the profile of *image* to sRGB, with 16 bits."""
    count = image.bands - image.hasalpha()
    colours = image.extract_band(0, n=count)
    made = colours.icc_transform("srgb", embedded=True, intent="perceptual", depth=16)
    if not image.hasalpha():
        return made
    alpha = image[count]
    return made.bandjoin(alpha if image.format == "ushort" else (alpha.cast("ushort") * _FACTOR).cast("ushort"))


def shrunk(image: pyvips.Image, size: Size) -> pyvips.Image:
    """Scale *image*, which has 16 bits, down to *size*, as libvips' ``thumbnail`` does with 8 bits."""
    if size == (image.width, image.height):
        return image
    alpha = image.hasalpha()
    made = image.premultiply() if alpha else image
    made = made.resize(size.width / image.width, vscale=size.height / image.height)
    return made.unpremultiply().rint().cast("ushort").copy(interpretation=image.interpretation) if alpha else made
