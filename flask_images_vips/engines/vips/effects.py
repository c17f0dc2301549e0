"""Implement the effects with libvips, for one still picture in sRGB or grey, with 8 or 16 bits per band."""

from __future__ import annotations

from collections.abc import Sequence

from ...formats import Format
from ...geometry import Size
from .. import effects
from ..engine import Spec
from .deep import fitting, in_srgb, levels
from .load import pyvips

_BLUR_AMPLITUDE = 0.02  # the Gaussian is cut off at this amplitude; libvips' default of 0.2 cuts off too much
_FINE_SIGMA = 2.0  # below this sigma, integer kernels are too inaccurate: a PSNR of 36 dB instead of 64


def turn(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Rotate and mirror. This step comes after `scale`, because a rotation holds the whole picture in memory."""
    angle, mirrored = spec.geometry.turn
    if angle:
        image = image.copy_memory().rot(f"d{angle}")
    return image.fliphor() if mirrored else image


def recolour(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Change saturation, brightness and contrast. Backgrounds are added by later steps, so they keep their colour."""
    change = effects.colour_matrix(spec.options)
    if change is None:
        return image
    rows, offset = change
    count = image.bands - image.hasalpha()
    bands = image.extract_band(0, n=count)
    if count == 1:
        made = bands * sum(rows[0])
    elif rows[0] == rows[1] == rows[2] and not image.get_typeof("icc-profile-data"):
        made = bands.recomb([list(rows[0])]).copy(interpretation="grey16" if levels(image) > 1 else "b-w")
    else:
        made = bands.recomb([list(row) for row in rows])
    made = (made + offset * levels(image)).rint().cast(image.format)
    return made.bandjoin(image[count]) if image.hasalpha() else made


def blur(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Apply a Gaussian blur. Colours are premultiplied by alpha, so that hidden colours do not bleed."""
    sigma = spec.options.blur
    if not sigma:
        return image
    has_alpha = image.hasalpha()
    if has_alpha:
        image = image.premultiply().rint().cast(image.format)
    precision = "float" if sigma < _FINE_SIGMA else "integer"
    format = image.format
    image = image.copy_memory().gaussblur(sigma, min_ampl=_BLUR_AMPLITUDE, precision=precision)
    return (image.unpremultiply() if has_alpha else image).rint().cast(format)


def watermark(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Draw the watermark over the picture."""
    wanted, mark, box = spec.options.watermark, spec.mark, spec.geometry.mark
    if wanted is None or mark is None or box is None:
        return image
    mark = mark.colourspace("srgb")  # from here on, the picture has 8 bits
    mark = mark if mark.hasalpha() else mark.bandjoin(255)
    mark = mark[:3].bandjoin((mark[3] * wanted.opacity).rint().cast("uchar"))
    image = image.colourspace("srgb")
    made = image.composite2(mark, "over", x=box.left, y=box.top)
    return made if image.hasalpha() else made.extract_band(0, n=3)


def text(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Draw the text over the picture."""
    drawn = spec.text
    if drawn is None:
        return image
    over = pyvips.Image.new_from_memory(drawn.rgba, *drawn.size, 4, "uchar").copy(interpretation="srgb")
    image = image.colourspace("srgb")  # from here on, the picture has 8 bits
    made = image.composite2(over, "over", x=drawn.left, y=drawn.top)
    return made if image.hasalpha() else made.extract_band(0, n=3)


def pad(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Add the padding around the canvas."""
    geometry = spec.geometry
    if not any(geometry.padding):
        return image
    at = geometry.padding.left, geometry.padding.top
    return on_canvas(image, at, geometry.padded, spec.options.background, spec.format)


def frame(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Add the border. The radius of its inner corners is the outer radius minus the border's width, as in CSS."""
    geometry, border = spec.geometry, spec.options.border
    if border is None:
        return image
    width, colour = geometry.border, border.colour
    framed = on_canvas(image, (width, width), geometry.final, colour, spec.format)
    radius = geometry.radius - width
    if radius <= 0:
        return framed
    inside = _rounded(geometry.padded, radius).embed(width, width, *geometry.final)
    return inside.ifthenelse(framed, fitting(colour[: framed.bands], framed), blend=True)


def round_corners(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Round the corners: they become transparent, or get the background's colour if the format has no alpha."""
    geometry = spec.geometry
    if not geometry.radius:
        return image
    mask = _rounded(geometry.final, geometry.radius)
    if not spec.format.alpha:
        return mask.ifthenelse(image.colourspace("srgb"), list(spec.options.background[:3]), blend=True)
    if not image.hasalpha():
        return image.bandjoin(mask if levels(image) == 1 else mask.cast("ushort") * levels(image))
    last = image.bands - 1
    return image.extract_band(0, n=last).bandjoin((image[last] * mask / 255).rint().cast(image.format))


def on_canvas(
    image: pyvips.Image, at: tuple[int, int], size: Size, colour: Sequence[int], format: Format
) -> pyvips.Image:
    """Lay *image* on a canvas of *size* and *colour*. Nothing is blended: transparent pixels stay transparent."""
    image = in_srgb(image)
    if format.alpha and (image.hasalpha() or colour[3] < 255):
        image = image if image.hasalpha() else image.bandjoin(fitting([255], image))
    else:
        colour = colour[:3]
    return image.embed(*at, *size, extend="background", background=fitting(colour, image))


def _rounded(size: Size, radius: int) -> pyvips.Image:
    """Return a mask of *size* with rounded corners."""
    corner = pyvips.Image.new_from_memory(effects.corner(radius), radius, radius, 1, "uchar")
    right, bottom = size.width - radius, size.height - radius
    mask = pyvips.Image.black(*size).invert().insert(corner, 0, 0).insert(corner.fliphor(), right, 0)
    corner = corner.flipver()
    return mask.insert(corner, 0, bottom).insert(corner.fliphor(), right, bottom)
