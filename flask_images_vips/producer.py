"""Render now: open the sources of a rendition, and let a renderer render it."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from os.path import splitext
from typing import TYPE_CHECKING, Any

from . import phases
from .config.keys import Config
from .engines.encoder_settings import decoded_once
from .engines.engine import Header
from .errors import Busy, ImagesError, shown
from .events import Events, Rendered, tell
from .facts import Facts
from .formats import Auto, Format
from .geometry import Geometry, Size, lay_out
from .log_fields import fields
from .options.options import Options
from .pool.outcome import Budget
from .pool.renderers import Renderers
from .rendering.request import Request, Work, settings_of
from .rendering.result import Result
from .rendition import Rendition
from .sources.source import Source
from .urls import file_name, is_remote

if TYPE_CHECKING:
    from .fleet.slots import Slots
    from .rights.asking import FindRights
    from .rights.record import Rights
    from .rights.signing import Signer

logger = logging.getLogger("flask_images_vips")


_SEARCH_SHARE = 0.7  # of IMAGES_RENDER_TIMEOUT: what is left is for the decode and the last file
_LONGEST_SEARCH_SECONDS = 30.0


def _unknown(ref: str) -> Rights | None:
    """Say nothing of the source *ref*, because the application has no function for it."""


def _log_render(rendition: Rendition, made: Result, seconds: float, cost: _Cost) -> None:
    (data, *_), size = made.files, made.size
    assert size is not None
    ref, name = rendition.source.ref, rendition.format.name
    logger.info(
        "rendered %s by %s: %d×%d %s, %d bytes, %.0f ms%s%s",
        *(shown(ref), made.by, *size, name, len(data), 1000 * seconds),
        f"; the source is damaged: {made.complaint}" if made.complaint else "",
        f"; without its gain map: {made.unkept}" if made.unkept else "",
        extra=fields(
            "rendered",
            ref,
            format=name,
            engine=made.by,
            width=size.width,
            height=size.height,
            bytes=len(data),
            seconds=round(seconds, 6),
            waited_seconds=round(cost.waited_seconds, 6),
            cpu_seconds=round(cost.cpu_seconds, 6),
        ),
    )
    if made.exceeds is not None:
        logger.warning(
            "a rendition of %s has %d bytes as %s, over the limit of %d; its quality cannot be lowered further",
            shown(ref),
            len(data),
            name,
            made.exceeds,
            extra=fields("too large", ref, format=name, bytes=len(data), limit=made.exceeds),
        )


@dataclass(slots=True)
class _Cost:
    """What one rendition has cost so far: the time until a renderer was free, and the time that processors worked."""

    waited_seconds: float = 0.0
    cpu_seconds: float = 0.0


class Producer:
    """Renders with *renderers* and the settings of *config*. With *yields*, requests of visitors go first.

    The functions in *events* are told of each rendition. *slots* bound the renders on all hosts; None does not.
    *find_rights* returns what the application says of a source. *signer* signs what keeps rights; None does not.
    """

    def __init__(
        self,
        facts: Facts,
        renderers: Renderers,
        config: Config,
        events: Events,
        slots: Slots | None = None,
        find_rights: FindRights | None = None,
        signer: Signer | None = None,
        *,
        yields: bool = False,
    ) -> None:
        self.slots = slots
        self.events = events
        self.facts = facts
        self.limits = facts.limits
        self.renderers = renderers
        self.config = config
        self._settings = settings_of(config)
        self._yields = yields
        self._visitor = True
        self._budget = Budget(config.render_timeout)
        self._cost = _Cost()
        self._reported: list[Rendered] = []
        self._placeholders: Sequence[str] = ()
        self.find_rights: FindRights = find_rights or _unknown
        self.signer = signer

    def for_nobody(self, *, yields: bool) -> Producer:
        """Return a producer for renditions that no visitor waits for. With *yields*, requests of visitors go first."""
        other = copy.copy(self)
        other._visitor, other._yields = False, yields
        return other

    def once(self, placeholders: Sequence[str] = (), *, yields: bool = False) -> Producer:
        """Return a producer for one rendition. All work for it together may take ``IMAGES_RENDER_TIMEOUT``.

        It makes *placeholders* of the source too, besides those that pages have asked for.
        """
        one = copy.copy(self)
        one._budget = Budget(self.config.render_timeout)
        one._cost, one._reported = _Cost(), []
        one._placeholders = placeholders
        one._yields = self._yields or yields
        return one

    def yielding(self) -> Producer:
        """Return a producer for work that lets requests of visitors go first."""
        return self.once(yields=True)

    def report(self, rendition: Rendition, made: Result, begin: float) -> None:
        """Log that *rendition* was rendered, since the time *begin* of `time.perf_counter`, for others to be told."""
        seconds = time.perf_counter() - begin
        _log_render(rendition, made, seconds, self._cost)
        self._add_events([(rendition, len(made.files[0]))], made.by, seconds)

    def report_set(self, made: Sequence[tuple[Rendition, bytes]], begin: float) -> None:
        """Do as `report` for a set that was rendered from one decode. Each member has an equal part of the cost."""
        seconds, ref = time.perf_counter() - begin, made[0][0].source.ref
        logger.info(
            "rendered %s by vips: a set of %d, %.0f ms",
            *(shown(ref), len(made), 1000 * seconds),
            extra=fields(
                "set rendered",
                ref,
                format=made[0][0].format.name,
                engine="vips",
                files=len(made),
                bytes=sum(len(data) for _, data in made),
                seconds=round(seconds, 6),
                waited_seconds=round(self._cost.waited_seconds, 6),
                cpu_seconds=round(self._cost.cpu_seconds, 6),
            ),
        )
        self._add_events([(rendition, len(data)) for rendition, data in made], "vips", seconds)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell others, at the end of the block, of the renditions that it reports: they are stored by then."""
        with phases.recorded() as timeline:
            try:
                yield
            except ImagesError:
                timeline.vain_seconds += self._budget.spent
                raise
            finally:
                reported, self._reported = self._reported, []
                for number, event in enumerate(reported):
                    known = event if number else replace(event, phases=tuple(timeline.phases))
                    timeline.rendered.append(known)
                    tell(self.events.rendered, known)

    def _add_events(self, made: Sequence[tuple[Rendition, int]], engine: str, seconds: float) -> None:
        cost, count = self._cost, len(made)
        for rendition, size_bytes in made:
            event = Rendered(
                rendition,
                engine,
                size_bytes,
                seconds=seconds / count,
                waited_seconds=cost.waited_seconds / count,
                cpu_seconds=cost.cpu_seconds / count,
                visitor=self._visitor and not self._yields,
            )
            self._reported.append(event)

    def shares_decodes(self, options: Options, format: Format) -> bool:
        """Return whether several renditions with these *options* can be made from one decode."""
        return self.config.engine in ("auto", "vips") and decoded_once(options, format)

    def plan(self, rendition: Rendition, header: Header) -> Geometry:
        """Lay out *rendition*, a still picture without trim and watermark. *header* describes its source.

        Raises:
            LimitExceeded: If the source or the output exceeds a limit.
        """
        return self.limits.plan(rendition, header, trimmed=None, mark=None)

    def size_of(self, rendition: Rendition) -> Size:
        """Return the size of *rendition* in pixels. Of one with a trim that is not known yet, it is an estimate.

        Raises:
            UnreadableSource, LimitExceeded: If the header of the source cannot be read.
        """
        source, options = rendition.source, rendition.options
        header, trimmed = self.facts.header_in_render(source), self.facts.pixels.trim(source, options)
        return lay_out(header.size, options, trimmed=trimmed).final

    def render(self, rendition: Rendition, since: float) -> Result:
        """Render from the source. The time to wait for a renderer counts from the monotonic time *since*.

        Raises:
            SourceNotFound, SourceChanged, UnreadableSource, InvalidOption, LimitExceeded, Busy: See `Pipeline.entry`.
        """
        return self._from_source(Work.RENDER, rendition, since)

    def _from_source(self, work: Work, rendition: Rendition, since: float, **more: Any) -> Result:
        source, options = rendition.source, rendition.options
        trimmed = self.facts.pixels.trim(source, options, elsewhere=True)
        focus = self.facts.pixels.focus(source, elsewhere=True) if options.seeks_faces else None
        details = {"trimmed": trimmed, "focus": focus, "rights": self._rights_of(rendition), **more}
        result = self._run(work, [rendition], rendition.sources, since, **details)
        if trimmed is None and result.box is not None:
            self.facts.pixels.add_trim(source, options, result.box)
        if focus is None and result.focus is not None:
            self.facts.pixels.add_focus(source, result.focus)
        return self._signed(rendition, result)

    def _signed(self, rendition: Rendition, result: Result) -> Result:
        """Return *result* with a signed file, if the rendition is signed."""
        if self.signer is None or not self.signer.signs(rendition.options, rendition.format):
            return result
        with self.limits.open(rendition.source) as descriptor, open(descriptor, "rb", closefd=False) as source:
            data = self.signer.sign(result.files[0], rendition.format, source, rendition.source.ref)
        return result._replace(files=[data])

    def _rights_of(self, rendition: Rendition) -> dict[str, Any] | None:
        """Return the rights that the application says of the source, if its page has added their digest to the URL."""
        options = rendition.options
        if not (options.rights and options.keep.rights and rendition.format.metadata):
            return None
        record = self.find_rights(rendition.source.ref)
        return None if record is None else record.in_file

    def render_set(self, members: Sequence[Rendition], since: float) -> list[tuple[Rendition, bytes]]:
        """Render *members*, which differ only in size, from one decode of their source.

        Raises the same errors as `render`.
        """
        result = self._run(Work.SET, members, [members[0].source], since)
        return list(zip(members, result.files, strict=True))

    def reduce(self, rendition: Rendition, sizes: Sequence[Size], format: str, since: float) -> Result:
        """Render from the source, and reduce it to copies of *sizes* (largest first), encoded as *format*.

        The copies are the files after the first one. See `DecodesOnce.reduced`. Raises the same errors as `render`.
        """
        return self._run(Work.REDUCE, [rendition], [rendition.source], since, sizes=tuple(sizes), copy_format=format)

    def search(self, rendition: Rendition, target: float, since: float) -> Result:
        """Render at the lowest quality that scores at least *target*, and at most with that of *rendition*.

        The result has no quality if it is not certain that no lower one would do. Raises the same errors as `render`.
        """
        most = min(_SEARCH_SHARE * self.config.render_timeout, _LONGEST_SEARCH_SECONDS)
        return self._from_source(Work.AUTO, rendition, since, target=target, seconds=most)

    def render_copy(self, rendition: Rendition, header: Header, descriptor: int, since: float) -> Result:
        """Render from a copy of the source, open at *descriptor*. *header* describes the source.

        Raises the same errors as `render`.
        """
        request = self._request(Work.COPY, [rendition], source_bytes=rendition.source.size_bytes, header=header)
        return self._kept(rendition.source, self._done(request, [descriptor], [rendition.source.ref], since))

    def _run(
        self, work: Work, members: Sequence[Rendition], sources: Sequence[Source], since: float, **details: Any
    ) -> Result:
        with ExitStack() as stack:
            descriptors = [stack.enter_context(self.limits.open(source)) for source in sources]
            fonts = members[0].fonts
            descriptors += [stack.enter_context(font.open()) for font in fonts]
            request = self._request(work, members, **details)
            result = self._done(request, descriptors, [source.ref for source in (*sources, *fonts)], since)
        return self._kept(sources[0], result)

    def _kept(self, source: Source, result: Result) -> Result:
        """Keep the placeholders of *source* in *result*. Call this once the source is known to be unchanged."""
        self.facts.pixels.add_placeholders(source, result.placeholders)
        return result

    def _request(self, work: Work, members: Sequence[Rendition], **details: Any) -> Request:
        first = members[0]
        request = Request(
            work=work,
            settings=self._settings,
            options=[self._with_number(member) for member in members],
            format=first.format,
            suffix=splitext(file_name(first.source.ref, remote=is_remote(first.source.ref)))[1],
            label=first.source.ref if self.config.engine == "boxes" else "",
            placeholders=list({*self._placeholders, *self.facts.pixels.asked(first.source)}),
            text_style=None if first.lettering is None else first.lettering.style.to_json(),
            fonts=len(first.fonts),
        )
        return replace(request, **details)

    def _with_number(self, rendition: Rendition) -> Options:
        """Return the options of *rendition* with the number of a quality that is ``auto``, as far as it is known."""
        options = rendition.options
        if not isinstance(options.quality, Auto):
            return options
        usual = int(options.quality)
        if not rendition.format.lossy:
            return replace(options, quality=usual)
        pixels = self.size_of(rendition).pixels
        likely = self.facts.pixels.likely_quality(rendition, pixels, self.config.target_score)
        return replace(options, quality=usual if likely is None else min(usual, likely))

    def _done(self, request: Request, descriptors: Sequence[int], refs: Sequence[str], since: float) -> Result:
        self._budget.check()
        begin = time.monotonic()
        try:
            with self.slots.take(since) if self.slots is not None else nullcontext():
                done = self.renderers.run(
                    request, descriptors, refs, since=since, budget=self._budget, yields=self._yields
                )
        except Busy:
            phases.add("queue", begin, time.monotonic())
            raise
        end = time.monotonic()
        started = max(begin, end - done.seconds)
        phases.add("queue", begin, started)
        for first, last in done.result.encodes:
            phases.add("encode", started + first, min(end, started + last))
        phases.add("render", started, end)
        self._cost.waited_seconds += started - begin
        self._cost.cpu_seconds += done.cpu_seconds
        return done.result
