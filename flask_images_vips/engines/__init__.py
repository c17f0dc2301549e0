"""How are pixels made? Each engine reads what a file says of itself, and renders it.

Engines never choose sizes: `geometry.plan` does, and they are told. They take an open descriptor, never a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..formats import Format
from ..geometry import Geometry, Size
from ..options import Options
from ..rendition import Rendition


@dataclass(frozen=True, slots=True)
class Header:
    """What a source says about itself, before a pixel is decoded.

    *size* is upright where the engine turns pictures upright: EXIF orientations 5-8 swap the sides.
    """

    size: Size


class Engine(Protocol):
    """One way to make pixels."""

    @property
    def name(self) -> str: ...

    def supports(self, options: Options, format: Format) -> bool:
        """Whether `render` can do all that is asked. What cannot be done goes to another engine, whole."""
        ...

    def header(self, descriptor: int, ref: str) -> Header:
        """Read what the file open at *descriptor* says about itself; *ref* names it in errors.

        Raises:
            UnsupportedSource: no image, or of a kind that this engine does not load.
            UnreadableSource: an image, but broken.
        """
        ...

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        """The encoded rendition, of exactly ``geometry.canvas`` pixels, without metadata.

        Raises:
            UnsupportedSource, UnreadableSource: as `header`; a broken file may show only here.
        """
        ...
