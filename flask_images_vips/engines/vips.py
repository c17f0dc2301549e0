"""Pixels by libvips: decodes in a stream, at a fraction of the size where the format can, on one thread.

Unlike bare ``thumbnail``, the load is a step of its own: the loader is chosen from a list, by content, and gets a
descriptor, so that neither a name nor a signature can bring in another one.
"""

from __future__ import annotations

import copy
import io
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.parsers import expat

import pyvips

from ..errors import LimitExceeded, UnreadableSource, UnsupportedSource
from ..formats import INPUTS, PNG, Format
from ..geometry import ORIENTATIONS, Box, Geometry, Size, Turn
from ..options import Options
from ..rendition import Rendition
from ..values import Mode, Sharpen
from . import Engine, Header, overtime, vips_effects
from .colour import is_rgb, is_srgb
from .encoders import settings_of
from .frames import check_frames, check_gif
from .rights import rights, rights_of_tiff

logger = logging.getLogger("flask_images_vips")

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

# What pyvips raises: the second where libvips quotes the words of a file, which may be in any encoding.
_ERRORS = (pyvips.Error, UnicodeDecodeError)

# How each format is written, less its quality. Prices and gains: libvips' AVIF effort 4 costs ten times effort 2
# for a tenth fewer bytes; its WebP effort 4 twice effort 2 for a twentieth; PNG filters save a third of a photograph.
_SAVE: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize_coding": True},
    "png": {"compression": 6, "filter": "all"},
    "webp": {"effort": 2},
    "avif": {"effort": 2},
    "gif": {},
}
# For animations. libvips looks for a new palette where the old does not fit: at its own 7 up to three times as long.
_SAVE_FRAMES: dict[str, dict[str, Any]] = {"gif": {"effort": 4}}
_PROGRESSIVE = {"jpeg": {"interlace": True}, "png": {"interlace": True}}
_LOSSLESS = {"webp": {"lossless": True}, "avif": {"lossless": True}}
_KEEP_EXIF, _KEEP_PROFILE = 1, 8  # bits of libvips' ForeignKeep

