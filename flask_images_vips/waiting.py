"""Count the times that one page waits together, so that it waits no longer than one image does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_since: ContextVar[float | None] = ContextVar("flask_images_vips_waiting_since", default=None)


def waiting_since() -> float:
    """Return the monotonic time from which the next wait counts: now, or earlier within `already_waited`."""
    since = _since.get()
    return time.monotonic() if since is None else since


@contextmanager
def already_waited(seconds: float) -> Iterator[None]:
    """Let waits within the block count as if they had begun *seconds* ago."""
    token = _since.set(time.monotonic() - seconds)
    try:
        yield
    finally:
        _since.reset(token)
