"""Read and decode uploads, with the limits of sources and in renderers. Web workers decode nothing."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ..engines.choice import extras_for
from ..engines.engine import Header
from ..formats import Format, by_name
from ..headers.read import read_header
from ..options.options import Options
from ..pipeline import Pipeline
from ..pool.outcome import Budget
from ..rendering.placeholders import SMALLEST
from ..rendering.request import Request, Work, settings_of
from ..rendering.result import Result

REF = "an upload"
"""The name of an upload in errors and in the log."""


# Of a JPEG that it decodes at a reduced size, libvips 8.18 reports no damage in the last rows, and little elsewhere.
# With so much headroom, nothing is decoded at a reduced size.
_WHOLE = 1e6
_KINDS = ("thumbhash", "color", "lqip")
"""The placeholders of an upload."""


class Decoder:
    """Decodes uploads with the renderers and the limits of *pipeline*."""

    def __init__(self, pipeline: Pipeline) -> None:
        config = pipeline.config
        self._pipeline = pipeline
        self._config = replace(
            config,
            engine="auto" if config.engine == "boxes" else config.engine,
            auto_orient=True,
            svg=False,
            input_formats=tuple(dict.fromkeys((*config.input_formats, *extras_for(config.engine)))),
            headroom=_WHOLE,
            # The limits of renditions are lower than those of sources.
            max_width=max(config.max_width, config.max_source_pixels),
            max_height=max(config.max_height, config.max_source_pixels),
            max_output_pixels=max(config.max_output_pixels, config.max_source_pixels),
        )
        self._renderers = pipeline.producer.renderers

    @property
    def inputs(self) -> tuple[str, ...]:
        """The formats that an upload may have: those of sources, and those that installed extras read."""
        return self._config.input_formats

    @property
    def engine(self) -> str:
        """The value of ``IMAGES_ENGINE``."""
        return self._pipeline.config.engine

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The kinds of placeholders that can be made here."""
        return _KINDS if self._pipeline.abilities.writes(by_name("webp")) else _KINDS[:2]

    def writes(self, format: Format) -> bool:
        return self._pipeline.abilities.writes(format)

    def check_source(self, header: Header) -> None:
        """Raise `LimitExceeded` if the picture has too many pixels."""
        self._pipeline.producer.limits.check_source(header)

    def header(self, descriptor: int) -> Header:
        """Return the header of the open file.

        Raises:
            ImagesError: See `Job.run`.
        """
        config = self._config
        stated = Header.stated(
            read_header(descriptor, REF, auto_orient=True, inputs=config.input_formats), config.engine
        )
        if stated is not None:
            return stated
        header = self._run(Request(work=Work.HEADER, settings=self._settings("truncated")), descriptor).header
        assert header is not None
        return header

    def render(self, descriptor: int, size_bytes: int, options: Options, format: Format, fail_on: str) -> Result:
        """Decode the whole file in a renderer. *fail_on* is as ``IMAGES_FAIL_ON``.

        Raises:
            ImagesError: See `Job.run`.
        """
        request = Request(
            work=Work.RENDER,
            settings=self._settings(fail_on),
            options=[options],
            format=format,
            source_bytes=size_bytes,
            placeholders=list(self.placeholders),
        )
        return self._run(request, descriptor)

    def check(self, descriptor: int, size_bytes: int, fail_on: str) -> Result:
        """Decode the whole file, and return only its placeholders, and a tiny picture.

        Raises:
            ImagesError: See `Job.run`.
        """
        format = by_name("webp" if "lqip" in self.placeholders else "png")
        return self.render(descriptor, size_bytes, SMALLEST, format, fail_on)

    def focus(self, descriptor: int) -> tuple[float, float] | None:
        """Return the point of the faces in the picture, as fractions of its sides, or None if there are none.

        Raises:
            ImagesError: See `Job.run`.
        """
        settings = settings_of(replace(self._config, headroom=self._pipeline.config.headroom))
        point = self._run(Request(work=Work.FOCUS, settings=settings), descriptor).focus
        return (point[0], point[1]) if point else None

    @property
    def may_animate(self) -> tuple[int, int]:
        """The most frames of an animation, and the most pixels of all its frames together."""
        return self._config.max_frames, self._config.max_source_pixels

    def _settings(self, fail_on: str) -> dict[str, Any]:
        return settings_of(replace(self._config, fail_on=fail_on))

    def _run(self, request: Request, descriptor: int) -> Result:
        slots, since = self._pipeline.producer.slots, time.monotonic()
        config = replace(self._config, fail_on=request.settings.get("fail_on", "truncated"))
        with slots.take(since) if slots is not None else nullcontext():
            return (
                self._renderers.by(config)
                .run(request, [descriptor], [REF], since=since, budget=Budget(config.render_timeout))
                .result
            )
