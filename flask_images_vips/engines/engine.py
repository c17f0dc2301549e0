"""Define what an engine is: it reads the header of a source, and renders it.

Engines do not choose sizes: `geometry.lay_out` does. They read from an open file descriptor, never from a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..errors import InvalidOption, LimitExceeded
from ..formats import Format
from ..geometry import Box, Geometry, Size, Turn
from ..options.options import Options
from ..rendition import Rendition


@dataclass(frozen=True, slots=True)
class Header:
    """What a source says about itself before any pixel is decoded.

    *size* is in pixels, upright if the engine turns pictures upright: EXIF orientations 5 to 8 swap the sides.
    *format* is one of `formats.INPUTS` or ``svg``. *frames* counts the frames of an animation that this engine can
    render; pages of a document do not count. *whole* is true if the decoder holds all pixels of a frame in memory,
    rather than a few lines.
    """

    size: Size
    format: str
    frames: int = 1
    alpha: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """What the steps of an engine need to know besides the picture.

    *mark* is the watermark, a picture of the same library, scaled to the size at which it is drawn. Pillow's pictures
    do not carry their orientation and profile along: *upright* is the turn that makes the stored picture upright, and
    *profile* is the ICC profile that the rendition keeps.
    """

    options: Options
    format: Format
    geometry: Geometry
    mark: Any = None
    upright: Turn = Turn()
    profile: bytes | None = None


class Engine(Protocol):
    """One way to render pictures."""

    @property
    def name(self) -> str: ...

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        """Why this engine cannot render *options* as *format*; None if it can."""
        ...

    def header(self, descriptor: int, ref: str) -> Header:
        """Read the header of the file open at *descriptor*. *ref* names the source in errors.

        Raises:
            UnsupportedSource: If the file is not an image, or of a format that this engine does not load.
            UnreadableSource: If the image is broken.
            LimitExceeded: If reading the header alone would take too long.
        """
        ...

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        """Find the part of *region* that remains without its border of one colour.

        The colour is that of the top left pixel of *region*, which is a part of the upright source. A pixel belongs to
        the border if no band differs by more than *threshold*. Returns *region* if it is all border. Decodes the whole
        source, or the first frame of an animation.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: As `render`.
        """
        ...

    def render(self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1) -> bytes:
        """Return the encoded rendition, of exactly ``geometry.final`` pixels.

        Metadata is dropped unless the options keep it. The rendition has the first *frames* frames of the source, with
        their durations and loop count; 1 makes a still picture. Encoders may merge frames that look the same.

        Raises:
            UnsupportedSource, UnreadableSource: As `header`. Some broken files are found out only here.
            LimitExceeded: If it takes longer than the engine's timeout.
        """
        ...


@runtime_checkable
class DecodesOnce(Engine, Protocol):
    """An engine that can make several renditions from one decode of their source."""

    def render_set(self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]]) -> list[bytes]:
        """Render each of *members* in their order, as `render` does, from one decode.

        They are still pictures of one source that differ only in size, the largest first.
        """
        ...

    def reduced(self, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str) -> list[bytes]:
        """Return the source of *rendition* scaled to each of *sizes*, in pixels, largest first.

        The copies are upright, in 8-bit sRGB or grey, and keep their alpha. *format* is ``tiff`` or ``jpeg``; a source
        with alpha is always stored as TIFF.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: As `render`.
        """
        ...

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> bytes:
        """Render as `render` does, from a file that `reduced` made."""
        ...


def overtime(seconds: float, limit: float) -> LimitExceeded:
    """The error for a render that was stopped after *seconds*."""
    return LimitExceeded("the render took {:,} seconds", round(seconds, 2), limit, set_by="IMAGES_RENDER_TIMEOUT")
