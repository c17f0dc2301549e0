"""How does libvips read a source? By a loader from a list, chosen by content, no larger than what is wanted of it.

The loader gets a descriptor, so that neither a name nor a signature can bring in another one. Decodes in a stream, and
at a fraction of the size where the format can.
"""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

import pyvips

from ...errors import LimitExceeded, UnreadableSource, UnsupportedSource
from ...geometry import ORIENTATIONS, Box, Geometry, Size, Turn
from ..outlines import check_gif

# By type name, as libvips gives it for what it finds in a source. Others exist (PDF, raw, matrix text …).
_LOADERS = {
    "VipsForeignLoadJpegSource": "jpeg",
    "VipsForeignLoadPngSource": "png",
    "VipsForeignLoadNsgifSource": "gif",
    "VipsForeignLoadWebpSource": "webp",
    "VipsForeignLoadHeifSource": "avif",
    "VipsForeignLoadTiffSource": "tiff",
    "VipsForeignLoadSvgSource": "svg",
}
_MOST_SVG_BYTES = 1_000_000

# Pixels a side that a decoder's own shrinking leaves for each one that is wanted of a part that is cut out: its edges
# are then rounded to an eighth of a pixel of the rendition at most.
_HEADROOM_OF_CUT = 4
# Below it, libwebp takes longer to scale than libvips takes for all the pixels, and is less sharp.
_LEAST_WEBP_SHRINK = 1.5
# Pillow's `reduce` divides by multiplying: it darkens where it takes too many pixels.
_MOST_AVERAGED = 32
# libvips' own rounds its weights, and darkens by a level in a hundred at larger factors. There, a part of a pixel does
# not show either.
_MOST_REDUCED = 8

