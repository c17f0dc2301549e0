"""Tell from when a wait counts. Pages do not wait, so their waits count from long ago and end at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LONG_AGO = 1_000_000.0  # seconds, more than any timeout

_since: ContextVar[float | None] = ContextVar("flask_images_vips_waiting_since", default=None)


def waiting_since() -> float:
    """Return the monotonic time from which the next wait counts: now, or long ago within `without_waiting`."""
    since = _since.get()
    return time.monotonic() if since is None else since


@contextmanager
def without_waiting() -> Iterator[None]:
    """Let the block use only renderers that are free at once, and raise `Busy` if none is."""
    token = _since.set(time.monotonic() - _LONG_AGO)
    try:
        yield
    finally:
        _since.reset(token)
