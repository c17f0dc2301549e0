"""Run one render: an open source and a plan become the bytes of a file.

A job knows no cache, no queue and no Flask. It is the only caller of an engine's `render`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..engines.engine import DecodesOnce, Engine, Header
from ..geometry import Geometry
from ..rendition import Rendition
from .quality import byte_limit, within


class Rendered(NamedTuple):
    """The bytes of a rendition, and for the log: what rendered it, and at which size."""

    by: str
    geometry: Geometry
    data: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """A rendition whose engine, number of frames and geometry are decided. *header* is that of its source."""

    engine: Engine
    rendition: Rendition
    header: Header
    frames: int
    geometry: Geometry

    @property
    def pixels(self) -> int:
        """The pixels that are decoded, over all frames."""
        return self.header.size.pixels * self.frames

    def run(self, descriptor: int) -> Rendered:
        """Render from the source that is open at *descriptor*.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: See `Engine.render`.
        """

        def render(rendition: Rendition) -> bytes:
            return self.engine.render(descriptor, rendition, self.geometry, self.frames)

        return Rendered(self.engine.name, self.geometry, within(self._byte_limit, self.rendition, render))

    def run_from_copy(self, engine: DecodesOnce, descriptor: int) -> Rendered:
        """Render from a reduced copy of the source, open at *descriptor*. *engine* is the job's own.

        Raises:
            UnreadableSource, LimitExceeded: See `DecodesOnce.render_copy`.
        """

        def render(rendition: Rendition) -> bytes:
            return engine.render_copy(descriptor, rendition, self.geometry)

        by = f"{engine.name} from a copy"
        return Rendered(by, self.geometry, within(self._byte_limit, self.rendition, render))

    @property
    def _byte_limit(self) -> int | None:
        return byte_limit(self.rendition, self.header.size, self.geometry)
