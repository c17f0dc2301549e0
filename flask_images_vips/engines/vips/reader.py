"""Load a source with libvips, decoding no more pixels than the rendition needs.

The loader is chosen from a fixed list by the content of the file, which is already open. So neither the name nor the
content of a file can select another loader. Pixels are decoded as a stream, and at a reduced size if the format
supports that.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import UnsupportedHere, UnsupportedSource
from ...geometry import ORIENTATIONS, Box, Geometry, Size, Turn
from ...headers import jpeg, tiff
from ...headers.coding import read_coding
from ...headers.kinds import SVG, kind_of, refusal
from .. import heic
from ..coded_colour import profile_of
from ..gif_frames import check_gif
from . import abilities, turbo
from .deep import in_16_bits
from .gif import with_clear_parts
from .input import copy_of, hold, input_of
from .load import pyvips
from .svg import open_svg

# The formats, by the type name of libvips' loader. The other loaders of libvips (PDF, raw, matrix text …) are not used.
_LOADERS = {
    "VipsForeignLoadJpegSource": "jpeg",
    "VipsForeignLoadPngSource": "png",
    "VipsForeignLoadNsgifSource": "gif",
    "VipsForeignLoadWebpSource": "webp",
    "VipsForeignLoadHeifSource": "avif",
    "VipsForeignLoadTiffSource": "tiff",
    "VipsForeignLoadSvgSource": "svg",
}
# Ultra HDR is a JPEG with a gain map behind it. Without the map, it is an ordinary picture, which all screens show.
_LOADED_AS = {"VipsForeignLoadUhdrSource": "VipsForeignLoadJpegSource"}
_CALL = re.compile(r"^unable to call \w+ (?=\S)")  # pyvips says this before libvips' own message

# If a part of the source is cut out, it is decoded at least this much larger than the output, per side. Its edges are
# then off by at most an eighth of an output pixel.
_HEADROOM_OF_CUT = 4
# WebP is shrunk while decoding only from this factor on. For smaller factors, libwebp needs more time to scale than
# libvips needs for all pixels, and the result is less sharp.
_MIN_WEBP_SHRINK = 1.5
# WebP gets this share of the headroom above 1. libwebp scales to any size by averaging areas, but a larger result costs
# more time: at 1.8 times the size of the output, decoding takes 10 to 25 % longer than at the size itself, and at 1.27
# times, 2 to 10 %.
_WEBP_SHARE = 1 / 3
# Pillow's `reduce` divides inexactly: if it averages blocks with longer sides than this, the result is too dark.
_MAX_AVERAGED = 32
# Above this factor, `_unstretched` corrects nothing: libvips' `reduce` would darken the picture (by 1 % at a factor of
# 20), because it rounds its weights. The uncorrected error is not visible: it is less than one decoded pixel, that is,
# less than an eighth of an output pixel.
_MAX_REDUCED = 8

# The exceptions of pyvips. UnicodeDecodeError is raised if libvips' message quotes text of the file in an unknown
# encoding.
ERRORS = (pyvips.Error, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Reader:
    """Loads sources. The fields are the arguments of `VipsEngine`."""

    inputs: Sequence[str]
    fail_on: str
    auto_orient: bool
    headroom: float
    maps_files: bool = False
    listed: Sequence[str] = ()

    def open(self, descriptor: int, ref: str, *, only_header: bool = False, **options: Any) -> tuple[str, pyvips.Image]:
        """Return the format, and the image, whose pixels are not read yet. *options* are passed to libvips' loader.

        A HEIC is decoded at once, to an image in memory.

        With *only_header*, the pixels cannot be read either if the file lacks its end.

        Raises:
            UnsupportedSource: If the file is not an image, or its format is not one of *inputs*.
            UnsupportedHere: If it is unknown, and this libvips lacks a loader for one of *inputs*.
            UnreadableSource: If the file is an SVG that is refused.
            LimitExceeded: If an SVG has too many bytes or elements.
            pyvips.Error, UnicodeDecodeError: If libvips cannot read the file.
        """
        if heic.takes(descriptor, self.inputs):
            return heic.FORMAT, _decoded_heic(descriptor, ref)
        source = input_of(descriptor, maps_files=self.maps_files)
        pointer = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer)
        if pointer == pyvips.ffi.NULL:
            pyvips.vips_lib.vips_error_clear()  # otherwise the message of the next error would include this one
            lacks = not all(map(abilities.can_read, self.inputs))
            raise (UnsupportedHere if lacks else UnsupportedSource)(ref, self._refusal(descriptor))
        loader = pyvips.ffi.string(pointer).decode()
        loader = _LOADED_AS.get(loader, loader)
        format = _LOADERS.get(loader)
        if format is None or format not in self.inputs:
            raise UnsupportedSource(ref, self._refusal(descriptor))
        if format == "svg":
            return format, open_svg(descriptor, ref, **options)
        # libvips reports a truncated TIFF as another kind of error, which the setting "truncated" would ignore.
        fail_on = "error" if format == "tiff" and self.fail_on == "truncated" else self.fail_on
        is_cut = format == "jpeg" and not only_header and jpeg.lacks_end(descriptor)
        if is_cut and (data := _completed(descriptor)):
            source = pyvips.Source.new_from_memory(data)
        if format == "avif" and not self.maps_files:
            source = copy_of(descriptor)
        image = pyvips.Operation.call(loader, source, access="sequential", fail_on=fail_on, **options)
        hold(image, source)
        if format in ("png", "avif") and not only_header:
            image = _with_stated_profile(image, descriptor, format)
        if format == "gif":
            image = with_clear_parts(image, descriptor, options.get("n", 1))
        if format == "tiff":
            image = _with_levels(_without_extra_samples(image, descriptor, ref))
        if not self.auto_orient and has(image, "orientation"):
            image = image.copy()
            image.remove("orientation")
        return format, image

    def _refusal(self, descriptor: int) -> str:
        """Return why the file cannot be loaded."""
        kind = kind_of(descriptor)
        if kind == SVG and "svg" in self.inputs:
            return f"the file is {kind}, and this libvips has no loader for it. `flask images check` names its formats"
        if kind == SVG:
            return f"the file is {kind}. IMAGES_SVG = 'pass' sends it as SVG, and 'raster' as pixels, if you trust it"
        return refusal(kind, self.listed or self.inputs, "libvips")

    def load(self, descriptor: int, ref: str, geometry: Geometry, frames: int, *, deep: bool = False) -> pyvips.Image:
        """Load the part of the source that *geometry* uses, at a reduced size if the format supports that.

        The image is not turned upright yet. If *frames* is more than 1, the frames are loaded whole, one below the
        other. With *deep*, all bits of a pixel are kept.
        """
        if frames > 1:
            format, image = self.open(descriptor, ref, n=frames)
            if format == "gif" and self.fail_on != "none":
                check_gif(descriptor, ref, frames)
            return image
        scaled, cut = geometry.upright, geometry.cut
        format, image = self.open(descriptor, ref)
        upright = upright_size(image)
        spare = min(upright.width / scaled.width, upright.height / scaled.height) / self.headroom
        if cut is not None:
            spare = min(cut.width / scaled.width, cut.height / scaled.height) / _HEADROOM_OF_CUT
        shrink, shrunk = 1, None
        if format == "jpeg" and not jpeg.is_lossless(descriptor):
            shrink = 2 ** min(3, int(math.log2(max(1, spare))))
            shrunk = turbo.decoded(descriptor, image, shrink)
            if shrunk is None and shrink > 1:
                _, shrunk = self.open(descriptor, ref, shrink=shrink)
        elif (
            format == "avif" and not deep and self.fail_on in ("none", "truncated")
        ):  # else libvips: Pillow decodes corrupt data
            shrink = max(1, min(_MAX_AVERAGED, int(spare)))
            shrunk = _decoded_avif(descriptor, image, shrink)
        if shrunk is not None:
            shrunk = in_16_bits(shrunk) if deep and shrunk.interpretation in ("srgb", "b-w") else shrunk
            if cut is not None:
                return cut_out(shrunk, cut, 1 / shrink, 1 / shrink)
            even = image.width % shrink == 0 and image.height % shrink == 0
            return shrunk if even else _unstretched(shrunk, image, shrink, scaled)
        # libwebp does not premultiply when it scales, so hidden colours would bleed into the edges.
        if format == "webp" and spare >= _MIN_WEBP_SHRINK and not image.hasalpha():
            if cut is None:
                spare *= self.headroom / (1 + _WEBP_SHARE * (self.headroom - 1))
            _, image = self.open(descriptor, ref, scale=1 / spare)
        if format == "svg":  # an SVG has no pixels, so it is drawn at the wanted size
            whole = upright if cut is None else cut
            scale = max(scaled.width / whole.width, scaled.height / whole.height)
            _, image = self.open(descriptor, ref, scale=scale)
        if cut is None:
            return image
        loaded = upright_size(image)
        return cut_out(image, cut, loaded.width / upright.width, loaded.height / upright.height)


def _without_extra_samples(image: pyvips.Image, descriptor: int, ref: str) -> pyvips.Image:
    """Remove the samples of a TIFF that are neither colour nor alpha. libvips would take one of them for alpha.

    Raises:
        UnsupportedHere: If libvips would show the TIFF wrongly.
    """
    misread = tiff.misread_by_libvips(descriptor)
    if misread is not None:
        raise UnsupportedHere(ref, f"libvips does not read {misread}")
    bands = tiff.bands_in_use(descriptor)
    return image if bands is None or image.bands <= bands else image.extract_band(0, n=bands)


def _with_levels(image: pyvips.Image) -> pyvips.Image:
    """Return *image*, from a TIFF, with levels of 8 bits if it is grey in floating point: linear light, from 0 to 1.

    libvips takes colours in floating point for linear light, but grey for levels from 0 to 255.
    """
    if image.format not in ("float", "double") or image.interpretation != "b-w":
        return image
    light = image[0]
    grey = light.bandjoin([light, light]).copy(interpretation="scrgb").scRGB2BW()
    return grey.bandjoin((image[1] * 255).cast("uchar")) if image.bands > 1 else grey


def _with_stated_profile(image: pyvips.Image, descriptor: int, format: str) -> pyvips.Image:
    """Add a profile to *image* if the file states by numbers how its colours are coded, which libvips ignores."""
    if has(image, "icc-profile-data") or (coding := read_coding(descriptor, format)) is None:
        return image
    profile = profile_of(coding, grey=image.interpretation in ("b-w", "grey16"))
    if profile is not None:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _decoded_avif(descriptor: int, image: pyvips.Image, shrink: int) -> pyvips.Image | None:
    from .avif import decoded  # noqa: PLC0415  (imports Pillow, which is needed only here)

    return decoded(descriptor, image, shrink)


def _decoded_heic(descriptor: int, ref: str) -> pyvips.Image:
    from .heic import decoded  # noqa: PLC0415  (few sites have HEICs)

    return decoded(descriptor, ref)


def _completed(descriptor: int) -> bytes | None:
    from ..pillow.unended import completed  # noqa: PLC0415  (imports Pillow, which is needed only here)

    return completed(descriptor)


def has(image: pyvips.Image, field: str) -> bool:
    """Return whether *image* has the metadata *field*. Listing all would fail on names in an unknown encoding."""
    return bool(image.get_typeof(field))


def has_palette(image: pyvips.Image) -> bool:
    """Return whether *image* was loaded from a PNG with a palette. libvips before 8.15 has another name for that."""
    return str(image.get("vips-loader")).startswith("png") and (
        has(image, "palette") or has(image, "palette-bit-depth")
    )


def orientation(image: pyvips.Image) -> Turn:
    """Return the turn that makes *image* upright."""
    return ORIENTATIONS.get(image.get("orientation") if has(image, "orientation") else 1, Turn())


def upright_size(image: pyvips.Image) -> Size:
    """Return the size of *image* after turning it upright, in pixels."""
    return orientation(image).size(Size(image.width, image.height))


def cut_out(image: pyvips.Image, box: Box, across: float = 1, down: float = 1) -> pyvips.Image:
    """Cut the part *box* of the upright picture out of *image*, which is not upright yet.

    *across* and *down* are the factors by which decoding has scaled the width and the height; 1 is the full size.
    """
    loaded = upright_size(image)
    left, top = min(round(box.left * across), loaded.width - 1), min(round(box.top * down), loaded.height - 1)
    right, bottom = round((box.left + box.width) * across), round((box.top + box.height) * down)
    width, height = max(1, min(right, loaded.width) - left), max(1, min(bottom, loaded.height) - top)
    return image.crop(*orientation(image).undone(Box(left, top, width, height), Size(image.width, image.height)))


def _unstretched(shrunk: pyvips.Image, original: pyvips.Image, shrink: int, scaled: Size) -> pyvips.Image:
    """Scale *shrunk*, which is *original* decoded at 1/*shrink* of its size, to *scaled*.

    *scaled* is a size of the upright picture. If the factor is too large for `reduce`, return *shrunk* as it
    is; the step `scale` then does the work.

    The decoder has rounded the sides. Ignoring that would stretch the picture by up to half an output pixel. `reduce`
    accepts the exact factor, but keeps the centre of its input in place, while here the top left corner must stay in
    place. So the picture is put on a larger canvas, with its top left corner at the centre.
    """
    width, height = orientation(original).size(scaled)
    across, down = original.width / shrink / width, original.height / shrink / height
    if max(across, down) > _MAX_REDUCED:
        return shrunk
    left, top = _corner(shrunk.width, across), _corner(shrunk.height, down)
    alpha = shrunk.hasalpha()
    made = shrunk.premultiply().rint().cast("uchar") if alpha else shrunk
    made = made.embed(left, top, 2 * left, 2 * top, extend="copy")
    made = made.reduce(across, down).crop(round(left / across), round(top / down), width, height)
    return made.unpremultiply().rint().cast("uchar") if alpha else made


def _corner(least: int, factor: float) -> int:
    """Return where the corner of the picture is put on the canvas. This is also half the side of the canvas.

    It is at least *least*, and near a multiple of *factor*, so that after scaling the corner lies near the edge of a
    pixel.
    """
    return next(half for half in itertools.count(least) if abs(half / factor - round(half / factor)) < 0.2)


def apart(image: pyvips.Image, frames: int, cut: Box | None) -> list[pyvips.Image]:
    """Split the result of `Reader.load` into *frames* images, and crop each to *cut*.

    A single frame is returned as it is, because `Reader.load` has already cropped it.
    """
    if frames == 1:
        return [image]
    image = image.copy()
    image.remove("page-height")
    height = image.height // frames
    whole = [image.crop(0, number * height, image.width, height) for number in range(frames)]
    return whole if cut is None else [cut_out(frame, cut) for frame in whole]


def reason(error: Exception) -> str:
    """Return the message of *error*, one of `ERRORS`, on one line. It begins with the reason, if it has one."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        # Empty libvips' message buffer, or the messages of all later errors would include this one.
        pyvips.vips_lib.vips_error_clear()
        text = error.object.decode("utf-8", "replace")
    lines = dict.fromkeys(" ".join(line.split()) for line in text.splitlines())  # libvips repeats some of them
    return _CALL.sub("", " ".join(filter(None, lines)))[:300]


def has_detail(error: Exception) -> bool:
    """Return whether *error*, one of `ERRORS`, says more than which call has failed."""
    return not isinstance(error, pyvips.Error) or bool(error.detail.strip())
