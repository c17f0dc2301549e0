"""Render pictures with libvips, as a stream, on one thread.

A source is loaded by `reader`, goes through `STEPS`, and is encoded by `writer`. libvips' own ``thumbnail`` does all
of that in one call; here loading is a step of its own, which controls what is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyvips

from ...errors import InvalidOption, UnreadableSource
from ...formats import INPUTS, PNG, Format
from ...geometry import Box, Geometry, Size
from ...options.options import Options
from ...rendition import Rendition
from ..encoders import settings_of
from ..engine import Header, Spec, overtime
from ..outlines import check_frames
from . import once
from .deadline import Deadline
from .effects import turn
from .forks import note_pixels
from .reader import ERRORS, Reader, apart, has, reason, upright_size
from .steps import STEPS, is_smart, place, scale
from .trim import trim_box
from .writer import encode, exif_of, together


class VipsEngine:
    """Renders with libvips, in this process.

    *inputs* are the formats that sources may have, including ``svg`` if drawings are allowed. *fail_on* is libvips'
    setting for broken files: ``none``, ``truncated``, ``error`` or ``warning``. *timeout* is in seconds. Shrinking
    while decoding keeps at least *headroom* source pixels per output pixel and side; LANCZOS does the rest. *effort* is
    ``fast``, ``balanced`` or ``small``.
    """

    name = "vips"

    def __init__(
        self,
        *,
        auto_orient: bool = True,
        inputs: Sequence[str] = INPUTS,
        fail_on: str = "truncated",
        timeout: float = 10.0,
        headroom: float = 1.8,
        effort: str = "balanced",
    ) -> None:
        self.timeout = timeout
        self._reader = Reader(inputs, fail_on, auto_orient, headroom)
        self.settings = settings_of("vips", effort)
        # pyvips passes libvips' warnings to Python's logging as they occur. If Python's garbage collector runs there
        # and frees an image that warns in turn, glib aborts the process: a warning within a warning is fatal.
        pyvips._remove_log_handler()
        # Web workers provide the parallelism. A cache of operations would return old pixels of a replaced source.
        pyvips.cache_set_max(0)
        pyvips.vips_lib.vips_concurrency_set(1)

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if options.transform is not None:
            return InvalidOption("transform", str(options.transform), expected="no transform (libvips has none)")
        if format.name not in self.settings:
            return InvalidOption("format", format.name, expected=f"one of {', '.join(self.settings)} (libvips)")
        return None

    def header(self, descriptor: int, ref: str) -> Header:
        check_frames(descriptor)
        try:
            format, image = self._reader.open(descriptor, ref)
            return Header(
                upright_size(image),
                format,
                frames=image.get("n-pages") if format in ("gif", "webp") and has(image, "n-pages") else 1,
                alpha=bool(image.hasalpha()),
                whole=format in ("avif", "gif") or (format == "png" and has(image, "interlaced")),
            )
        except ERRORS as error:
            raise UnreadableSource(ref, reason(error)) from error

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        with self._pixels(ref) as deadline:
            return trim_box(self._reader, descriptor, ref, region, threshold, deadline)

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        return self._render(self._reader, descriptor, rendition, geometry, frames)

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        return self._render(once.reader_of_copies(self._reader), descriptor, rendition, geometry, 1)

    def render_set(self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]]) -> list[bytes]:
        with self._pixels(members[0][0].source.ref) as deadline:
            return once.render_set(self._reader, descriptor, members, self.settings, deadline)

    def reduced(self, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str) -> list[bytes]:
        with self._pixels(rendition.source.ref) as deadline:
            return once.reduced(self._reader, descriptor, rendition, sizes, format, deadline)

    def _render(self, reader: Reader, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int) -> bytes:
        ref = rendition.source.ref
        with self._pixels(ref) as deadline:
            spec = Spec(rendition.options, rendition.format, geometry)
            if frames > 1 and is_smart(spec):  # all frames keep the same part
                spec = replace(spec, geometry=geometry._replace(at=self._look(descriptor, ref, spec)))
            source = deadline.watch(reader.load(descriptor, ref, geometry, frames))
            spec = replace(spec, mark=self._mark(rendition, geometry))
            made = []
            for frame in apart(source, frames, geometry.cut):
                image = frame
                for step in STEPS:
                    image = deadline.watch(step(image, spec))
                if frames > 1:  # computed one by one: the buffers of all frames at once would take ten times as much
                    image = image.copy_memory()
                    deadline.watch_only(source)
                made.append(image)
            return encode(deadline.watch(together(made)), spec, self.settings, exif_of(source, descriptor, spec))

    def _mark(self, rendition: Rendition, geometry: Geometry) -> pyvips.Image | None:
        """The watermark, scaled to the size at which it is drawn."""
        source, box = rendition.watermark, geometry.mark
        if source is None or box is None:
            return None
        plain = Spec(Options(), PNG, Geometry(box.size, box.size))
        try:
            with source.open() as descriptor:
                mark = self._reader.load(descriptor, source.ref, plain.geometry, 1)
                return scale(mark, plain).copy_memory()  # decoded before the descriptor is closed
        except ERRORS as error:
            raise UnreadableSource(source.ref, f"as a watermark: {reason(error)}") from error

    def _look(self, descriptor: int, ref: str, spec: Spec) -> tuple[int, int]:
        """Where a smart crop puts the top left corner of an animation's first frame on the canvas, in pixels."""
        image = self._reader.load(descriptor, ref, spec.geometry, 1)
        for step in (scale, turn, place):
            image = step(image, spec)
        return image.xoffset, image.yoffset

    @contextmanager
    def _pixels(self, ref: str) -> Iterator[Deadline]:
        """A block in which libvips may compute pixels, for as long as a render may take."""
        note_pixels()
        with Deadline(self.timeout) as deadline:
            try:
                yield deadline
            except ERRORS as error:
                if deadline.over:
                    raise overtime(deadline.seconds, self.timeout) from error
                raise UnreadableSource(ref, reason(error)) from error
