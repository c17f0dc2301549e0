"""Render pictures with Pillow.

Pillow is used for PIL transforms, for formats that libvips does not support, and for everything if libvips cannot be
used. `Reader` opens a source, each of `STEPS` transforms it, and `encode` writes the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from PIL import Image

from ...errors import InvalidOption
from ...formats import DEFAULT_INPUTS, JXL, PNG, Format
from ...geometry import Box, Geometry, Size
from ...options.options import Options
from ...rendition import Rendition
from .. import heic, jxl
from ..encoder_settings import formats_of, is_deep
from ..engine import Header, Paletted, Spec, Tiny, faceless, overtime
from ..frame_count import check_frames
from ..gif_frames import is_clear_gif
from ..lettering import draw_text
from .effects import turned
from .gif import on_screen
from .reader import Reader
from .steps import STEPS, expanded, kept_profile, scale
from .trim import trim_box
from .writer import encode, metadata_of, movement_of

T = TypeVar("T")

_FORMATS = {"MPO": "jpeg"}  # Pillow's name for a JPEG file that contains further pictures


class PillowEngine:
    """Renders with Pillow. Truncated files are refused.

    *auto_orient* applies the EXIF orientation. *inputs* are the formats that sources may have. *timeout* is in seconds.
    It is checked between frames and whenever the source is read, so it does not interrupt encoders or the decoders of
    WebP, AVIF and TIFF. *effort* is ``fast``, ``balanced`` or ``small``. *maps_files* allows libtiff to map sources
    into memory: the process then dies if a source is overwritten in place. If *fail_on* is ``warning``, JPEGs that lack
    pixels are refused although they have an end; all other values are ignored.
    """

    name = "pillow"
    complaint = ""  # Pillow fails where it has one

    def __init__(
        self,
        *,
        auto_orient: bool = True,
        inputs: Sequence[str] = DEFAULT_INPUTS,
        timeout: float = 10.0,
        effort: str = "balanced",
        maps_files: bool = False,
        fail_on: str = "truncated",
    ) -> None:
        self.timeout = timeout
        self._reader = Reader(inputs, auto_orient, timeout, maps_files, strict=fail_on == "warning")
        self.effort = effort

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if format.name not in (known := formats_of("pillow")):
            return InvalidOption("format", format.name, expected=f"one of {', '.join(known)} (Pillow)")
        if format is JXL and not jxl.works():
            return InvalidOption("format", format.name, expected=f"another format, or pillow-jxl-plugin: {jxl.INSTALL}")
        if is_deep(options, format):
            return InvalidOption("depth", str(options.depth), expected="8 (Pillow writes no AVIF with more bits)")
        gravity = options.settled().gravity
        if gravity.by_libvips:
            return InvalidOption("gravity", str(gravity), expected="a fixed gravity (Pillow has no smart gravity)")
        return faceless(gravity)

    def header(self, descriptor: int, ref: str) -> Header:
        if heic.takes(descriptor, self._reader.inputs):
            return heic.header(descriptor, ref)
        check_frames(descriptor)
        with self._reader.open(descriptor, ref, only_header=True) as (image, upright):
            format = _FORMATS.get(image.format or "", str(image.format).lower())
            return Header(
                upright.size(Size(*image.size)),
                format,
                frames=getattr(image, "n_frames", 1) if format in ("gif", "webp") else 1,
                alpha=image.has_transparency_data
                or (image.format == "GIF" and is_clear_gif(descriptor, Size(*image.size))),
                whole=format != "jpeg",
                palette=_has_palette(image),
            )

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        with self._reader.open(descriptor, ref) as (image, upright):
            return trim_box(turned(expanded(next(on_screen(image, descriptor, 1))), upright), region, threshold)

    def render(
        self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1, tiny: Tiny | None = None
    ) -> bytes:
        options, format = rendition.options, rendition.format
        with self._reader.open(descriptor, rendition.source.ref) as (image, upright):
            profile = kept_profile(image, options, format)
            paletted = None
            if _has_palette(image):
                paletted = Paletted(upright.size(Size(*image.size)), rendition.source.size_bytes)
            mark, text = self._mark(rendition, geometry), draw_text(rendition, geometry.canvas)
            spec = Spec(options, format, geometry, mark, upright, profile, paletted, tiny, text)
            metadata = metadata_of(image, descriptor, spec)
            timely = partial(_timely, self.timeout, time.monotonic())
            pictures, durations = [], []
            for frame in timely(on_screen(image, descriptor, frames)):
                picture = frame
                for step in STEPS:
                    picture = step(picture, spec)
                pictures.append(picture)
                durations.append(image.info.get("duration", 0))  # for WebP, it is known only after the frame is decoded
            if frames > 1:
                metadata |= movement_of(image, pictures, durations, format)
            return encode(pictures, spec, self.effort, metadata, timely)

    def _mark(self, rendition: Rendition, geometry: Geometry) -> Image.Image | None:
        """Return the watermark, scaled to the size at which it is drawn, or None if there is none."""
        source, box = rendition.watermark, geometry.mark
        if source is None or box is None:
            return None
        with source.open() as descriptor, self._reader.open(descriptor, source.ref) as (image, upright):
            spec = Spec(Options(), PNG, Geometry(box.size, box.size), upright=upright)
            return scale(next(on_screen(image, descriptor, 1)), spec)


def _has_palette(image: Image.Image) -> bool:
    return image.format == "PNG" and image.mode == "P"


def _timely(limit: float, begin: float, items: Iterable[T]) -> Iterator[T]:
    """Yield *items* until *limit* seconds have passed since *begin*.

    Raises:
        LimitExceeded: If items remain after that time.
    """
    for item in items:
        if (seconds := time.monotonic() - begin) > limit:
            raise overtime(seconds, limit)
        yield item
