"""The effects as steps of libvips, on one still picture in 8-bit sRGB or grey."""

from __future__ import annotations

from collections.abc import Sequence

import pyvips

from ...formats import Format
from ...geometry import Size
from .. import effects
from ..engine import Spec

_BLUR_AMPLITUDE = 0.02  # where the Gaussian is cut off; libvips' default of 0.2 leaves too little of it
_FINE_SIGMA = 2.0  # below it, integer kernels are too coarse: 36 dB instead of 64


def turn(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Rotate and mirror. Rotating needs all of the picture in memory, so it is scaled first."""
    angle, mirrored = spec.geometry.turn
    if angle:
        image = image.copy_memory().rot(f"d{angle}")
    return image.fliphor() if mirrored else image


def recolour(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Change saturation, brightness and contrast. Runs before any background is added, which keeps its colour."""
    change = effects.colour_matrix(spec.options)
    if change is None:
        return image
    rows, offset = change
    count = image.bands - image.hasalpha()
    bands = image.extract_band(0, n=count)
    if count == 1:
        made = bands * sum(rows[0])
    elif rows[0] == rows[1] == rows[2] and not image.get_typeof("icc-profile-data"):
        made = bands.recomb([list(rows[0])]).copy(interpretation="b-w")
    else:
        made = bands.recomb([list(row) for row in rows])
    made = (made + offset).rint().cast("uchar")
    return made.bandjoin(image[count]) if image.hasalpha() else made


def blur(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Blur with a Gaussian. Colours are premultiplied, so that those of clear pixels do not show."""
    sigma = spec.options.blur
    if not sigma:
        return image
    has_alpha = image.hasalpha()
    if has_alpha:
        image = image.premultiply().rint().cast("uchar")
    precision = "float" if sigma < _FINE_SIGMA else "integer"
    image = image.copy_memory().gaussblur(sigma, min_ampl=_BLUR_AMPLITUDE, precision=precision)
    return (image.unpremultiply() if has_alpha else image).rint().cast("uchar")


def watermark(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Draw the watermark over the picture."""
    wanted, mark, box = spec.options.watermark, spec.mark, spec.geometry.mark
    if wanted is None or mark is None or box is None:
        return image
    mark = mark.colourspace("srgb")
    mark = mark if mark.hasalpha() else mark.bandjoin(255)
    mark = mark[:3].bandjoin((mark[3] * wanted.opacity).rint().cast("uchar"))
    image = image.colourspace("srgb")
    made = image.composite2(mark, "over", x=box.left, y=box.top)
    return made if image.hasalpha() else made.extract_band(0, n=3)


def pad(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Add the padding around the canvas."""
    geometry = spec.geometry
    if not any(geometry.padding):
        return image
    at = geometry.padding.left, geometry.padding.top
    return on_canvas(image, at, geometry.padded, spec.options.background, spec.format)


def frame(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Add the border. Its inner corners are as round as its outer ones."""
    geometry, border = spec.geometry, spec.options.border
    if border is None:
        return image
    width, colour = geometry.border, border.colour
    framed = on_canvas(image, (width, width), geometry.final, colour, spec.format)
    radius = geometry.radius - width
    if radius <= 0:
        return framed
    inside = _rounded(geometry.padded, radius).embed(width, width, *geometry.final)
    return inside.ifthenelse(framed, list(colour[: framed.bands]), blend=True)


def round_corners(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Cut the corners off: they become clear, or of the background's colour if the format has no alpha."""
    geometry = spec.geometry
    if not geometry.radius:
        return image
    mask = _rounded(geometry.final, geometry.radius)
    if not spec.format.alpha:
        return mask.ifthenelse(image.colourspace("srgb"), list(spec.options.background[:3]), blend=True)
    if not image.hasalpha():
        return image.bandjoin(mask)
    last = image.bands - 1
    return image.extract_band(0, n=last).bandjoin((image[last] * mask / 255).rint().cast("uchar"))


def on_canvas(
    image: pyvips.Image, at: tuple[int, int], size: Size, colour: Sequence[int], format: Format
) -> pyvips.Image:
    """Lay *image* on a canvas of *size* and *colour*, without blending: clear pixels of the image stay clear."""
    background = list(colour)
    image = image.colourspace("srgb")
    if format.alpha and (image.hasalpha() or background[3] < 255):
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