# What pyvips raises: the second where libvips quotes the words of a file, which may be in any encoding.
ERRORS = (pyvips.Error, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Reader:
    """How sources are read: as `VipsEngine` was told."""

    inputs: Sequence[str]
    fail_on: str
    auto_orient: bool
    headroom: float

    def open(self, descriptor: int, ref: str, **options: Any) -> tuple[str, pyvips.Image]:
        """The format and the image, of which only the header is read so far."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        source = pyvips.Source.new_from_descriptor(descriptor)
        pointer = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer)
        if pointer == pyvips.ffi.NULL:
            pyvips.vips_lib.vips_error_clear()  # or the next error would quote it
            raise UnsupportedSource(ref, "libvips knows no image of this kind")
        loader = pyvips.ffi.string(pointer).decode()
        format = _LOADERS.get(loader)
        if format is None or format not in self.inputs:
            raise UnsupportedSource(ref, f"{format or loader} is not among the formats in use")
        if format == "svg":
            return format, _open_svg(descriptor, ref, **options)
        # For TIFF, libvips takes a file that is cut short for an error of another kind.
        fail_on = "error" if format == "tiff" and self.fail_on == "truncated" else self.fail_on
        image = pyvips.Operation.call(loader, source, access="sequential", fail_on=fail_on, **options)
        if not self.auto_orient and has(image, "orientation"):
            image = image.copy()
            image.remove("orientation")
        return format, image

    def load(self, descriptor: int, ref: str, geometry: Geometry, frames: int) -> pyvips.Image:
        """What is wanted of the source, decoded at a fraction of its size where its format can and *geometry* allows.

        More *frames* than one are whole, and stand one below the other.
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
        if format == "jpeg" and spare >= 2:
            shrink = 2 ** min(3, int(math.log2(spare)))
            _, shrunk = self.open(descriptor, ref, shrink=shrink)
        elif format == "avif" and self.fail_on in ("none", "truncated"):  # it makes pixels of what is corrupt, too
            shrink = max(1, min(_MOST_AVERAGED, int(spare)))
            shrunk = _decoded_avif(descriptor, image, shrink)
        if shrunk is not None:
            if cut is not None:
                return cut_out(shrunk, cut, 1 / shrink, 1 / shrink)
            even = image.width % shrink == 0 and image.height % shrink == 0
            return shrunk if even else _unstretched(shrunk, image, shrink, scaled)
        if format == "webp" and spare >= _LEAST_WEBP_SHRINK:
            _, image = self.open(descriptor, ref, scale=1 / spare)
        if format == "svg":  # drawn at the size that is wanted, also where that is beyond its own
            whole = upright if cut is None else cut
            scale = max(scaled.width / whole.width, scaled.height / whole.height)
            _, image = self.open(descriptor, ref, scale=scale)
        if cut is None:
            return image
        loaded = upright_size(image)
        return cut_out(image, cut, loaded.width / upright.width, loaded.height / upright.height)


def _decoded_avif(descriptor: int, image: pyvips.Image, shrink: int) -> pyvips.Image | None:
    """*image*, of which libvips has read the header, with pixels by another decoder, if that can."""
    from . import avif  # noqa: PLC0415  (all of Pillow, for this alone)

    decoded = avif.pixels(descriptor, Size(image.width, image.height), shrink)
    if decoded is None:
        return None
    made = pyvips.Image.new_from_memory(decoded.data, *decoded.size, decoded.bands, "uchar").copy(interpretation="srgb")
    for field in ("vips-loader", "icc-profile-data", "exif-data"):
        if has(image, field):
            made.set_type(image.get_typeof(field), field, image.get(field))
    return made


def _open_svg(descriptor: int, ref: str, *, scale: float = 1.0) -> pyvips.Image:
    """Drawn out of memory: by name, or as a source, librsvg would read the files beside it."""
    with io.FileIO(descriptor, closefd=False) as file:
        file.seek(0)
        data = file.read(_MOST_SVG_BYTES + 1)
    if len(data) > _MOST_SVG_BYTES:
        raise LimitExceeded("SVG's bytes", len(data), _MOST_SVG_BYTES, set_by="this package")
    _check_drawing(data, ref)
    return pyvips.Image.svgload_buffer(data, scale=scale)


def _check_drawing(data: bytes, ref: str) -> None:
    """Refuse an SVG that brings pictures, whose size no limit is asked for, or entities; also a compressed one."""

    def start(name: str, attributes: object) -> None:
        if name.rpartition(" ")[2] in ("image", "feImage"):
            raise UnreadableSource(ref, "an SVG with pictures in it")

    def declare(*entity: object) -> None:
        raise UnreadableSource(ref, "an SVG that declares entities")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EntityDeclHandler = start, declare
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableSource(ref, f"no XML: {error}") from error


def has(image: pyvips.Image, field: str) -> bool:
    """Asked for by name: a list of all fields has the file's own words in it, in any encoding."""
    return bool(image.get_typeof(field))


def orientation(image: pyvips.Image) -> Turn:
    """What makes *image* upright."""
    return ORIENTATIONS.get(image.get("orientation") if has(image, "orientation") else 1, Turn())


def upright_size(image: pyvips.Image) -> Size:
    return orientation(image).size(Size(image.width, image.height))


def cut_out(image: pyvips.Image, box: Box, across: float = 1, down: float = 1) -> pyvips.Image:
    """The part *box* of the upright picture that *image* is as it is stored, decoded at a fraction of its sides."""
    loaded = upright_size(image)
    left, top = min(round(box.left * across), loaded.width - 1), min(round(box.top * down), loaded.height - 1)
    right, bottom = round((box.left + box.width) * across), round((box.top + box.height) * down)
    width, height = max(1, min(right, loaded.width) - left), max(1, min(bottom, loaded.height) - top)
    return image.crop(*orientation(image).undone(Box(left, top, width, height), Size(image.width, image.height)))


def _unstretched(shrunk: pyvips.Image, original: pyvips.Image, shrink: int, scaled: Size) -> pyvips.Image:
    """*shrunk* at the size it is wanted at, where its decoder had to round the sides of *original*.

    Scaling it as if its sides were exact would stretch the picture, by up to half a pixel of the rendition. `reduce`
    takes the exact factor, but keeps only the centre of its canvas in place: there the picture's corner is laid.
    """
    width, height = orientation(original).size(scaled)
    across, down = original.width / shrink / width, original.height / shrink / height
    if max(across, down) > _MOST_REDUCED:
        return shrunk
    left, top = _corner(shrunk.width, across), _corner(shrunk.height, down)
    alpha = shrunk.hasalpha()
    made = shrunk.premultiply().rint().cast("uchar") if alpha else shrunk
    made = made.embed(left, top, 2 * left, 2 * top, extend="copy")
    made = made.reduce(across, down).crop(round(left / across), round(top / down), width, height)
    return made.unpremultiply().rint().cast("uchar") if alpha else made


def _corner(least: int, factor: float) -> int:
    """The half of a canvas, at *least* so many pixels, whose centre is one of the whole pixels that `reduce` makes."""
    return next(half for half in itertools.count(least) if abs(half / factor - round(half / factor)) < 0.2)


def apart(image: pyvips.Image, frames: int, cut: Box | None) -> list[pyvips.Image]:
    """The *frames* of what `Reader.load` gave, each as if it were a picture of its own, and what is wanted of it."""
    if frames == 1:
        return [image]
    image = image.copy()
    image.remove("page-height")
    height = image.height // frames
    whole = [image.crop(0, number * height, image.width, height) for number in range(frames)]
    return whole if cut is None else [cut_out(frame, cut) for frame in whole]


def reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        # Left there, it would be in all later errors too.
        pyvips.vips_lib.vips_error_clear()
        text = error.object.decode("utf-8", "replace")
    return " ".join(text.split())[:300]
