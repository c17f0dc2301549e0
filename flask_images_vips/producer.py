"""Render now: wait for a render slot, open the source, run the job.

A render slot is the right to render: `Slots` limits the number of renders on this host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from .cache.slots import Slots
from .engines.choice import Engines
from .engines.engine import DecodesOnce, Engine, Header
from .facts import Facts
from .geometry import Geometry, Size
from .rendering.job import Job, Rendered
from .rendition import Rendition


class Producer:
    """Renders while holding one of the host's *slots*, with the first engine that supports the request.

    *engines* defaults to the engines of *facts*.
    """

    def __init__(self, facts: Facts, slots: Slots, engines: Engines | None = None) -> None:
        self.facts = facts
        self.limits = facts.limits
        self.slots = slots
        self.engines = engines or facts.engines

    def render(self, rendition: Rendition, since: float, slot: ExitStack) -> Rendered:
        """Render from the source. The slot timeout counts from the monotonic time *since*.

        On success, *slot* holds the render slot, which is released when the caller closes *slot*. On failure it is
        released at once.

        Raises:
            SourceNotFound, SourceChanged, UnreadableSource, InvalidOption, LimitExceeded, Busy: See `Pipeline.entry`.
        """
        able = self.engines.able(rendition.options, rendition.format)
        with self.limits.open(rendition.source) as descriptor:

            def by(engine: Engine) -> Rendered:
                header = self.facts.header_of(engine, descriptor, rendition.source.ref)
                frames = self.limits.frames(header, rendition.options, rendition.format)
                job = Job(engine, rendition, header, frames, self.plan(rendition, header, frames))
                with self.slot(slot, job.pixels, since):
                    return job.run(descriptor)

            return self.engines.first(by, able)

    def plan(self, rendition: Rendition, header: Header, frames: int = 1) -> Geometry:
        """Lay out *rendition*. *header* describes its source, and *frames* is the number of frames to render.

        Raises:
            LimitExceeded: If the source, the watermark or the output exceeds a limit.
        """
        trimmed = self.facts.trimmed(rendition.source, rendition.options)
        mark = self.facts.header_in_render(rendition.watermark) if rendition.watermark else None
        return self.limits.plan(rendition, header, frames, trimmed=trimmed, mark=mark)

    def render_set(
        self, engine: DecodesOnce, members: Sequence[Rendition], since: float, slot: ExitStack
    ) -> list[tuple[Rendition, bytes]]:
        """Render *members*, which differ only in size, from one decode of their source.

        Raises the same errors as `render`.
        """
        source = members[0].source
        with self.limits.open(source) as descriptor:
            header = self.facts.header_of(engine, descriptor, source.ref)
            planned = [(member, self.plan(member, header)) for member in members]
            planned.sort(key=lambda member: -member[1].upright.pixels)
            pixels = header.size.pixels + sum(geometry.upright.pixels for _, geometry in planned)
            with self.slot(slot, pixels, since):
                made = engine.render_set(descriptor, planned)
        return [(member, data) for (member, _), data in zip(planned, made, strict=True)]

    def reduce(
        self, engine: DecodesOnce, rendition: Rendition, sizes: Sequence[Size], format: str, since: float
    ) -> Sequence[bytes]:
        """Return the source of *rendition*, reduced to each of *sizes* (largest first) and encoded as *format*.

        See `DecodesOnce.reduced`. Raises the same errors as `render`.
        """
        source = rendition.source
        with self.limits.open(source) as descriptor:
            header = self.facts.header_of(engine, descriptor, source.ref)
            self.limits.check_source(header)
            with self.slots.hold(header.size.pixels, since):
                return engine.reduced(descriptor, rendition, sizes, format)

    @contextmanager
    def slot(self, kept: ExitStack, pixels: int, since: float) -> Iterator[None]:
        """Hold a render slot for the block. Afterwards *kept* holds the slot, unless the block fails."""
        with ExitStack() as stack:
            stack.enter_context(self.slots.hold(pixels, since))
            yield
            kept.push(stack.pop_all())
