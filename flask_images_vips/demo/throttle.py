"""Send pictures as slowly as a slow network would. Only the frames of the page of devices ask for them in this way."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

MOST_AT_ONCE = 6
"""Responses that are slow at the same time: as many as a browser requests. Each occupies a thread of the server, so
further ones are sent without a delay."""
MOST_SECONDS = 12.0
"""After this time, the rest of a picture is sent at once."""

_CHUNK = 4096
_REMEMBERED = 64  # lines


class Network(NamedTuple):
    """The bandwidth, and the time that passes before the first byte, as WebPageTest defines them."""

    title: str
    bits_per_second: int
    seconds_before: float


NETWORKS = {
    "slow-3g": Network("Slow 3G", 400_000, 0.4),
    "fast-3g": Network("Fast 3G", 1_600_000, 0.15),
    "4g": Network("4G", 9_000_000, 0.17),
}


class Lines:
    """Lines to devices. All responses on one line share its bandwidth."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._free: OrderedDict[str, float] = OrderedDict()
        """When each line has sent all that it was given."""

    def send(self, line: str, network: Network, data: bytes) -> Iterator[bytes]:
        """Yield *data* in parts, each when a device on *line* would have it."""
        if not self._slots.acquire(blocking=False):
            yield data
            return
        try:
            begin = self._clock()
            end = begin + MOST_SECONDS
            for at in range(0, len(data), _CHUNK):
                part = data[at : at + _CHUNK]
                until = self._reserve(line, begin + network.seconds_before, 8 * len(part) / network.bits_per_second)
                if until > end:
                    yield data[at:]
                    return
                self._sleep(max(0.0, until - self._clock()))
                yield part
        finally:
            self._slots.release()

    def _reserve(self, line: str, earliest: float, seconds: float) -> float:
        """Reserve the next *seconds* of *line*, and return when they are over."""
        with self._lock:
            until = max(earliest, self._free.pop(line, 0.0), self._clock()) + seconds
            self._free[line] = until
            if len(self._free) > _REMEMBERED:
                self._free.popitem(last=False)
            return until
