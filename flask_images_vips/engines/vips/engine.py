"""Render pictures with libvips, as a stream and on one thread.

`Reader` loads a source, each of `STEPS` transforms it, and `encode` writes the result. libvips' own ``thumbnail`` would
load and scale in one call. Here they are separate, to control how much of the source is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ...errors import InvalidOption, UnreadableSource, UnsupportedHere
from ...formats import EXTRA_OUTPUTS, INPUTS, PNG, Format
from ...geometry import Box, Geometry, Size
from ...headers import png
from ...options.options import Options
from ...rendition import Rendition
from .. import heic
from ..encoder_settings import formats_of, is_deep
from ..engine import Header, Paletted, Spec, Tiny, faceless, overtime
from ..frame_count import check_frames
from ..gif_frames import is_clear_gif
from ..lettering import draw_text
from . import abilities
from . import shared_decode as once
from .deadline import Deadline
from .effects import turn
from .fork_safety import note_pixels
from .input import reading
from .load import pyvips
from .messages import silence, take_complaint
from .reader import ERRORS, Reader, apart, has, has_detail, has_palette, reason, upright_size
from .steps import STEPS, is_smart, place, scale
from .strict_jpeg import check_jpeg
from .trim import trim_box
from .writer import encode, exif_of, together

FAILURES = (*ERRORS, abilities.Lacking, AttributeError, TypeError)
"""The exceptions of pyvips, including those that it raises if libvips, or its own binary module, is too old."""


class VipsEngine:
    """Renders with libvips.

    *auto_orient* applies the EXIF orientation. *inputs* are the formats that sources may have, including ``svg`` if SVG
    is allowed. *fail_on* is libvips' setting for broken files: ``none``, ``truncated``, ``error`` or ``warning``.
    *timeout* is in seconds. Decoders that can shrink a picture leave it at least *headroom* times as large as the
    output, per side; a Lanczos filter does the rest. *effort* is ``fast``, ``balanced`` or ``small``. *maps_files*
    allows libvips to map sources into memory: the process then dies if a source is overwritten in place. *listed* are
    the formats that refusals name, if another engine loads more than *inputs*.
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
        maps_files: bool = False,
        listed: Sequence[str] = (),
    ) -> None:
        self.timeout = timeout
        self._reader = Reader(inputs, fail_on, auto_orient, headroom, maps_files, listed)
        self.effort = effort
        self.complaint = ""
        abilities.set_up()
        silence()

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        if options.transform is not None:
            return InvalidOption(
                "transform", str(options.transform), expected="no transform (libvips does not support it)"
            )
        if format.name not in (known := formats_of("vips")):
            return InvalidOption("format", format.name, expected=f"one of {', '.join(known)} (libvips)")
        if abilities.is_unwritable(format.name):
            if format.name not in EXTRA_OUTPUTS:
                abilities.report(f"an encoder for {format.name}")
            return InvalidOption("format", format.name, expected="a format that this libvips can write")
        return faceless(options.settled().gravity)

    def header(self, descriptor: int, ref: str) -> Header:
        if heic.takes(descriptor, self._reader.inputs):
            return heic.header(descriptor, ref)
        check_frames(descriptor)
        with _failing(ref, descriptor):
            format, image = self._reader.open(descriptor, ref, only_header=True)
            return Header(
                upright_size(image),
                format,
                frames=image.get("n-pages") if format in ("gif", "webp") and has(image, "n-pages") else 1,
                alpha=bool(image.hasalpha()) or (format == "gif" and is_clear_gif(descriptor, upright_size(image))),
                whole=format in ("avif", "gif") or (format == "png" and has(image, "interlaced")),
                palette=has_palette(image),
            )

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        with self._pixels(ref, descriptor) as deadline:
            return trim_box(self._reader, descriptor, ref, region, threshold, deadline)

    def render(
        self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1, tiny: Tiny | None = None
    ) -> bytes:
        return self._render(self._reader, descriptor, rendition, geometry, frames, tiny)

    def placed(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> Geometry:
        spec, ref = Spec(rendition.options, rendition.format, geometry), rendition.source.ref
        if not is_smart(spec) or geometry.at is not None:
            return geometry
        with self._pixels(ref, descriptor):
            return geometry._replace(at=self._smart_position(descriptor, ref, spec))

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry, tiny: Tiny | None = None) -> bytes:
        return self._render(once.reader_of_copies(self._reader), descriptor, rendition, geometry, 1, tiny)

    def render_set(
        self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]], tiny: Tiny | None = None
    ) -> list[bytes]:
        with self._pixels(members[0][0].source.ref, descriptor) as deadline:
            return once.render_set(self._reader, descriptor, members, self.effort, deadline, tiny)

    @contextmanager
    def reduced(
        self,
        descriptor: int,
        rendition: Rendition,
        geometry: Geometry,
        sizes: Sequence[Size],
        format: str,
        tiny: Tiny | None = None,
    ) -> Iterator[tuple[list[bytes], Callable[[Rendition], bytes]]]:
        with self._pixels(rendition.source.ref, descriptor) as deadline:
            copies, pictures = once.reduced(self._reader, descriptor, rendition, sizes, format, deadline)

            def render(each: Rendition) -> bytes:
                spec = Spec(each.options, each.format, geometry, tiny=tiny)
                return once.render_reduced(pictures, spec, self.effort, deadline)

            yield copies, render

    def _render(
        self,
        reader: Reader,
        descriptor: int,
        rendition: Rendition,
        geometry: Geometry,
        frames: int,
        tiny: Tiny | None,
    ) -> bytes:
        ref = rendition.source.ref
        with self._pixels(ref, descriptor, reader) as deadline:
            spec = Spec(rendition.options, rendition.format, geometry, tiny=tiny)
            if frames > 1 and is_smart(spec):  # crop all frames to the same part
                spec = replace(spec, geometry=geometry._replace(at=self._smart_position(descriptor, ref, spec)))
            deep = is_deep(rendition.options, rendition.format)
            source = deadline.watch(reader.load(descriptor, ref, geometry, frames, deep=deep))
            paletted = Paletted(upright_size(source), rendition.source.size_bytes) if has_palette(source) else None
            mark, text = self._mark(rendition, geometry, deadline), draw_text(rendition, geometry.canvas)
            spec = replace(spec, mark=mark, paletted=paletted, text=text)
            made = []
            for frame in apart(source, frames, geometry.cut):
                image = frame
                for step in STEPS:
                    image = deadline.watch(step(image, spec))
                if frames > 1:  # compute the frames one by one: all at once would take ten times as much memory
                    image = image.copy_memory()
                    deadline.watch_only(source)
                made.append(image)
            image, exif = deadline.watch(together(made)), exif_of(source, descriptor, spec)
            return encode(image, spec, self.effort, deadline.watch, exif)

    def _mark(self, rendition: Rendition, geometry: Geometry, deadline: Deadline) -> pyvips.Image | None:
        """Return the watermark, scaled to the size at which it is drawn, or None if there is none."""
        source, box = rendition.watermark, geometry.mark
        if source is None or box is None:
            return None
        plain = Spec(Options(), PNG, Geometry(box.size, box.size))
        with source.open() as descriptor, _failing(source.ref, descriptor, "as a watermark: "):
            check_jpeg(self._reader, descriptor, source.ref, deadline, "as a watermark: ")
            mark = self._reader.load(descriptor, source.ref, plain.geometry, 1)
            return scale(mark, plain).copy_memory()  # decode it before the descriptor is closed

    def _smart_position(self, descriptor: int, ref: str, spec: Spec) -> tuple[int, int]:
        """Return where a smart crop puts the top left corner of the first frame on the canvas, in pixels."""
        image = self._reader.load(descriptor, ref, spec.geometry, 1)
        for step in (scale, turn, place):
            image = step(image, spec)
        return image.xoffset, image.yoffset

    @contextmanager
    def _pixels(self, ref: str, descriptor: int, reader: Reader | None = None) -> Iterator[Deadline]:
        """Let the block compute pixels for at most the timeout, and convert the errors of libvips.

        *reader* is the one that the block uses, by default that of sources.

        Raises:
            UnsupportedHere: If this libvips lacks something.
            UnreadableSource: If it fails otherwise.
            LimitExceeded: If it takes longer than the timeout.
            Busy: If no thread can be started to enforce the timeout.
            OSError: If the file cannot be read at the moment.
        """
        note_pixels()
        take_complaint()  # about another file
        with Deadline(self.timeout) as deadline, _failing(ref, descriptor):
            try:
                check_jpeg(reader or self._reader, descriptor, ref, deadline)
                yield deadline
                self.complaint = take_complaint()
            except FAILURES as error:
                if deadline.over:
                    raise overtime(deadline.seconds, self.timeout) from error
                raise


@contextmanager
def _failing(ref: str, descriptor: int, use: str = "") -> Iterator[None]:
    """Convert the errors of libvips while the block reads or renders the file *ref*, open at *descriptor*.

    *use* says what the file is used for, if it is not the source.

    Raises:
        UnsupportedHere, UnreadableSource, OSError: See `VipsEngine._pixels`.
    """
    with reading(descriptor):
        try:
            yield
        except FAILURES as error:
            raise _failure(ref, error, descriptor, use) from error


def _failure(ref: str, error: Exception, descriptor: int, use: str = "") -> Exception:
    """Return the error of this package for *error*, which libvips or pyvips raised while reading or rendering *ref*."""
    lack = abilities.lack(error)
    if lack is not None:
        abilities.report(lack)
        return UnsupportedHere(ref, f"{use}libvips lacks something ({lack})")
    if not isinstance(error, ERRORS):
        return error
    why = reason(error)
    kind = UnsupportedHere if abilities.is_beyond(why) else UnreadableSource
    fault = png.fault(descriptor) or ("" if has_detail(error) else "libvips gives no reason")
    return kind(ref, f"{use}libvips cannot decode it: {why}" + (f" ({fault})" if fault else ""))
