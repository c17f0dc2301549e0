"""Define the interface of the engines, which read the headers of sources and render them.

Engines do not choose sizes: they receive a `Geometry`. They read from an open file descriptor, never from a path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..errors import InvalidOption, LimitExceeded
from ..faces.detector import lacking
from ..formats import JPEG, Format, Raw, by_name
from ..geometry import Box, Geometry, Size, Turn
from ..headers.header import FileHeader
from ..options.options import Options
from ..options.values import Gravity
from ..rendition import Rendition

TINY_WEBP = Options(quality=Raw(40)), by_name("webp")
"""The options and the format of `Tiny.webp`."""
SPARE_OF_COPIES = 1.25
"""A copy must be this much larger than a rendition, per side, or one sees that it was resampled twice."""

_MOST_SCALED = 4_000_000  # pixels of the picture that `Tiny` is made from, which is held in memory for it


@dataclass(frozen=True, slots=True)
class Header:
    """The properties of a source that are known before any pixel is decoded.

    *size* is in pixels. If the engine applies the EXIF orientation, it is the size after that: orientations 5 to 8 swap
    the sides. *format* is ``svg`` or one of `formats.ALL_INPUTS`. *frames* is the number of frames of an animated GIF
    or WebP, and 1 for other formats, even if they have several pages. *whole* is true if the decoder holds all pixels
    of a frame in memory, rather than a few lines. *palette* is true for a PNG with a palette.
    """

    size: Size
    format: str
    frames: int = 1
    alpha: bool = False
    whole: bool = False
    palette: bool = False

    @classmethod
    def stated(cls, stated: FileHeader | None, engine: str) -> Header | None:
        """Return what a file itself states, or None if only an engine can tell. *engine* is ``IMAGES_ENGINE``."""
        if stated is None or stated.frames is None or stated.alpha is None:
            return None
        # libvips decodes more formats a few rows at a time than Pillow does.
        whole = stated.whole or (engine == "pillow" and stated.format != JPEG.name)
        return cls(stated.size, stated.format, stated.frames, stated.alpha, whole, stated.palette)


class Paletted(NamedTuple):
    """A source that is a PNG with a palette: its upright size in pixels, and the size of its file."""

    size: Size
    size_bytes: int

    def is_shrunk(self, geometry: Geometry) -> bool:
        """Return whether a rendition has fewer pixels, so that a file larger than the source's would be odd."""
        return geometry.upright.pixels < self.size.pixels


