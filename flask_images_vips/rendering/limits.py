"""Refuse sources and renditions that would cost too much, before they are decoded or rendered."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..config.keys import Config
from ..engines.engine import Header
from ..errors import LimitExceeded
from ..formats import Format
from ..geometry import Box, Geometry, lay_out, transformed
from ..options.options import Options
from ..rendition import Rendition
from ..sources.source import Source

# Decoders, and libvips between its steps, hold hundreds of rows at a time. A source of the most pixels may have so many
# rows, or columns, at least.
_LONGEST_SIDE, _FEWEST_ROWS = 100_000, 500


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one application's configuration."""

    config: Config

    def open(self, source: Source) -> AbstractContextManager[int]:
        """Open *source*, see `Source.open`.

        Raises:
            LimitExceeded: If the file is larger than ``IMAGES_MAX_SOURCE_BYTES``.
        """
        _check(
            "the source file has {:,} bytes", source.size_bytes, self.config.max_source_bytes, "IMAGES_MAX_SOURCE_BYTES"
        )
        return source.open()

    def check_source(self, header: Header) -> None:
        """Check the number of pixels of a source, or of one frame of an animation, and its sides.

        Raises:
            LimitExceeded: If there are more than ``IMAGES_MAX_SOURCE_PIXELS``, or more than half that number in a
                source that is decoded as a whole. Also if a side is so long that few rows would take much memory.
        """
        most = self.config.max_source_pixels
        if header.whole:
            half = "half of IMAGES_MAX_SOURCE_PIXELS, because it is decoded as a whole"
            _check("a frame of the source has {:,} pixels", header.size.pixels, most // 2, half)
        _check("the source has {:,} pixels", header.size.pixels, most, "IMAGES_MAX_SOURCE_PIXELS")
        longest = max(_LONGEST_SIDE, most // _FEWEST_ROWS)
        side = "this package, unless a 500th of IMAGES_MAX_SOURCE_PIXELS is more"
        _check("a side of the source has {:,} pixels", max(header.size), longest, side)

    def frames(self, header: Header, options: Options, format: Format, geometry: Geometry | None = None) -> int:
        """Return the number of frames to render: all frames of the source, or 1 for a still image.

        *geometry* is the layout of the rendition. Without it, its size is not taken into account.
        """
        moving = format.animated and options.animated
        few = header.frames <= self.config.max_frames
        within = header.size.pixels * header.frames <= self.config.max_source_pixels
        made = _most_pixels(geometry) * header.frames if geometry is not None else 0
        return header.frames if moving and few and within and made <= self.config.max_output_pixels else 1

    def plan(self, rendition: Rendition, header: Header, *, trimmed: Box | None, mark: Header | None) -> Geometry:
        """Lay out *rendition*, and check that source, watermark and output are within the limits, as a still image.

        *trimmed* is the part of the source that remains after trimming. *mark* is the watermark's header.

        Raises:
            LimitExceeded: If one of them exceeds a limit.
        """
        config, options, format = self.config, rendition.options, rendition.format
        self.check_source(header)
        if mark is not None:
            self.check_source(mark)
        geometry = lay_out(header.size, options, trimmed=trimmed, mark=mark.size if mark else None)
        start = transformed(header.size, options, trimmed).pixels if options.transform else 0
        made = max(_most_pixels(geometry), start)
        _check("the output would have {:,} pixels", made, config.max_output_pixels, "IMAGES_MAX_OUTPUT_PIXELS")
        _check("the output would be {:,} pixels wide", geometry.final.width, config.max_width, "IMAGES_MAX_WIDTH")
        _check("the output would be {:,} pixels high", geometry.final.height, config.max_height, "IMAGES_MAX_HEIGHT")
        _check(
            "the longest side of the output would have {:,} pixels",
            max(geometry.final),
            format.max_side,
            f"the format {format.name}",
        )
        return geometry


def _most_pixels(geometry: Geometry) -> int:
    """Return the pixels of the largest picture that is made on the way."""
    return max(size.pixels for size in (geometry.scaled, geometry.canvas, geometry.final))


def _check(what: str, value: int, limit: int, set_by: str) -> None:
    if value > limit:
        raise LimitExceeded(what, value, limit, set_by=set_by)