# Pixels a side that a decoder's own shrinking leaves for each one that is wanted of a part that is cut out: its edges
# are then rounded to an eighth of a pixel of the rendition at most.
_HEADROOM_OF_CUT = 4
# How a copy is written. Uncompressed, it is read three times as fast; as a JPEG, it takes a tenth of the disk.
_COPIES: dict[str, dict[str, Any]] = {"tiff": {"compression": "none"}, "jpeg": {"Q": 92, "subsample_mode": "off"}}
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
    """Renders by libvips, in this process; by *after_fork* where libvips would hang, see `forked_after_pixels`.

    *inputs* are the formats of sources, with ``svg`` where that may be one. *fail_on* is libvips' own word for what
    ends a render: ``none``, ``truncated``, ``error`` or ``warning``. *timeout* is in seconds, see `_Deadline`. A
    decoder's own shrinking leaves at least *headroom* pixels a side for each one that is wanted; the rest is LANCZOS.
    *effort* is one of `encoders.EFFORTS`.
    """

    def __init__(
        self,
        *,
        auto_orient: bool = True,
        inputs: Sequence[str] = INPUTS,
        fail_on: str = "truncated",
        timeout: float = 10.0,
        after_fork: Engine | None = None,
        headroom: float = 1.8,
        effort: str = "balanced",
    ) -> None:
        self.auto_orient = auto_orient
        self.inputs = inputs
        self.fail_on = fail_on
        self.timeout = timeout
        self.after_fork = after_fork
        self.headroom = headroom
        self.settings = settings_of("vips", effort, _SAVE)
        # pyvips hands libvips' warnings to Python's logging while they are made. Where Python collects garbage there,
        # and an image in it warns as it goes, glib ends the process: a warning within a warning is fatal.
        pyvips._remove_log_handler()
        # Workers are the parallelism, and a cache of operations would serve a replaced source's old pixels.
        pyvips.cache_set_max(0)
        pyvips.vips_lib.vips_concurrency_set(1)

    @property
    def name(self) -> str:
        return self.after_fork.name if self.after_fork is not None and forked_after_pixels() else "vips"

    @property
    def makes_copies(self) -> bool:
        return not forked_after_pixels()

    def supports(self, options: Options, format: Format) -> bool:
        if self.after_fork is not None and forked_after_pixels():
            return self.after_fork.supports(options, format)
        return options.transform is None and format.name in _SAVE

    def header(self, descriptor: int, ref: str) -> Header:
        if self.after_fork is not None and forked_after_pixels():
            return self.after_fork.header(descriptor, ref)
        check_frames(descriptor)
        try:
            format, image = self._open(descriptor, ref)
            return Header(
                _upright_size(image),
                format,
                frames=image.get("n-pages") if format in ("gif", "webp") and _has(image, "n-pages") else 1,
                alpha=bool(image.hasalpha()),
                orientation=image.get("orientation") if _has(image, "orientation") else 1,
                whole=format in ("avif", "gif") or (format == "png" and _has(image, "interlaced")),
            )
        except _ERRORS as error:
            raise UnreadableSource(ref, _reason(error)) from error

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        if self.after_fork is not None and forked_after_pixels():
            return self.after_fork.render(descriptor, rendition, geometry, frames)
        with self._pixels(rendition.source.ref) as deadline:
            if frames > 1 and _is_smart(rendition, geometry):  # the same part of all frames
                geometry = geometry._replace(at=self._look(descriptor, rendition, geometry))
            source = deadline.watch(self._load(descriptor, rendition.source.ref, geometry, frames))
            made = []
            for image in _apart(source, frames, geometry.cut):
                for step in self._steps:
                    image = deadline.watch(step(image, rendition, geometry))  # noqa: PLW2901
                if frames > 1:  # one after the other: together, their buffers would take ten times their pixels
                    image = image.copy_memory()  # noqa: PLW2901
                    deadline.watch_only(source)
                made.append(image)
            exif = _exif(source, descriptor, rendition)
            return _encode(deadline.watch(_together(made)), rendition, exif, self.settings)

    def reduced(self, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str) -> list[bytes]:
        with self._pixels(rendition.source.ref) as deadline:
            image = deadline.watch(self._load(descriptor, rendition.source.ref, Geometry(sizes[0], sizes[0]), 1))
            copies = []
            for size in sizes:
                image = deadline.watch(_scale(image, rendition, Geometry(size, size)))
                if size != sizes[-1]:
                    image = image.copy_memory()  # the next, smaller one is made of it too
                kept = "tiff" if image.hasalpha() else format
                copies.append(image.write_to_buffer("." + kept, keep="none", **_COPIES[kept]))
            return copies

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        # Whatever the application takes for sources: a copy is our own file, upright, and whole or of no use.
        reader = copy.copy(self)
        reader.inputs, reader.fail_on, reader.after_fork = (*_COPIES,), "error", None
        return reader.render(descriptor, rendition, geometry)

    @contextmanager
    def _pixels(self, ref: str) -> Iterator[_Deadline]:
        """Within the block libvips may make pixels, for as long as a render may take."""
        global _first_pid  # noqa: PLW0603
        _first_pid = _first_pid or os.getpid()
        with _Deadline(self.timeout) as deadline:
            try:
                yield deadline
            except _ERRORS as error:
                if deadline.over:
                    raise overtime(deadline.seconds, self.timeout) from error
                raise UnreadableSource(ref, _reason(error)) from error

    def _open(self, descriptor: int, ref: str, **options: Any) -> tuple[str, pyvips.Image]:
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
        if not self.auto_orient and _has(image, "orientation"):
            image = image.copy()
            image.remove("orientation")
        return format, image

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        if self.after_fork is not None and forked_after_pixels():
            return self.after_fork.trim_box(descriptor, ref, region, threshold)
        with self._pixels(ref) as deadline:
            _, image = self._open(descriptor, ref)
            corner = deadline.watch(_comparable(_cut(image, region._replace(width=1, height=1))))(0, 0)
            _, image = self._open(descriptor, ref)  # anew: it is read once, from its top
            piece = deadline.watch(_comparable(_cut(image, region)))
            other = deadline.watch(((piece - corner).abs() > threshold).bandor())
            columns, rows = (bytes((sums > 0).write_to_memory()) for sums in other.project())
        left, top = columns.find(255), rows.find(255)
        if left < 0:
            return region  # all of one colour: nothing would be left
        found = Box(left, top, columns.rfind(255) + 1 - left, rows.rfind(255) + 1 - top)
        turn = _orientation(image)
        found = turn.back.undone(found, turn.size(Size(piece.width, piece.height)))
        return found._replace(left=region.left + found.left, top=region.top + found.top)

    @property
    def _steps(self) -> tuple[Step, ...]:
        """The order of work. Each step is (image, rendition, geometry) → image, of one still picture.

        The picture is turned once it is small, and gets its colours before any of the background's is added. Around the
        canvas it is as around a box of CSS: padding, then the border, and round corners outside of both.
        """
        return (
            *(_scale, vips_effects.turn, vips_effects.recolour, _flatten, _place, vips_effects.blur, _sharpen),
            *(self._watermark, vips_effects.pad, vips_effects.frame, vips_effects.round_corners),
        )

    def _watermark(self, image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
        wanted, source, box = rendition.options.watermark, rendition.watermark, geometry.mark
        if wanted is None or source is None or box is None:
            return image
        plain = Geometry(box.size, box.size)
        try:
            with source.open() as descriptor:
                mark = self._load(descriptor, source.ref, plain, 1)
                # In memory before the descriptor is closed.
                mark = _scale(mark, Rendition(source, Options(), PNG), plain).copy_memory()
        except _ERRORS as error:
            raise UnreadableSource(source.ref, f"as a watermark: {_reason(error)}") from error
        return vips_effects.with_mark(image, mark, box, wanted.opacity)

    def _look(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> tuple[int, int]:
        """Where on the canvas the left top corner of an animation's first frame lies, by a look at its pixels."""
        image = self._load(descriptor, rendition.source.ref, geometry, 1)
        for step in (_scale, vips_effects.turn, _place):
            image = step(image, rendition, geometry)
        return image.xoffset, image.yoffset

    def _load(self, descriptor: int, ref: str, geometry: Geometry, frames: int) -> pyvips.Image:
        """What is wanted of the source, decoded at a fraction of its size where its format can and *geometry* allows.

        More *frames* than one are whole, and stand one below the other.
        """
        if frames > 1:
            format, image = self._open(descriptor, ref, n=frames)
            if format == "gif" and self.fail_on != "none":
                check_gif(descriptor, ref, frames)
            return image
        scaled, cut = geometry.upright, geometry.cut
        format, image = self._open(descriptor, ref)
        upright = _upright_size(image)
        spare = min(upright.width / scaled.width, upright.height / scaled.height) / self.headroom
        if cut is not None:
            spare = min(cut.width / scaled.width, cut.height / scaled.height) / _HEADROOM_OF_CUT
        if format == "jpeg" and spare >= 2:
            shrink = 2 ** min(3, int(math.log2(spare)))
            _, shrunk = self._open(descriptor, ref, shrink=shrink)
            if cut is not None:
                return _cut(shrunk, cut, 1 / shrink, 1 / shrink)
            even = image.width % shrink == 0 and image.height % shrink == 0
            return shrunk if even else _unstretched(shrunk, image, shrink, scaled)
        if format == "webp" and spare > 1:
            _, image = self._open(descriptor, ref, scale=1 / spare)
        if format == "svg":  # drawn at the size that is wanted, also where that is beyond its own
            whole = upright if cut is None else cut
            scale = max(scaled.width / whole.width, scaled.height / whole.height)
            _, image = self._open(descriptor, ref, scale=scale)
        if cut is None:
            return image
        loaded = _upright_size(image)
        return _cut(image, cut, loaded.width / upright.width, loaded.height / upright.height)


class _Deadline:
    """Ends a render that takes longer than *limit* seconds: libvips stops at the next lines of an image that is killed.

    What runs inside of one call of a codec, as AVIF's, or of librsvg, goes on to its end. To kill the last image alone
    would not do: a single piece of it may need all of the source.
    """

    def __init__(self, limit: float) -> None:
        self.over = False
        self._begin = time.monotonic()
        self._images: list[pyvips.Image] = []
        self._timer = threading.Timer(limit, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._images = []  # the timer and this hold each other, and would hold all pixels until they are collected

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        self._images.append(image)
        if self.over:  # asked after the image was added: `_end` may have looked before
            image.set_kill(True)
        return image

    def watch_only(self, image: pyvips.Image) -> None:
        """Forget all others, whose pixels are made, and with them their memory."""
        self._images = [image]

    def _end(self) -> None:
        self.over = True
        for image in tuple(self._images):
            image.set_kill(True)


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


def _has(image: pyvips.Image, field: str) -> bool:
    """Asked for by name: a list of all fields has the file's own words in it, in any encoding."""
    return bool(image.get_typeof(field))


def _orientation(image: pyvips.Image) -> Turn:
    """What makes *image* upright."""
    return ORIENTATIONS.get(image.get("orientation") if _has(image, "orientation") else 1, Turn())


def _upright_size(image: pyvips.Image) -> Size:
    return _orientation(image).size(Size(image.width, image.height))


def _cut(image: pyvips.Image, box: Box, across: float = 1, down: float = 1) -> pyvips.Image:
    """The part *box* of the upright picture that *image* is as it is stored, decoded at a fraction of its sides."""
    loaded = _upright_size(image)
    left, top = min(round(box.left * across), loaded.width - 1), min(round(box.top * down), loaded.height - 1)
    right, bottom = round((box.left + box.width) * across), round((box.top + box.height) * down)
    width, height = max(1, min(right, loaded.width) - left), max(1, min(bottom, loaded.height) - top)
    return image.crop(*_orientation(image).undone(Box(left, top, width, height), Size(image.width, image.height)))


def _comparable(image: pyvips.Image) -> pyvips.Image:
    """8 bits a band, and what is clear of one colour."""
    if image.format == "ushort":
        image = image >> 8
    elif image.format != "uchar":
        image = image.colourspace("srgb")
    return (image[image.bands - 1] == 0).ifthenelse(0, image) if image.hasalpha() else image


def _unstretched(shrunk: pyvips.Image, original: pyvips.Image, shrink: int, scaled: Size) -> pyvips.Image:
    """*shrunk* at the size it is wanted at, where its decoder had to round the sides of *original*.

    Scaling it as if its sides were exact would stretch the picture, by up to half a pixel of the rendition. `reduce`
    takes the exact factor, but keeps only the centre of its canvas in place: there the picture's corner is laid.
    """
    width, height = _orientation(original).size(scaled)
    across, down = original.width / shrink / width, original.height / shrink / height
    if max(across, down) > _MOST_REDUCED:
        return shrunk
    left, top = round(across * width), round(down * height)
    if (round(2 * left / across), round(2 * top / down)) != (2 * width, 2 * height):
        return shrunk  # a rendition of a few pixels, whose corner would not be one of the canvas' whole pixels
    return (
        shrunk.embed(left, top, 2 * left, 2 * top, extend="copy")
        .reduce(across, down)
        .crop(width, height, width, height)
    )


def _apart(image: pyvips.Image, frames: int, cut: Box | None) -> list[pyvips.Image]:
    """The *frames* of what `_load` gave, each as if it were a picture of its own, and what is wanted of it."""
    if frames == 1:
        return [image]
    image = image.copy()
    image.remove("page-height")
    height = image.height // frames
    whole = [image.crop(0, number * height, image.width, height) for number in range(frames)]
    return whole if cut is None else [_cut(frame, cut) for frame in whole]


def _together(frames: list[pyvips.Image]) -> pyvips.Image:
    """*frames* as encoders take them: one below the other. Their delays and their loop came with the first."""
    if len(frames) == 1:
        return frames[0]
    image = pyvips.Image.arrayjoin(frames, across=1).copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    return image


Step = Callable[[pyvips.Image, Rendition, Geometry], pyvips.Image]


def _scale(image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
    """Upright, in 8-bit sRGB or grey, and of the size wanted."""
    image = _without_cmyk(image)
    own, target = _upright_size(image), geometry.upright
    reduced = Size(min(own.width, target.width), min(own.height, target.height))
    profile = image.get("icc-profile-data") if _has(image, "icc-profile-data") else None
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
    if image.interpretation != "cmyk" or _has(image, "icc-profile-data"):
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
    if rendition.options.mode is Mode.PAD:
        return vips_effects.on_canvas(image, geometry.offset, geometry.canvas, rendition.options.background, rendition)
    if geometry.canvas == geometry.scaled:
        return image
    if _is_smart(rendition, geometry) and geometry.at is None:
        return image.copy_memory().smartcrop(*geometry.canvas, interesting=rendition.options.gravity)
    left, top = geometry.offset
    return image.crop(-left, -top, *geometry.canvas)


def _is_smart(rendition: Rendition, geometry: Geometry) -> bool:
    """Whether what is cropped depends on the pixels."""
    options = rendition.options.settled()
    return options.gravity.smart and geometry.canvas != geometry.scaled


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


def _exif(source: pyvips.Image, descriptor: int, rendition: Rendition) -> bytes | None:
    """The block of EXIF that the rendition is to have, if any."""
    if not (rendition.options.keep.copyright and rendition.format.metadata):
        return None
    if source.get("vips-loader").startswith("tiff"):
        with io.FileIO(descriptor, closefd=False) as file:
            return rights_of_tiff(file)
    return rights(source.get("exif-data")) if _has(source, "exif-data") else None


def _encode(
    image: pyvips.Image, rendition: Rendition, exif: bytes | None, settings: Mapping[str, Mapping[str, Any]]
) -> bytes:
    format, options = rendition.format, rendition.options
    parameters = dict(settings[format.name])
    if format.lossy:
        parameters["Q"] = options.quality
    if image.get_page_height() < image.height:
        parameters |= _SAVE_FRAMES.get(format.name, {})
    if options.progressive:
        parameters |= _PROGRESSIVE.get(format.name, {})
    if options.lossless:
        parameters |= _LOSSLESS.get(format.name, {})
    keep = _KEEP_PROFILE if options.keep.icc else 0  # `_scale` has removed what is not to be kept
    if exif is not None:
        keep |= _KEEP_EXIF
        image = image.copy()
        for field in image.get_fields():
            if field.startswith("exif-"):  # each tag stands beside the block too, and would be written from there
                image.remove(field)
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    # Into memory, not into the file: a full disk would leave libvips' target empty, and in place.
    data: bytes = image.write_to_buffer("." + format.name, keep=keep, **parameters)
    return data


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        # Left there, it would be in all later errors too.
        pyvips.vips_lib.vips_error_clear()
        text = error.object.decode("utf-8", "replace")
    return " ".join(text.split())[:300]
