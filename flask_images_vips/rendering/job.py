"""Run one render: turn an open source into the bytes of a file.

A job does not use a cache, a queue or Flask. Nothing else calls `Engine.render`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..engines.engine import DecodesOnce, Engine, Header
from ..geometry import Geometry
from ..rendition import Rendition
from .quality import byte_limit, within


class Rendered(NamedTuple):
    """The encoded *data* of a rendition.

    *by* and *geometry* are for the log: the name of the engine, and the layout.
    """

    by: str
    geometry: Geometry
    data: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """A rendition to render with a given engine, number of frames and geometry. *header* describes its source."""

    engine: Engine
    rendition: Rendition
    header: Header
    frames: int
    geometry: Geometry

    @property
    def pixels(self) -> int:
        """The number of source pixels to decode, in all frames."""
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
        """Render from a reduced copy of the source, open at *descriptor*. *engine* is the engine of this job.

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
