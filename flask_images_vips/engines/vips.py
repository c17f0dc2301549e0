"""Pixels by libvips: decodes in a stream, at a fraction of the size where the format can, on one thread.

Unlike bare ``thumbnail``, the load is a step of its own: the loader is chosen from a list, by content, and gets a
descriptor, so that neither a name nor a signature can bring in another one.
"""

from __future__ import annotations

import logging
import math
import os
from typing import Any

import pyvips

from ..errors import UnreadableSource, UnsupportedSource
from ..formats import Format
from ..geometry import Geometry, Size
from ..options import Mode, Options, Sharpen
from ..rendition import Rendition
from . import Engine, Header
from .colour import is_srgb

logger = logging.getLogger("flask_images_vips")

_JPEG, _WEBP = "VipsForeignLoadJpegSource", "VipsForeignLoadWebpSource"
# By type name, as libvips gives it for what it finds in a source, and what each of them must fail on to refuse a file
# that is cut short. Others exist (SVG, PDF, raw, matrix text …).
_LOADERS = {
    _JPEG: "truncated",
    _WEBP: "truncated",
    "VipsForeignLoadPngSource": "truncated",
    "VipsForeignLoadNsgifSource": "truncated",
    "VipsForeignLoadHeifSource": "truncated",
    "VipsForeignLoadTiffSource": "error",
}

# How each format is written, less its quality. Prices and gains: libvips' AVIF effort 4 costs ten times effort 1
# for a tenth fewer bytes; its WebP effort 4 twice effort 2 for a twentieth; PNG filters save a third of a photograph.
_SAVE: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize_coding": True},
    "png": {"compression": 6, "filter": "all"},
    "webp": {"effort": 2},
    "avif": {"effort": 1},
    "gif": {},
}
_WITH_QUALITY = {"jpeg", "webp", "avif"}

# A decoder's own shrinking leaves at least this many pixels for each one that is wanted; the rest is LANCZOS.
_HEADROOM = 2
# `reduce` takes no factor much larger than this; at such a one a part of a pixel does not show either.
_MOST_REDUCED = 64


_first_pid: int | None = None
"""The process in which libvips made its first pixels."""
_warned_pid: int | None = None


def forked_after_pixels() -> bool:
    """Whether this process is a fork of one in which libvips made pixels: here, making more would hang.

    libvips keeps threads for some seconds, and the child inherits their count, but not the threads. Logged once.
    """
    global _warned_pid  # noqa: PLW0603
    forked = _first_pid is not None and _first_pid != os.getpid()
    if forked and _warned_pid != os.getpid():
        _warned_pid = os.getpid()
        logger.warning(
            "This process was forked after libvips had made pixels in its parent, where it would hang: images are "
            "rendered by Pillow, slower. Render nothing at import; with gunicorn --preload, nothing before the fork; "
            "with uWSGI, set lazy-apps."
        )
    return forked