@dataclass(slots=True)
class Tiny:
    """The whole source in a few pixels, from which placeholders are drawn.

    The step ``keep_tiny`` fills it in during a render, which scales the source anyway, so it costs little. *rgba* holds
    the upright pixels in sRGB, with *size*. *webp* is the encoded picture of half that size. Both stay empty if they
    are not wanted, or if the render does not show the whole source or is smaller. *webp* also stays empty if the engine
    cannot write WebP.
    """

    size: Size
    wants_rgba: bool = True
    wants_webp: bool = True
    rgba: bytes = b""
    webp: bytes = b""

    @property
    def half(self) -> Size:
        """The size of *webp*."""
        return Size(max(1, self.size.width // 2), max(1, self.size.height // 2))

    def fits(self, spec: Spec, scaled: Size) -> bool:
        """Return whether it is empty, and can be made from the picture of *spec* that was scaled to *scaled*."""
        whole = spec.geometry.cut is None and spec.options.transform is None
        large = scaled.width >= self.size.width and scaled.height >= self.size.height
        return not (self.rgba or self.webp) and whole and large and scaled.pixels <= _MOST_SCALED


class Overlay(NamedTuple):
    """A picture in sRGB with alpha, 4 bytes a pixel, and where its top left corner is on the canvas."""

    left: int
    top: int
    size: Size
    rgba: bytes


@dataclass(frozen=True, slots=True)
class Spec:
    """The parameters of a render, which are passed to every step of an engine.

    A step is a function, such as ``scale`` or ``blur``, that takes a picture and a `Spec` and returns a picture.

    *mark* is the watermark, as an image object of the engine's library, at the size at which it is drawn. *paletted* is
    set if the source is a PNG with a palette. Only the Pillow engine sets *upright* and *profile*, because Pillow drops
    this information from its pictures on the way: *upright* is the turn that makes the stored picture upright, and
    *profile* is the ICC profile that the rendition keeps. *tiny* is set if placeholders are wanted. *text* is the drawn
    text, if there is one.
    """

    options: Options
    format: Format
    geometry: Geometry
    mark: Any = None
    upright: Turn = Turn()
    profile: bytes | None = None
    paletted: Paletted | None = None
    tiny: Tiny | None = None
    text: Overlay | None = None

    @property
    def keeps_copyright(self) -> bool:
        """Whether the engine itself writes EXIF's Artist and Copyright. All rights are written into its file later."""
        keep = self.options.keep
        return keep.copyright and not keep.rights and self.format.metadata


class Engine(Protocol):
    """A library that renders pictures."""

    @property
    def name(self) -> str: ...

    @property
    def complaint(self) -> str:
        """What the library said about the source of the last render, although it could render it. Mostly empty."""
        ...

    def refusal(self, options: Options, format: Format) -> InvalidOption | None:
        """Return an error that explains why this engine cannot render *options* as *format*, or None if it can."""
        ...

    def header(self, descriptor: int, ref: str) -> Header:
        """Read the header of the file open at *descriptor*. *ref* names the source in errors.

        Raises:
            UnsupportedSource: If the file is not an image, or has a format that this engine does not load.
            UnreadableSource: If the image is broken.
            LimitExceeded: If the file is so complex that even reading its header would take too long.
        """
        ...

    def trim_box(self, descriptor: int, ref: str, region: Box, threshold: int) -> Box:
        """Find the part of *region* that remains if a border of a single colour is cut off.

        *region* is a part of the upright source. The colour of the border is that of its top left pixel. A pixel
        belongs to the border if all its bands differ from this colour by at most *threshold*. Returns *region* if it is
        all border. Decodes the whole source, or the first frame of an animation.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: As in `render`.
        """
        ...

    def render(
        self, descriptor: int, rendition: Rendition, geometry: Geometry, frames: int = 1, tiny: Tiny | None = None
    ) -> bytes:
        """Return the encoded rendition, whose size is exactly ``geometry.final``.

        Metadata is dropped unless the options keep it. The rendition has the first *frames* frames of the source, with
        their durations and the loop count. If *frames* is 1, it is a still picture. Encoders may merge frames that look
        the same. *tiny* is filled in on the way, if that is possible: see `Tiny`.

        Raises:
            UnsupportedSource, UnreadableSource: As in `header`. Some broken files pass `header` and fail only here.
            LimitExceeded: If rendering takes longer than the engine's timeout.
            Busy: If no thread can be started to enforce the timeout.
        """
        ...


@runtime_checkable
class DecodesOnce(Engine, Protocol):
    """An engine that can make several renditions from one decode of their source."""

    def render_set(
        self, descriptor: int, members: Sequence[tuple[Rendition, Geometry]], tiny: Tiny | None = None
    ) -> list[bytes]:
        """Render all *members* from one decode, and return their files in the same order.

        The members are still pictures of the same source that differ only in size. The largest must be the first.
        """
        ...

    def reduced(
        self,
        descriptor: int,
        rendition: Rendition,
        geometry: Geometry,
        sizes: Sequence[Size],
        format: str,
        tiny: Tiny | None = None,
    ) -> AbstractContextManager[tuple[list[bytes], Callable[[Rendition], bytes]]]:
        """Reduce the source of *rendition* to *sizes*, largest first. At least one must be large enough for *geometry*.

        Returns the copies, encoded as *format*, and a function that renders from their pixels like `render`. The copies
        are upright, in 8-bit sRGB or grey, and keep their alpha. *format* is ``tiff`` or ``jpeg``; a source with alpha
        is always stored as TIFF.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: As in `render`.
        """
        ...

    def render_copy(self, descriptor: int, rendition: Rendition, geometry: Geometry, tiny: Tiny | None = None) -> bytes:
        """Render like `render`, but from a copy that `reduced` has made."""
        ...


@runtime_checkable
class Places(Engine, Protocol):
    """An engine that can crop to a part that depends on the pixels."""

    def placed(self, descriptor: int, rendition: Rendition, geometry: Geometry) -> Geometry:
        """Return *geometry* with the position that a smart gravity chooses. It is unchanged if that is not needed.

        Raises:
            UnsupportedSource, UnreadableSource, LimitExceeded: As in `Engine.render`.
        """
        ...


def faceless(gravity: Gravity) -> InvalidOption | None:
    """Return the error for *gravity*, if it needs faces and they cannot be found here, or None."""
    cure = lacking() if gravity is Gravity.FACE else None
    if cure is None:
        return None
    return InvalidOption("gravity", str(gravity), expected=f"a gravity without faces, unless you run {cure}")


def overtime(seconds: float, limit: float) -> LimitExceeded:
    """Return the error for a render that was stopped after *seconds*."""
    return LimitExceeded(
        "the render took {:,} seconds", round(seconds, 2), round(limit, 2), set_by="IMAGES_RENDER_TIMEOUT"
    )


def out_of_memory(limit: int) -> LimitExceeded:
    """Return the error for a render that needs more than *limit* bytes of memory. How much it needs is not known."""
    what = "the render needs more bytes of memory than a renderer may use"
    return LimitExceeded(what, limit, limit, set_by="IMAGES_RENDER_MEMORY")
