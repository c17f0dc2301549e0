"""Run one job: turn open files and a request into the bytes of files.

A job does not use a cache, a queue or Flask. It runs in a renderer, or in the thread that asks for it. Nothing else
calls the engines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from ..config.keys import Config
from ..engines.abilities import abilities_of
from ..engines.choice import Engines
from ..engines.encoder_settings import effort_for
from ..engines.engine import DecodesOnce, Engine, Header, Places, Tiny
from ..errors import UnreadableSource, UnsupportedSource
from ..formats import JPEG, JXL, PNG, SVG
from ..geometry import Box, Geometry, lay_out, region
from ..headers.kinds import SVG as KIND_OF_SVG
from ..headers.kinds import UNKNOWN, kind_of
from ..headers.read import check_parts
from ..options.text import TextStyle
from ..rendition import Rendition
from ..sources.fonts import Lettering
from ..sources.source import Source
from ..system_errors import passing_errors_are_busy
from . import oxipng, placeholders
from .faces import focus_of, focused
from .gain_map import GainMaps, Join
from .limits import Limits
from .quality import Deadline, byte_limit, shows_pixels, shows_source, within
from .request import SOURCE, WATERMARK, Request, Work
from .result import Result
from .same_pixels import same_pixels
from .search import good_enough
from .wrapped_jpeg import wrapped_jpeg

Search = Callable[[Rendition, Callable[[Rendition], bytes]], tuple[Rendition, Result]]
"""Finds the quality of a rendition by means of a function that encodes it."""


@dataclass(frozen=True, slots=True)
class OpenSource(Source):
    """A source that is already open. Its name is not known here."""

    descriptor: int = -1

    @contextmanager
    def open(self) -> Iterator[int]:
        yield self.descriptor


class Job:
    """One *request* with its *descriptors*. *config* has the request's settings.

    The *deadline* is checked between the steps of the work.
    """

    def __init__(
        self, request: Request, descriptors: Sequence[int], config: Config, engines: Engines, deadline: Deadline
    ) -> None:
        self.request = request
        self.config = config
        self.descriptor = descriptors[0] if descriptors else -1
        pictures = len(descriptors) - request.fonts
        self.mark = descriptors[1] if pictures > 1 else None
        self.fonts = descriptors[pictures:]
        self.limits = Limits(config)
        self.engines = engines
        self.deadline = deadline
        self._tiny: Tiny | None = None
        self._begin = time.monotonic()
        self._encodes: list[tuple[float, float]] = []

    def run(self) -> Result:
        """Run the job.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded, InvalidOption: See `Engine.render`.
            Busy: If a file cannot be read at the moment.
        """
        work = {
            Work.RENDER: self._render,
            Work.SET: self._render_set,
            Work.REDUCE: self._reduce,
            Work.COPY: self._render_copy,
            Work.AUTO: self._search,
            Work.TRIM: self._trim,
            Work.FOCUS: self._find_focus,
            Work.HEADER: self._read_header,
            Work.ABILITIES: self._find_abilities,
        }[self.request.work]
        with passing_errors_are_busy(SOURCE):
            result = work()._replace(encodes=tuple(self._encodes))
            if self._tiny is None:
                return result
            return result._replace(placeholders=placeholders.draw(self.request.placeholders, self._tiny))

    def _render(self) -> Result:
        (rendition,) = self._renditions()
        if rendition.format is SVG:
            return self._pass_drawing()
        return self.engines.first(
            partial(self._render_by, rendition), self.engines.able(rendition.options, rendition.format)
        )

    def _pass_drawing(self) -> Result:
        """Write the SVG anew, without an engine."""
        from ..headers.xml import MAX_BYTES  # noqa: PLC0415  (only sites that pass SVGs through need a parser of XML)
        from ..svg.drawing import passed_through  # noqa: PLC0415

        kind = kind_of(self.descriptor)
        if kind not in (KIND_OF_SVG, UNKNOWN):
            cure = "Rename it, or ask for a format, such as format='png'"
            raise UnreadableSource(SOURCE, f"the file is {kind}, but its name ends in .svg. {cure}")
        data = os.pread(self.descriptor, MAX_BYTES + 1, 0)
        begin = time.monotonic()
        written, size = passed_through(data, SOURCE, self.config.max_source_pixels, self.deadline.check)
        self._encodes.append((begin - self._begin, time.monotonic() - self._begin))
        return Result("this package", [written], size)

    def _search(self) -> Result:
        (rendition,) = self._renditions()
        engines = self.engines.able(rendition.options, rendition.format)
        return self.engines.first(lambda engine: self._render_by(rendition, engine, self._searching), engines)

    def _searching(self, rendition: Rendition, encode: Callable[[Rendition], bytes]) -> tuple[Rendition, Result]:
        """Return *rendition* at the quality to render it with, and what was found. *encode* returns a file of it."""
        chosen, found, reason = good_enough(rendition, self.request.target, Deadline(self.request.seconds), encode)
        if found is None:
            return chosen, Result(complaint=reason)
        return chosen, Result(quality=found.quality, score=round(found.score, 2))

    def _render_by(self, rendition: Rendition, engine: Engine, search: Search | None = None) -> Result:
        header = self._header_by(engine)
        trimmed = self.request.trimmed
        if rendition.options.trim and trimmed is None:
            self.limits.check_source(header)
            trimmed = self._trimmed(region(header.size, rendition.options), rendition.options.trim)
        focus = self.request.focus
        if rendition.options.seeks_faces:
            focus = self._focus_by(engine) if focus is None else focus
            rendition = replace(rendition, options=focused(rendition.options, focus, engine, rendition.format))
        mark = None
        if self.mark is not None:
            check_parts(self.mark, WATERMARK)
            mark = self.engines.first(lambda each: each.header(self.mark or 0, WATERMARK))
        geometry = self.limits.plan(rendition, header, trimmed=trimmed, mark=mark)
        frames = self.limits.frames(header, rendition.options, rendition.format, geometry)
        tiny = self._wanted_tiny(header) if frames == 1 else None
        geometry, join, unkept = self._with_gain_map(rendition, engine, header, geometry)

        with_rights = self._rights_writer(rendition)

        def encode(each: Rendition) -> bytes:
            with self._encoding():
                return engine.render(self.descriptor, each, geometry, frames, tiny)

        def render(each: Rendition) -> bytes:
            with self._encoding():
                made = with_rights(engine.render(self.descriptor, each, geometry, frames, tiny))
                return made if join is None else join(made)  # last: it states offsets in the file

        found = Result()
        if search is not None and frames == 1:  # the metric is one of still pictures
            rendition, found = search(rendition, encode)
        result = self._within(rendition, header, geometry, render)
        result = result._replace(quality=found.quality, score=found.score, unkept=unkept, focus=focus)
        return result._replace(by=engine.name, box=trimmed, complaint=engine.complaint or found.complaint)

    def _with_gain_map(
        self, rendition: Rendition, engine: Engine, header: Header, geometry: Geometry
    ) -> tuple[Geometry, Join | None, str]:
        """Return *geometry* with a known position, and what `GainMaps.joining` returns."""
        if not rendition.options.keep.gainmap or engine.name == "boxes":
            return geometry, None, ""
        if isinstance(engine, Places):
            geometry = engine.placed(self.descriptor, rendition, geometry)
        maps = GainMaps(self.descriptor, header.size, auto_orient=self.config.auto_orient)
        return geometry, *maps.joining(rendition.options, rendition.format, geometry)

    def _rights_writer(self, rendition: Rendition) -> Callable[[bytes], bytes]:
        """Return a function that writes the rights that the rendition keeps into its file, if it keeps any."""
        if not (rendition.options.keep.rights and rendition.format.metadata):
            return lambda data: data
        from . import kept_rights  # noqa: PLC0415  (imports Expat, which web workers do not need)

        rights = kept_rights.found(self.request.rights or {}, self.descriptor)
        return lambda data: kept_rights.written(data, rights)

    def _within(
        self, rendition: Rendition, header: Header, geometry: Geometry, render: Callable[[Rendition], bytes]
    ) -> Result:
        limit = byte_limit(rendition, header.size, geometry)
        data = within(limit, rendition, self._smaller(render, geometry), self.deadline)
        too_large = limit is not None and len(data) > limit
        if too_large and rendition.format is PNG and shows_source(rendition, header.size, geometry):
            data = min(data, same_pixels(self.descriptor) or data, key=len)
        if rendition.format is JXL and header.format == JPEG.name:
            data = self._smaller_jxl(data, rendition, header, geometry)
        most = rendition.options.max_bytes
        exceeds = most if most is not None and len(data) > most else None
        return Result(files=[data], size=geometry.final, exceeds=exceeds)

    def _smaller_jxl(self, data: bytes, rendition: Rendition, header: Header, geometry: Geometry) -> bytes:
        """Return the JPEG of the source as a JPEG XL, if that is smaller than *data*, and shows the same picture."""
        if self.request.work is Work.COPY or not shows_pixels(rendition, header.size, geometry, "lossless"):
            return data
        upright = self.config.auto_orient
        wrapped = wrapped_jpeg(self.descriptor, header.size, upright=upright, beyond=len(data))
        return data if wrapped is None else min(data, wrapped, key=len)

    def _smaller(self, render: Callable[[Rendition], bytes], geometry: Geometry) -> Callable[[Rendition], bytes]:
        """Return *render* with the further work on PNGs at effort ``small``."""
        if self.request.format is not PNG or effort_for(self.config.effort, geometry.final.pixels) != "small":
            return render
        return lambda rendition: oxipng.smaller(render(rendition), self.deadline.left)

    def _render_set(self) -> Result:
        members = self._renditions()
        engine = self._decodes_once(members[0])
        header = self._header_by(engine)
        planned = [
            (self.limits.plan(member, header, trimmed=None, mark=None), number) for number, member in enumerate(members)
        ]
        planned.sort(key=lambda each: (-each[0].upright.pixels, each[1]))
        ordered = [(members[number], geometry) for geometry, number in planned]
        tiny = self._wanted_tiny(header)
        with self._encoding():
            made = engine.render_set(self.descriptor, ordered, tiny)
        files = dict(zip([number for _, number in planned], made, strict=True))
        return Result(engine.name, [files[number] for number in range(len(members))])

    def _reduce(self) -> Result:
        (rendition,) = self._renditions()
        engine, sizes, format = self._decodes_once(rendition), self.request.sizes, self.request.copy_format
        header = self._header_by(engine)
        geometry, tiny = self.limits.plan(rendition, header, trimmed=None, mark=None), self._wanted_tiny(header)
        reduced = engine.reduced(self.descriptor, rendition, geometry, sizes, format, tiny)
        with self._encoding(), reduced as (copies, render):
            result = self._within(rendition, header, geometry, render)
        files = [*result.files, *copies]
        return result._replace(by=f"{engine.name}, with copies", files=files, complaint=engine.complaint)

    def _render_copy(self) -> Result:
        (rendition,) = self._renditions()
        engine, header = self._decodes_once(rendition), self.request.header
        assert header is not None
        geometry, tiny = lay_out(header.size, rendition.options), self._wanted_tiny(header)

        def render(each: Rendition) -> bytes:
            with self._encoding():
                return engine.render_copy(self.descriptor, each, geometry, tiny)

        return self._within(rendition, header, geometry, render)._replace(by=f"{engine.name} from a copy")

    def _trim(self) -> Result:
        assert self.request.region is not None
        # Limits depend on the engine: libvips decodes more formats a few rows at a time than Pillow does.
        self.limits.check_source(self._header())
        return Result(box=self._trimmed(self.request.region, self.request.threshold))

    def _trimmed(self, whole: Box, threshold: int) -> Box:
        return self.engines.first(lambda engine: engine.trim_box(self.descriptor, SOURCE, whole, threshold))

    def _find_focus(self) -> Result:
        return Result(focus=self.engines.first(self._focus_by))

    def _focus_by(self, engine: Engine) -> Sequence[float]:
        source = OpenSource(SOURCE + self.request.suffix, "", "", 0, 0, descriptor=self.descriptor)
        return focus_of(engine, self.limits, self.descriptor, source, self._header_by)

    def _read_header(self) -> Result:
        return Result(header=self._header())

    def _find_abilities(self) -> Result:
        return Result(abilities=abilities_of(self.config.engine))

    def _header(self) -> Header:
        return self.engines.first(self._header_by)

    def _header_by(self, engine: Engine) -> Header:
        check_parts(self.descriptor, SOURCE)
        return engine.header(self.descriptor, SOURCE)

    @contextmanager
    def _encoding(self) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self._encodes.append((begin - self._begin, time.monotonic() - self._begin))

    def _wanted_tiny(self, header: Header) -> Tiny | None:
        """Return the tiny picture that the engine should fill in, or None if no placeholders are wanted."""
        wanted = self.request.placeholders
        self._tiny = placeholders.empty(header.size, wanted) if wanted else None
        return self._tiny

    def _decodes_once(self, rendition: Rendition) -> DecodesOnce:
        engine = self.engines.decoding_once(rendition.options, rendition.format)
        if engine is None:
            raise UnsupportedSource(SOURCE, "no engine makes several renditions of it from one decode")
        return engine

    def _renditions(self) -> list[Rendition]:
        request = self.request
        assert request.format is not None
        bytes_of_source = request.source_bytes or os.fstat(self.descriptor).st_size
        source = OpenSource(SOURCE + request.suffix, "", request.label, bytes_of_source, 0, descriptor=self.descriptor)
        mark = None if self.mark is None else OpenSource(WATERMARK, "", "", 0, 0, descriptor=self.mark)
        lettering = None
        if request.text_style is not None:
            fonts = tuple(OpenSource(f"font {n}", "", "", 0, 0, descriptor=each) for n, each in enumerate(self.fonts))
            lettering = Lettering(TextStyle.read("the style", request.text_style), fonts)
        return [Rendition(source, options, request.format, "", mark, lettering) for options in request.options]
