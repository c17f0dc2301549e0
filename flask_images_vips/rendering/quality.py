"""Find the quality at which a rendition stays within its limit of bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..engines.engine import overtime
from ..formats import Raw, choose
from ..geometry import Geometry, Size
from ..options.options import DEFAULTS, Options
from ..rendition import Rendition
from ..urls import file_name, is_remote

_LOWEST_QUALITY = 20  # a limit that would need a lower quality is exceeded
_MAX_RENDERS = 6  # of one rendition, which is enough to find its quality to within 4 of 55 steps
# Options that do not change the picture as long as it has the size of its source.
_SAME_PICTURE = (
    "width",
    "height",
    "mode",
    "enlarge",
    "format",
    "quality",
    "max_bytes",
    "download",
    "expires",
    "arm",
    "cache",
)


def byte_limit(rendition: Rendition, size: Size, geometry: Geometry) -> int | None:
    """Return the largest number of bytes that *rendition* may have, or None if there is no limit.

    The limit is the option ``max_bytes``. A rendition must also be no larger than its source file if it `shows_source`.
    The source file itself is never sent instead, because it may hold metadata, or other data after the end of the
    image.
    """
    limits = [] if rendition.options.max_bytes is None else [rendition.options.max_bytes]
    if shows_source(rendition, size, geometry):
        limits.append(rendition.source.size_bytes)
    return min(limits, default=None)


def shows_source(rendition: Rendition, size: Size, geometry: Geometry) -> bool:
    """Return whether *rendition* shows the same picture as its source, in the same format and size.

    *size* is the size of the source in pixels.
    """
    ref = rendition.source.ref
    return shows_pixels(rendition, size, geometry) and rendition.format is choose(
        file_name(ref, remote=is_remote(ref)), None
    )


def shows_pixels(rendition: Rendition, size: Size, geometry: Geometry, *but: str) -> bool:
    """Return whether *rendition* shows the same picture as its source, in the same size.

    *size* is the size of the source in pixels. Options named by *but* may have any value.
    """
    options = rendition.options
    return (
        size == geometry.scaled == geometry.final
        and replace(options, **{name: DEFAULTS[name] for name in (*_SAME_PICTURE, *but)}) == Options()
    )


class Deadline:
    """The deadline of one piece of work. All of its steps together may take *seconds*, starting now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begin = time.monotonic()

    @property
    def left(self) -> float:
        """The seconds until the deadline. Negative after it."""
        return self.seconds - (time.monotonic() - self._begin)

    def check(self) -> None:
        """Raise `LimitExceeded` if the time is over."""
        left = self.left
        if left < 0:
            raise overtime(self.seconds - left, self.seconds)


def within(limit: int | None, rendition: Rendition, render: Callable[[Rendition], bytes], deadline: Deadline) -> bytes:
    """Render *rendition* at the highest quality found at which the file has at most *limit* bytes.

    If even the lowest quality exceeds the limit, the smallest file found is returned.

    Raises:
        LimitExceeded: If the search passes the *deadline*.
    """
    highest = rendition.options.quality

    def at(number: int) -> bytes:
        deadline.check()
        quality = Raw(number) if isinstance(highest, Raw) else number
        return render(replace(rendition, options=replace(rendition.options, quality=quality)))

    low, high = _LOWEST_QUALITY, highest.number if isinstance(highest, Raw) else highest
    data = render(rendition)
    if limit is None or len(data) <= limit:
        return data
    if rendition.format.lossy and low < high:
        too_large, data = data, at(low)
        if len(data) <= limit:
            for _ in range(_MAX_RENDERS - 2):
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
    return data
