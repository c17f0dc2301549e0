"""How are pixels made? Each engine reads what a file says of itself, and renders it.

Engines never choose sizes: `geometry.plan` does, and they are told. They take an open descriptor, never a name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..errors import InvalidOption, LimitExceeded
from ..formats import Format
from ..geometry import Box, Geometry, Size
from ..options.options import Options
from ..rendition import Rendition

# Read by libvips as it starts: the first drops the limits of its loaders, the second keeps its warnings off stderr.
os.environ.pop("VIPS_UNLIMITED", None)
os.environ.setdefault("VIPS_WARNING", "0")


@dataclass(frozen=True, slots=True)
class Header:
    """What a source says about itself, before a pixel is decoded.

    *size* is upright where the engine turns pictures upright: EXIF orientations 5-8 swap the sides. *format* is one of
    `formats.INPUTS`, or ``svg``. *frames* counts those of an animation that this engine can render, not
    pages. *whole* says that it holds all pixels of a frame in memory while it decodes them, instead of a few lines.
    """

    size: Size
    format: str
    frames: int = 1
    alpha: bool = False
    whole: bool = False


class Engine(Protocol):
    """One way to make pixels."""

    @property
    def name(self) -> str: ...

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        """Why this engine cannot render *options* as *format*; None if it can."""
        ...

    def header(self, descriptor: int, ref: str) -> Header:
        """Read what the file open at *descriptor* says about itself; *ref* names it in errors.

        Raises:
            UnsupportedSource: no image, or of a kind that this engine does not load.
            UnreadableSource: an image, but broken.
            LimitExceeded: it would take too much to read even this.
        """
        ...

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        """What is left of *region*, a part of the upright source, without its border of one colour: all of it, where
        there is nothing else.

        The colour is that of the region's left top pixel, give or take *threshold* in each band. Decodes the whole
        source, or its first frame.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: as `render`.
        """
        ...

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        """The encoded rendition, of exactly ``geometry.final`` pixels, without metadata that is not to be kept.

        Its first *frames* frames, each shown as long, and all of them as often, as in the source. 1 gives a still
        picture. Encoders may join frames that look the same.

        Raises:
            UnsupportedSource, UnreadableSource: as `header`; a broken file may show only here.
            LimitExceeded: it took longer than the engine may.
        """
        ...


@runtime_checkable
class DecodesOnce(Engine, Protocol):
    """An engine that can make several renditions from one decode of their source."""

    def render_set(self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]]) -> list[bytes]:
        """As `render`, each of *members* in their order, from one decode: stills of one source that differ in their
        size alone, the largest first.
        """
        ...

    def reduced(self, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str) -> list[bytes]:
        """The source of *rendition* at each of *sizes*, largest first: upright, 8-bit sRGB or grey, with its alpha.

        *format* is ``tiff`` or ``jpeg``; what has alpha is a TIFF. Raises as `render`.
        """
        ...

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        """As `render`, from a file that `reduced` made."""
        ...


def overtime(seconds: float, limit: float) -> LimitExceeded:
    """The error of a render that was ended after *seconds*."""
    return LimitExceeded("render's seconds", round(seconds, 2), limit, set_by="IMAGES_RENDER_TIMEOUT")
