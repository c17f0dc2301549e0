"""Find the quality that keeps a rendition within its limit of bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from ..formats import choose
from ..geometry import Geometry, Size
from ..options.options import DEFAULTS, Options
from ..rendition import Rendition
from ..urls import file_name, is_remote

logger = logging.getLogger("flask_images_vips")

_LOWEST_QUALITY = 20  # a limit that asks for less is exceeded
_MOST_RENDERS = 6  # of one rendition; they find its quality to within 4 of 55 steps
# Options that change no pixel as long as the size stays that of the source.
_SAME_PICTURE = ("width", "height", "mode", "enlarge", "format", "quality", "max_bytes", "download", "expires", "cache")


def byte_limit(rendition: Rendition, size: Size, geometry: Geometry) -> int | None:
    """The largest file that *rendition* may become, in bytes; None for no limit.

    The limit is ``max_bytes``. A rendition that shows the same picture as its source, in the same format and size, is
    also no larger than the source. The source's own bytes are never sent: they may hold metadata, or other data behind
    the picture.
    """
    options, source = rendition.options, rendition.source
    limits = [] if options.max_bytes is None else [options.max_bytes]
    if (
        size == geometry.scaled == geometry.final
        and replace(options, **{name: DEFAULTS[name] for name in _SAME_PICTURE}) == Options()
        and rendition.format is choose(file_name(source.ref, remote=is_remote(source.ref)), None)
    ):
        limits.append(source.size_bytes)
    return min(limits, default=None)


def within(limit: int | None, rendition: Rendition, render: Callable[[Rendition], bytes]) -> bytes:
    """Render *rendition* at the highest quality whose file has at most *limit* bytes.

    Where even the lowest quality exceeds the limit, the smallest file found is returned and a warning is logged.
    """

    def at(quality: int) -> bytes:
        return render(replace(rendition, options=replace(rendition.options, quality=quality)))

    low, high = _LOWEST_QUALITY, rendition.options.quality
    data = render(rendition)
    if limit is None or len(data) <= limit:
        return data
    if rendition.format.lossy and low < high:
        too_large, data = data, at(low)
        if len(data) <= limit:
            for _ in range(_MOST_RENDERS - 2):
                middle = (low + high) // 2
                if middle == low:
                    break
                tried = at(middle)
                if len(tried) <= limit:
                    low, data = middle, tried
                else:
                    high = middle
            return data
        data = min(data, too_large, key=len)
    ref, name = rendition.source.ref, rendition.format.name
    logger.warning("%r takes %d bytes as %s, not the %d wanted, at the lowest quality", ref, len(data), name, limit)
    return data
