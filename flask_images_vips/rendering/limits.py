"""Refuse sources and renditions that would cost too much, before they are decoded or rendered."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..config.keys import Config
from ..engines.engine import Header
from ..errors import LimitExceeded
from ..formats import Format
from ..geometry import Box, Geometry, Size, lay_out, transformed
from ..options.options import Options
from ..rendition import Rendition
from ..sources.source import Source


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

    def check_source(self, header: Header, frames: int = 1) -> None:
        """Check the number of pixels of a source, if *frames* frames of it are decoded.

        Raises:
            LimitExceeded: If these frames together have more pixels than ``IMAGES_MAX_SOURCE_PIXELS``, or if a frame
                has more than half that number and is decoded as a whole.
        """
        most = self.config.max_source_pixels
        if header.whole:  # frames are decoded one by one, so memory depends on one frame, and time on all frames
            half = "half of IMAGES_MAX_SOURCE_PIXELS, because it is decoded as a whole"
            _check("a frame of the source has {:,} pixels", header.size.pixels, most // 2, half)
        _check("the source has {:,} pixels", header.size.pixels * frames, most, "IMAGES_MAX_SOURCE_PIXELS")

    def frames(self, header: Header, options: Options, format: Format) -> int:
        """Return the number of frames to render: all frames of the source, or 1 for a still image."""
        moving = format.animated and options.animated
        few = header.frames <= self.config.max_frames
        within = header.size.pixels * header.frames <= self.config.max_source_pixels
        return header.frames if moving and few and within else 1

    def plan(
        self, rendition: Rendition, header: Header, frames: int, *, trimmed: Box | None, mark: Header | None
    ) -> Geometry:
        """Lay out *rendition*, and check that source, watermark and output are within the limits.

        *trimmed* is the part of the source that remains after trimming. *mark* is the watermark's header.

        Raises:
            LimitExceeded: If one of them exceeds a limit.
        """
        config, options, format = self.config, rendition.options, rendition.format
        self.check_source(header, frames)
        if mark is not None:
            self.check_source(mark)
        geometry = lay_out(header.size, options, trimmed=trimmed, mark=mark.size if mark else None)
        start: list[Size] = [transformed(header.size, options, trimmed)] if options.transform else []
        for made in {geometry.scaled, geometry.canvas, geometry.final, *start}:
            _check(
                "the output would have {:,} pixels",
                made.pixels * frames,
                config.max_output_pixels,
                "IMAGES_MAX_OUTPUT_PIXELS",
            )
        _check("the output would be {:,} pixels wide", geometry.final.width, config.max_width, "IMAGES_MAX_WIDTH")
        _check("the output would be {:,} pixels high", geometry.final.height, config.max_height, "IMAGES_MAX_HEIGHT")
        _check(
            "the longest side of the output would have {:,} pixels",
            max(geometry.final),
            format.max_side,
            f"the format {format.name}",
        )
        return geometry


def _check(what: str, value: int, limit: int, set_by: str) -> None:
    if value > limit:
        raise LimitExceeded(what, value, limit, set_by=set_by)
