"""Find the quality of renditions with ``quality=auto``, in the background.

The first file has the usual quality, so nobody waits. Once it was served often enough, `Recompressor` asks for a
smaller one. The lowest quality that looks good enough is found by encoding a few times and comparing each file with the
picture. It is remembered for each source, format and size class, so that the next files of the source have it at once.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from .errors import shown
from .formats import Auto
from .geometry import Size
from .log_fields import fields
from .producer import Producer
from .rendering.result import Result
from .rendition import Rendition

logger = logging.getLogger("flask_images_vips")


class AutoQuality:
    """Finds the lowest quality whose files score at least *target*, and renders with *producer*."""

    def __init__(self, producer: Producer, target: float) -> None:
        self._producer = producer
        self._target = target

    def render(self, rendition: Rendition) -> bytes:
        """Return *rendition*, whose quality is ``auto``, at a quality that looks good enough.

        Raises:
            SourceNotFound, SourceChanged, UnreadableSource, InvalidOption, LimitExceeded, Busy: As `Producer.render`.
        """
        producer, begin = self._producer.once(), time.perf_counter()
        with producer.telling():
            made = self._made(rendition, producer)
            producer.report(rendition, made, begin)
        return made.files[0]

    def _made(self, rendition: Rendition, producer: Producer) -> Result:
        pixels, since, options = producer.facts.pixels, time.monotonic(), rendition.options
        size = producer.size_of(rendition)
        assert isinstance(options.quality, Auto)
        known = pixels.quality(rendition, size.pixels, self._target)
        if known is not None:  # another size was compared, which looks much the same
            return producer.render(_at(rendition, min(known, int(options.quality))), since)
        made = producer.search(_at(rendition, int(options.quality)), self._target, since)
        if made.quality is None:
            reason = made.complaint or "it is animated"
            logger.info("quality=auto found no final quality for %s: %s", shown(rendition.source.ref), reason)
            return made
        pixels.add_quality(rendition, size.pixels, self._target, made.quality)
        self._log(rendition, made, size)
        return made

    def _log(self, rendition: Rendition, made: Result, size: Size) -> None:
        assert made.score is not None
        ref, name = rendition.source.ref, rendition.format.name
        extra = fields("quality found", ref, format=name, quality=made.quality, score=made.score)
        logger.info(
            "found quality %d for %s as %s, %d×%d: it scores %.1f, and %.1f is enough",
            *(made.quality, shown(ref), name, *size, made.score, self._target),
            extra=extra,
        )


def _at(rendition: Rendition, quality: int) -> Rendition:
    return replace(rendition, options=replace(rendition.options, quality=quality))
