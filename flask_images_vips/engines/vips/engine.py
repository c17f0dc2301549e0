"""Pixels by libvips: in a stream, on one thread.

Unlike bare ``thumbnail``, the load is a step of its own: what `vips_reader` reads goes through the steps of
`vips_steps` and `vips_effects` to `vips_writer`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyvips

from ...errors import InvalidOption, UnreadableSource
from ...formats import INPUTS, PNG, Format
from ...geometry import Box, Geometry, Size
from ...options.options import Options
from ...rendition import Rendition
from ..encoders import settings_of
from ..engine import Header, overtime
from ..outlines import check_frames
from . import effects as vips_effects
from .deadline import Deadline
from .forks import note_pixels
from .reader import ERRORS, Reader, apart, cut_out, has, orientation, reason, upright_size
from .steps import Step, flatten, is_smart, place, scale, sharpen
from .writer import BALANCED, encode, exif_of, together

# How a copy is written. Uncompressed, it is read three times as fast; as a JPEG, it takes a tenth of the disk.
_COPIES: dict[str, dict[str, Any]] = {"tiff": {"compression": "none"}, "jpeg": {"Q": 92, "subsample_mode": "off"}}

# Pixels a side that a member of a set leaves for each one of another that is made from it: as much as a copy does.
_SPARE_OF_MEMBER = 1.24
# A picture for several members is kept as it was decoded up to this many pixels: scaling it first would cost more.
_MOST_OF_SET = 8_000_000


class VipsEngine:
    """Renders by libvips, in this process.

    *inputs* are the formats of sources, with ``svg`` where that may be one. *fail_on* is libvips' own word for what
    ends a render: ``none``, ``truncated``, ``error`` or ``warning``. *timeout* is in seconds, see `Deadline`. A
    decoder's own shrinking leaves at least *headroom* pixels a side for each one that is wanted; the rest is LANCZOS.
    *effort* is ``fast``, ``balanced`` or ``small``.
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
        self.settings = settings_of("vips", effort, BALANCED)
        # pyvips hands libvips' warnings to Python's logging while they are made. Where Python collects garbage there,
        # and an image in it warns as it goes, glib ends the process: a warning within a warning is fatal.
        pyvips._remove_log_handler()
        # Workers are the parallelism, and a cache of operations would serve a replaced source's old pixels.
        pyvips.cache_set_max(0)
        pyvips.vips_lib.vips_concurrency_set(1)

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if options.transform is not None:
            return InvalidOption("transform", str(options.transform), expected="no transform (libvips has none)")
        if format.name not in BALANCED:
            return InvalidOption("format", format.name, expected=f"one of {', '.join(BALANCED)} (libvips)")
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

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        return self._render(self._reader, descriptor, rendition, geometry, frames)

    def _render(self, reader: Reader, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int) -> bytes:
        with self._pixels(rendition.source.ref) as deadline:
            if frames > 1 and is_smart(rendition, geometry):  # the same part of all frames
                geometry = geometry._replace(at=self._look(descriptor, rendition, geometry))
            source = deadline.watch(reader.load(descriptor, rendition.source.ref, geometry, frames))
            made = []
            for image in apart(source, frames, geometry.cut):
                for step in self._steps:
                    image = deadline.watch(step(image, rendition, geometry))  # noqa: PLW2901
                if frames > 1:  # one after the other: together, their buffers would take ten times their pixels
                    image = image.copy_memory()  # noqa: PLW2901
                    deadline.watch_only(source)
                made.append(image)
            exif = exif_of(source, descriptor, rendition)
            return encode(deadline.watch(together(made)), rendition, exif, self.settings)

    def render_set(self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]]) -> list[bytes]:
        # The largest is made as if alone, and the others from it, but for those that are hardly smaller.
        (rendition, largest), *others = members
        near = [geometry for _, geometry in others if not _leaves(largest.upright, geometry.upright)]
        with self._pixels(rendition.source.ref) as deadline:
            if near:
                whole = self._whole(descriptor, rendition, largest.upright, deadline)
            else:
                whole = deadline.watch(self._reader.load(descriptor, rendition.source.ref, largest, 1))
            scaled = deadline.watch(scale(whole, rendition, largest)).copy_memory()
            made = [self._finished(scaled, rendition, largest, deadline)]
            for rendition, geometry in others:
                deadline.watch_only(scaled)
                picture = whole if geometry in near else scaled
                image = deadline.watch(scale(picture, rendition, geometry))
                made.append(self._finished(image, rendition, geometry, deadline))
            return made

    def _finished(self, image: pyvips.Image, rendition: Rendition, geometry: Geometry, deadline: Deadline) -> bytes:
        """What becomes of a picture once it is scaled."""
        for step in self._steps[1:]:
            image = deadline.watch(step(image, rendition, geometry))
        return encode(image, rendition, None, self.settings)

    def _whole(self, descriptor: int, rendition: Rendition, largest: Size, deadline: Deadline) -> pyvips.Image:
        """A picture, upright and in memory, for several members as large as *largest* or nearly so."""
        least = Size(*(math.ceil(_SPARE_OF_MEMBER * side) for side in largest))
        # Not decoded at a smaller fraction than the largest would be by itself, nor at a larger one.
        reader = replace(self._reader, headroom=self._reader.headroom / _SPARE_OF_MEMBER)
        image = deadline.watch(reader.load(descriptor, rendition.source.ref, Geometry(least, least), 1))
        size = upright_size(image)
        if size.pixels > _MOST_OF_SET:
            size = least
        return deadline.watch(scale(image, rendition, Geometry(size, size))).copy_memory()

    def reduced(self, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str) -> list[bytes]:
        with self._pixels(rendition.source.ref) as deadline:
            image = deadline.watch(self._reader.load(descriptor, rendition.source.ref, Geometry(sizes[0], sizes[0]), 1))
            copies = []
            for size in sizes:
                image = deadline.watch(scale(image, rendition, Geometry(size, size)))
                if size != sizes[-1]:
                    image = image.copy_memory()  # the next, smaller one is made of it too
                kept = "tiff" if image.hasalpha() else format
                copies.append(image.write_to_buffer("." + kept, keep="none", **_COPIES[kept]))
            return copies

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        # Whatever the application takes for sources: a copy is our own file, upright, and whole or of no use.
        reader = replace(self._reader, inputs=(*_COPIES,), fail_on="error")
        return self._render(reader, descriptor, rendition, geometry, 1)

    @contextmanager
    def _pixels(self, ref: str) -> Iterator[Deadline]:
        """Within the block libvips may make pixels, for as long as a render may take."""
        note_pixels()
        with Deadline(self.timeout) as deadline:
            try:
                yield deadline
            except ERRORS as error:
                if deadline.over:
                    raise overtime(deadline.seconds, self.timeout) from error
                raise UnreadableSource(ref, reason(error)) from error

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        with self._pixels(ref) as deadline:
            _, image = self._reader.open(descriptor, ref)
            corner = deadline.watch(_comparable(cut_out(image, region._replace(width=1, height=1))))(0, 0)
            _, image = self._reader.open(descriptor, ref)  # anew: it is read once, from its top
            piece = deadline.watch(_comparable(cut_out(image, region)))
            other = deadline.watch(((piece - corner).abs() > threshold).bandor())
            columns, rows = (bytes((sums > 0).write_to_memory()) for sums in other.project())
        left, top = columns.find(255), rows.find(255)
        if left < 0:
            return region  # all of one colour: nothing would be left
        found = Box(left, top, columns.rfind(255) + 1 - left, rows.rfind(255) + 1 - top)
        turn = orientation(image)
        found = turn.back.undone(found, turn.size(Size(piece.width, piece.height)))
        return found._replace(left=region.left + found.left, top=region.top + found.top)

    @property
    def _steps(self) -> tuple[Step, ...]:
        """The order of work. Each step is (image, rendition, geometry) → image, of one still picture.

        The picture is turned once it is small, and gets its colours before any of the background's is added. Around the
        canvas it is as around a box of CSS: padding, then the border, and round corners outside of both.
        """
        return (
            *(scale, vips_effects.turn, vips_effects.recolour, flatten, place, vips_effects.blur, sharpen),
            *(self._watermark, vips_effects.pad, vips_effects.frame, vips_effects.round_corners),
        )

    def _watermark(self, image: pyvips.Image, rendition: Rendition, geometry: Geometry) -> pyvips.Image:
        wanted, source, box = rendition.options.watermark, rendition.watermark, geometry.mark
        if wanted is None or source is None or box is None:
            return image
        plain = Geometry(box.size, box.size)
        try:
            with source.open() as descriptor:
                mark = self._reader.load(descriptor, source.ref, plain, 1)
                # In memory before the descriptor is closed.
                mark = scale(mark, Rendition(source, Options(), PNG), plain).copy_memory()
        except ERRORS as error:
            raise UnreadableSource(source.ref, f"as a watermark: {reason(error)}") from error
        return vips_effects.with_mark(image, mark, box, wanted.opacity)

    def _look(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> tuple[int, int]:
        """Where on the canvas the left top corner of an animation's first frame lies, by a look at its pixels."""
        image = self._reader.load(descriptor, rendition.source.ref, geometry, 1)
        for step in (scale, vips_effects.turn, place):
            image = step(image, rendition, geometry)
        return image.xoffset, image.yoffset


def _leaves(made: Size, wanted: Size) -> bool:
    """Whether a member of a set that is scaled to *wanted* may be made from one of the size *made*."""
    return min(made.width / wanted.width, made.height / wanted.height) >= _SPARE_OF_MEMBER


def _comparable(image: pyvips.Image) -> pyvips.Image:
    """8 bits a band, and what is clear of one colour."""
    if image.format == "ushort":
        image = image >> 8
    elif image.format != "uchar":
        image = image.colourspace("srgb")
    return (image[image.bands - 1] == 0).ifthenelse(0, image) if image.hasalpha() else image
