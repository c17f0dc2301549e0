"""The effects as steps of libvips: each (image, rendition, geometry) → image, of one still picture in sRGB or grey."""

from __future__ import annotations

from collections.abc import Sequence

import pyvips

from ...geometry import Box, Geometry, Size
from ...rendition import Rendition
from .. import effects

_BLUR_AMPLITUDE = 0.02  # where libvips cuts a Gaussian off; its own 0.2 leaves too little of it
_FINE_SIGMA = 2.0  # below it, whole numbers are too coarse for the few values of a Gaussian: 36 dB instead of 64


def turn(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Turned and mirrored, once small: that needs all of the picture in memory."""
    angle, mirrored = geometry.turn
    if angle:
        image = image.copy_memory().rot(f"d{angle}")
    return image.fliphor() if mirrored else image


def recolour(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Saturation, brightness and contrast. Done before the background is added: that stays as it was asked for."""
    colours = effects.colours(rendition.options)
    if colours is None:
        return image
    rows, added = colours
    count = image.bands - image.hasalpha()
    bands = image.extract_band(0, n=count)
    if count == 1:
        made = bands * sum(rows[0])
    elif rows[0] == rows[1] == rows[2] and not image.get_typeof("icc-profile-data"):
        made = bands.recomb([list(rows[0])]).copy(interpretation="b-w")
    else:
        made = bands.recomb([list(row) for row in rows])
    made = (made + added).rint().cast("uchar")
    return made.bandjoin(image[count]) if image.hasalpha() else made


def blur(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Gaussian, also of what is clear: its colour does not show."""
    sigma = rendition.options.blur
    if not sigma:
        return image
    clear = image.hasalpha()
    if clear:
        image = image.premultiply().rint().cast("uchar")
    precision = "float" if sigma < _FINE_SIGMA else "integer"
    image = image.copy_memory().gaussblur(sigma, min_ampl=_BLUR_AMPLITUDE, precision=precision)
    return (image.unpremultiply() if clear else image).rint().cast("uchar")


def with_mark(image: pyvips.Image, mark: pyvips.Image, box: Box, opacity: float) -> pyvips.Image:
    """*mark* laid over *image* at *box*."""
    mark = mark.colourspace("srgb")
    mark = mark if mark.hasalpha() else mark.bandjoin(255)
    mark = mark[:3].bandjoin((mark[3] * opacity).rint().cast("uchar"))
    image = image.colourspace("srgb")
    made = image.composite2(mark, "over", x=box.left, y=box.top)
    return made if image.hasalpha() else made.extract_band(0, n=3)


def pad(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    if not any(geometry.padding):
        return image
    at = geometry.padding.left, geometry.padding.top
    return on_canvas(image, at, geometry.padded, rendition.options.background, rendition)


def frame(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """The border, whose inner edge is as round as its outer one."""
    border = rendition.options.border
    if border is None:
        return image
    width, colour = geometry.border, border.colour
    framed = on_canvas(image, (width, width), geometry.final, colour, rendition)
    radius = geometry.radius - width
    if radius <= 0:
        return framed
    inside = _rounded(geometry.padded, radius).embed(width, width, *geometry.final)
    return inside.ifthenelse(framed, list(colour[: framed.bands]), blend=True)


def round_corners(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    if not geometry.radius:
        return image
    mask = _rounded(geometry.final, geometry.radius)
    if not rendition.format.alpha:
        return mask.ifthenelse(image.colourspace("srgb"), list(rendition.options.background[:3]), blend=True)
    if not image.hasalpha():
        return image.bandjoin(mask)
    last = image.bands - 1
    return image.extract_band(0, n=last).bandjoin((image[last] * mask / 255).rint().cast("uchar"))


def on_canvas(
    image: pyvips.Image, at: tuple[int, int], size: Size, colour: Sequence[int], rendition: Rendition
) -> pyvips.Image:
    """*image* laid on a canvas of *size* and *colour*; without a mask: what is clear inside stays clear."""
    background = list(colour)
    image = image.colourspace("srgb")
    if rendition.format.alpha and (image.hasalpha() or background[3] < 255):
        image = image if image.hasalpha() else image.bandjoin(255)
    else:
        background = background[:3]
    return image.embed(*at, *size, extend="background", background=background)


def _rounded(size: Size, radius: int) -> pyvips.Image:
    """A mask of *size* with round corners."""
    corner = pyvips.Image.new_from_memory(effects.corner(radius), radius, radius, 1, "uchar")
    right, bottom = size.width - radius, size.height - radius
    mask = pyvips.Image.black(*size).invert().insert(corner, 0, 0).insert(corner.fliphor(), right, 0)
    corner = corner.flipver()
    return mask.insert(corner, 0, bottom).insert(corner.fliphor(), right, bottom)