class VipsEngine:
    """Renders by libvips, in this process; by *after_fork* where libvips would hang, see `forked_after_pixels`."""

    def __init__(self, *, auto_orient: bool = True, after_fork: Engine | None = None) -> None:
        self.auto_orient = auto_orient
        self.after_fork = after_fork
        # Workers are the parallelism, and a cache of operations would serve a replaced source's old pixels.
        pyvips.cache_set_max(0)
        pyvips.vips_lib.vips_concurrency_set(1)

    @property
    def name(self) -> str:
        return self.after_fork.name if self.after_fork is not None and forked_after_pixels() else "vips"

    def supports(self, options: Options, format: Format) -> bool:
        return options.transform is None and format.name in _SAVE

    def header(self, descriptor: int, ref: str) -> Header:
        try:
            _, image = self._open(descriptor, ref)
            return Header(_upright_size(image))
        except pyvips.Error as error:
            raise UnreadableSource(ref, _reason(error)) from error

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        global _first_pid  # noqa: PLW0603
        if self.after_fork is not None and forked_after_pixels():
            return self.after_fork.render(descriptor, rendition, geometry)
        _first_pid = _first_pid or os.getpid()
        try:
            image = self._load(descriptor, rendition.source.ref, geometry.scaled)
            for step in _STEPS:
                image = step(image, rendition, geometry)
            return _encode(image, rendition)
        except pyvips.Error as error:
            raise UnreadableSource(rendition.source.ref, _reason(error)) from error

    def _open(self, descriptor: int, ref: str, **options: Any) -> tuple[str, pyvips.Image]:
        """The name of the loader and the image, of which only the header is read so far."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        source = pyvips.Source.new_from_descriptor(descriptor)
        pointer = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer)
        if pointer == pyvips.ffi.NULL:
            pyvips.Error("")  # takes libvips' complaint out of its buffer, or the next error would quote it
            raise UnsupportedSource(ref, "libvips knows no image of this kind")
        loader = pyvips.ffi.string(pointer).decode()
        if loader not in _LOADERS:
            raise UnsupportedSource(ref, f"{loader} is not among the loaders in use")
        image = pyvips.Operation.call(loader, source, access="sequential", fail_on=_LOADERS[loader], **options)
        if not self.auto_orient and "orientation" in image.get_fields():
            image = image.copy()
            image.remove("orientation")
        return loader, image

    def _load(self, descriptor: int, ref: str, scaled: Size) -> pyvips.Image:
        """The source, decoded at a fraction of its size where its format can and *scaled* allows it."""
        loader, image = self._open(descriptor, ref)
        upright = _upright_size(image)
        spare = min(upright.width / scaled.width, upright.height / scaled.height) / _HEADROOM
        if loader == _JPEG and spare >= 2:
            shrink = 2 ** min(3, int(math.log2(spare)))
            _, shrunk = self._open(descriptor, ref, shrink=shrink)
            even = image.width % shrink == 0 and image.height % shrink == 0
            return shrunk if even else _unstretched(shrunk, image, shrink, scaled)
        if loader == _WEBP and spare > 1:
            _, image = self._open(descriptor, ref, scale=1 / spare)
        return image


def _lies_on_its_side(image: pyvips.Image) -> bool:
    return "orientation" in image.get_fields() and 5 <= image.get("orientation") <= 8


def _upright_size(image: pyvips.Image) -> Size:
    return Size(image.height, image.width) if _lies_on_its_side(image) else Size(image.width, image.height)


def _unstretched(shrunk: pyvips.Image, original: pyvips.Image, shrink: int, scaled: Size) -> pyvips.Image:
    """*shrunk* at the size it is wanted at, where its decoder had to round the sides of *original*.

    Scaling it as if its sides were exact would stretch the picture, by up to half a pixel of the rendition. `reduce`
    takes the exact factor, but keeps only the centre of its canvas in place: there the picture's corner is laid.
    """
    width, height = (scaled.height, scaled.width) if _lies_on_its_side(original) else scaled
    across, down = original.width / shrink / width, original.height / shrink / height
    if max(across, down) > _MOST_REDUCED:
        return shrunk
    left, top = round(across * width), round(down * height)
    return (
        shrunk.embed(left, top, 2 * left, 2 * top, extend="copy")
        .reduce(across, down)
        .crop(width, height, width, height)
    )


# The order of work. Each step is (image, rendition, geometry) → image.


def _scale(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Upright, in 8-bit sRGB or grey, and of the size wanted."""
    image = _without_cmyk(image)
    own, target = _upright_size(image), geometry.scaled
    reduced = Size(min(own.width, target.width), min(own.height, target.height))
    profile = image.get("icc-profile-data") if "icc-profile-data" in image.get_fields() else None
    colour = {"output_profile": "srgb"} if profile is not None and not is_srgb(profile) else {}
    image = image.thumbnail_image(reduced.width, height=reduced.height, size="force", intent="perceptual", **colour)
    if image.interpretation not in ("srgb", "b-w"):
        image = image.colourspace("srgb")
    return image if reduced == target else _enlarge(image, target)


def _without_cmyk(image: pyvips.Image) -> pyvips.Image:
    """CMYK that brings no profile, turned to RGB as browsers do; libvips would assume a press of its own."""
    if image.interpretation != "cmyk" or "icc-profile-data" in image.get_fields():
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


def _flatten(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Without alpha, where the format has none."""
    if not image.hasalpha() or rendition.format.alpha:
        return image
    return image.colourspace("srgb").flatten(background=list(rendition.options.background[:3]))


def _place(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Cropped to the canvas, or laid on it."""
    left, top = geometry.offset
    width, height = geometry.canvas
    if rendition.options.mode is not Mode.PAD:
        return image if geometry.canvas == geometry.scaled else image.crop(-left, -top, width, height)
    background = list(rendition.options.background)
    image = image.colourspace("srgb")
    if rendition.format.alpha and (image.hasalpha() or background[3] < 255):
        image = image if image.hasalpha() else image.bandjoin(255)
    else:
        background = background[:3]
    return image.embed(left, top, width, height, extend="background", background=background)


def _sharpen(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
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


_STEPS = (_scale, _flatten, _place, _sharpen)


def _encode(image: pyvips.Image, rendition: Rendition) -> bytes:
    name = rendition.format.name
    quality = {"Q": rendition.options.quality} if name in _WITH_QUALITY else {}
    # Into memory, not into the file: a full disk would leave libvips' target empty, and in place.
    data: bytes = image.write_to_buffer("." + name, keep="none", **_SAVE[name], **quality)
    return data


def _reason(error: pyvips.Error) -> str:
    return " ".join(str(error).split())[:300]
