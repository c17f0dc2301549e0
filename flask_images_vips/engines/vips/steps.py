"""The steps that every picture takes in libvips: scaled, without alpha where it must be, cropped or laid on, sharpened.

Each is (image, rendition, geometry) → image, of one still picture. Those of the effects are in `vips_effects`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pyvips

from ...geometry import Geometry, Size
from ...options.values import Mode, Sharpen
from ...rendition import Rendition
from ..colour import is_rgb, is_srgb
from . import effects as vips_effects
from .reader import has, upright_size

Step = Callable[[pyvips.Image, Rendition, Geometry], pyvips.Image]


def scale(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Upright, in 8-bit sRGB or grey, and of the size wanted."""
    image = _without_cmyk(image)
    own, target = upright_size(image), geometry.upright
    reduced = Size(min(own.width, target.width), min(own.height, target.height))
    profile = image.get("icc-profile-data") if has(image, "icc-profile-data") else None
    kept = profile is not None and _keeps_profile(image, profile, rendition)
    colour = {"output_profile": "srgb"} if profile is not None and not kept and not is_srgb(profile) else {}
    image = image.thumbnail_image(reduced.width, height=reduced.height, size="force", intent="perceptual", **colour)
    if image.interpretation not in ("srgb", "b-w"):
        image = image.colourspace("srgb")
    if profile is not None and not kept:
        image = image.copy()
        image.remove("icc-profile-data")
    return image if reduced == target else _enlarge(image, target)


def _keeps_profile(image: pyvips.Image, profile: bytes, rendition: Rendition) -> bool:
    """Whether the rendition stays in the colours of its source's *profile*."""
    wanted = rendition.options.keep.icc and rendition.format.metadata
    return wanted and image.interpretation in ("srgb", "rgb", "rgb16") and is_rgb(profile)


def _without_cmyk(image: pyvips.Image) -> pyvips.Image:
    """CMYK that brings no profile, turned to RGB as browsers do; libvips would assume a press of its own."""
    if image.interpretation != "cmyk" or has(image, "icc-profile-data"):
        return image
    inks = image.invert()
    return (inks[0:3] * inks[3] / 255).rint().cast("uchar").copy(interpretation="srgb")


def _enlarge(image: pyvips.Image, target: Size) -> pyvips.Image:
    """Bicubic, with the pixels' centres where they belong: libvips' own enlarging is off by half a pixel."""
    alpha = image.hasalpha()
    image = image.copy_memory()
    if alpha:
        image = image.premultiply()
    image = image.affine(
        [target.width / image.width, 0, 0, target.height / image.height],
        interpolate=pyvips.Interpolate.new("bicubic"),
        oarea=[0, 0, target.width, target.height],
        idx=0.5,
        idy=0.5,
        odx=-0.5,
        ody=-0.5,
        extend="copy",
    )
    return image.unpremultiply().rint().cast("uchar") if alpha else image


def flatten(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Without alpha, where the format has none."""
    if not image.hasalpha() or rendition.format.alpha:
        return image
    return image.colourspace("srgb").flatten(background=list(rendition.options.background[:3]))


def place(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Cropped to the canvas, or laid on it."""
    if rendition.options.mode is Mode.PAD:
        return vips_effects.on_canvas(image, geometry.offset, geometry.canvas, rendition.options.background, rendition)
    if geometry.canvas == geometry.scaled:
        return image
    if is_smart(rendition, geometry) and geometry.at is None:
        return image.copy_memory().smartcrop(*geometry.canvas, interesting=rendition.options.gravity)
    left, top = geometry.offset
    return image.crop(-left, -top, *geometry.canvas)


def is_smart(rendition: Rendition, geometry: Geometry) -> bool:
    """Whether what is cropped depends on the pixels."""
    options = rendition.options.settled()
    return options.gravity.smart and geometry.canvas != geometry.scaled


def sharpen(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """The unsharp mask of Pillow, which is what URLs of Flask-Images mean by ``sharpen``."""
    sharpen = rendition.options.sharpen
    if sharpen is None or sharpen.radius == 0:
        return image
    image = image.copy_memory()
    blurred = image.convsep(_pillow_blur(sharpen), precision="float").rint()
    difference = image - blurred
    masked = (image + difference * (sharpen.percent / 100)).rint().cast("uchar")
    return (difference.abs() > sharpen.threshold).ifthenelse(masked, image)


def _pillow_blur(sharpen: Sharpen) -> pyvips.Image:
    """One axis of Pillow's GaussianBlur: three passes of a box with fractional edges.

    Gwosdek, Grewenig, Bruhn, Weickert: Theoretical Foundations of Gaussian Convolution by Extended Box
    Filtering (2011), equations for 3 passes.
    """
    variance = sharpen.radius**2 / 3
    whole = int((math.sqrt(12 * variance + 1) - 1) / 2)
    edge = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) ** 2))
    box = [edge, *[1.0] * (2 * whole + 1), edge]
    kernel = _convolve(_convolve(box, box), box)
    return pyvips.Image.new_from_list([kernel], scale=sum(kernel))


def _convolve(one: list[float], other: list[float]) -> list[float]:
    result = [0.0] * (len(one) + len(other) - 1)
    for index, weight in enumerate(one):
        for shift, value in enumerate(other):
            result[index + shift] += weight * value
    return result
