"""Define the steps that turn a loaded picture into a finished one, with libvips.

Each step takes one still picture and the `Spec`, and returns a picture. `FINISH` and `STEPS` list steps of the same
names, in the same order, as `engines.pillow.steps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from ...geometry import Geometry, Size, Turn
from ...options.values import Mode, Sharpen
from ..colour import is_srgb, keeps_profile
from ..encoder_settings import is_deep
from ..engine import TINY_WEBP, Spec
from . import abilities, deep
from .effects import blur, frame, on_canvas, pad, recolour, round_corners, text, turn, watermark
from .load import pyvips
from .reader import has, orientation, upright_size
from .writer import encode

_SPACES = {"srgb": b"RGB ", "rgb": b"RGB ", "rgb16": b"RGB ", "b-w": b"GRAY", "grey16": b"GRAY"}
"""The colour space that a profile states, by the interpretation of the picture."""

Step = Callable[[pyvips.Image, Spec], pyvips.Image]


def scale(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Make the picture upright and scale it. Convert it to 8-bit sRGB or grey unless it keeps its profile.

    If the rendition has more than 8 bits per band, so has the result.
    """
    image = _without_wrong_profile(_without_cmyk(image))
    own, target = upright_size(image), spec.geometry.upright
    reduced = Size(min(own.width, target.width), min(own.height, target.height))
    profile = image.get("icc-profile-data") if has(image, "icc-profile-data") else None
    is_rgb = image.interpretation in ("srgb", "rgb", "rgb16")
    kept = keeps_profile(profile, spec.options, spec.format, is_rgb_picture=is_rgb)
    converts = profile is not None and not kept and not is_srgb(profile)
    if is_deep(spec.options, spec.format):
        image = _deep(image, reduced, converts=converts)
    else:
        image = _shallow(image, reduced, converts=converts)
    if profile is not None and not kept:
        image = image.copy()
        image.remove("icc-profile-data")
    return image if reduced == target else _enlarge(image, target)


def _deep(image: pyvips.Image, size: Size, *, converts: bool) -> pyvips.Image:
    """Make the picture upright and scale it down to *size*, with 16 bits per band. Convert it to sRGB if *converts*."""
    image = deep.converted(image) if converts else deep.in_16_bits(image)
    turn = orientation(image)
    image = deep.shrunk(image, turn.size(size))
    return image if turn == Turn() else image.copy_memory().autorot()


def _shallow(image: pyvips.Image, size: Size, *, converts: bool) -> pyvips.Image:
    """Make the picture upright and scale it down to *size*, with 8 bits per band. Convert it to sRGB if *converts*."""
    colour = {}
    if converts:
        colour = {abilities.option("thumbnail_image", "output_profile", "export_profile") or "output_profile": "srgb"}
    image = image.thumbnail_image(size.width, height=size.height, size="force", intent="perceptual", **colour)
    return image if image.interpretation in ("srgb", "b-w") else image.colourspace("srgb")


def _without_wrong_profile(image: pyvips.Image) -> pyvips.Image:
    """Remove a profile of another colour space than the picture's. libvips 8.14 fails on it; newer ones ignore it."""
    if not has(image, "icc-profile-data") or image.interpretation not in _SPACES:
        return image
    if image.get("icc-profile-data")[16:20] == _SPACES[image.interpretation]:
        return image
    image = image.copy()
    image.remove("icc-profile-data")
    return image


def _without_cmyk(image: pyvips.Image) -> pyvips.Image:
    """Convert CMYK without a profile to RGB, as browsers do. libvips would assume a printing profile.

    Raises:
        Lacking: If the picture has a profile, and this libvips converts CMYK inaccurately.
    """
    if image.interpretation != "cmyk":
        return image
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
    if has(image, "icc-profile-data"):
        if not abilities.converts_cmyk():
            raise abilities.Lacking("an accurate conversion of CMYK")
        return image
    inks = image.invert()
    return (inks[0:3] * inks[3] / 255).rint().cast("uchar").copy(interpretation="srgb")


def _enlarge(image: pyvips.Image, target: Size) -> pyvips.Image:
    """Enlarge with bicubic interpolation between pixel centres. libvips' own enlarging shifts by half a pixel."""
    alpha, format = image.hasalpha(), image.format
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
    return image.unpremultiply().rint().cast(format) if alpha else image


def keep_tiny(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Fill in the tiny picture, if one is wanted. This step comes right after `scale`, before others change pixels."""
    tiny = spec.tiny
    if tiny is None or not tiny.fits(spec, Size(image.width, image.height)):
        return image
    image = image.copy_memory()  # it is read more than once
    whole, half = (Spec(*TINY_WEBP, Geometry(size, size)) for size in (tiny.size, tiny.half))
    if tiny.wants_rgba:
        small = scale(image, whole).colourspace("srgb")
        tiny.rgba = bytes((small if small.hasalpha() else small.bandjoin(255)).write_to_memory())
    if tiny.wants_webp:
        with suppress(abilities.Lacking):
            tiny.webp = encode(scale(image, half), half, "balanced", lambda made: made)
    return image


def flatten(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Put the picture on the background colour if the format has no alpha."""
    if not image.hasalpha() or spec.format.alpha:
        return image
    return image.colourspace("srgb").flatten(background=list(spec.options.background[:3]))


def place(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Crop the picture to the canvas, or lay it on the canvas."""
    geometry, options = spec.geometry, spec.options
    if options.mode is Mode.PAD:
        return on_canvas(image, geometry.offset, geometry.canvas, options.background, spec.format)
    if geometry.canvas == geometry.scaled:
        return image
    if is_smart(spec) and geometry.at is None:
        return image.copy_memory().smartcrop(*geometry.canvas, interesting=options.gravity)
    left, top = geometry.offset
    return image.crop(-left, -top, *geometry.canvas)


def is_smart(spec: Spec) -> bool:
    """Return whether `place` crops to a part that depends on the pixels."""
    return spec.options.settled().gravity.by_libvips and spec.geometry.canvas != spec.geometry.scaled


def sharpen(image: pyvips.Image, spec: Spec) -> pyvips.Image:
    """Sharpen with the unsharp mask of Pillow, as Flask-Images does."""
    wanted = spec.options.sharpen
    if wanted is None or wanted.radius == 0:
        return image
    image = image.copy_memory()
    blurred = image.convsep(_pillow_blur(wanted), precision="float").rint()
    difference = image - blurred
    masked = (image + difference * (wanted.percent / 100)).rint().cast(image.format)
    return (difference.abs() > wanted.threshold * deep.levels(image)).ifthenelse(masked, image)


def _pillow_blur(wanted: Sharpen) -> pyvips.Image:
    """Return the kernel of Pillow's GaussianBlur for one axis: three passes of a box with fractional edges.

    The equations for 3 passes are from Gwosdek, Grewenig, Bruhn, Weickert: Theoretical Foundations of Gaussian
    Convolution by Extended Box Filtering (2011).
    """
    variance = wanted.radius**2 / 3
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


FINISH: tuple[Step, ...] = (recolour, flatten, place, blur, sharpen, watermark, text, pad, frame, round_corners)
"""The steps after the picture has been scaled and turned.

`recolour` comes first, before any step adds a background. The steps around the canvas are in the order of a CSS box:
first the padding, then the border, and last the corners of both.
"""
STEPS: tuple[Step, ...] = (scale, keep_tiny, turn, *FINISH)
