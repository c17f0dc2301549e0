"""Let a page wait for renderers at most once, however many of its pictures need one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, has_request_context

from ..waiting import already_waited

_SECONDS = "flask_images_vips_seconds"


@contextmanager
def one_wait() -> Iterator[None]:
    """Count the time of the block, and of all such blocks of this request before it, as one wait.

    After ``IMAGES_LOCK_TIMEOUT`` in all, only a renderer that is free at once is used. Outside of a request, such as in
    a command, each block waits by itself.
    """
    if not has_request_context():
        yield
        return
    begin, spent = time.monotonic(), g.get(_SECONDS, 0.0)
    try:
        with already_waited(spent):
            yield
    finally:
        setattr(g, _SECONDS, spent + time.monotonic() - begin)
