"""Detect a process that was forked after libvips had computed pixels. In such a process, libvips hangs.

libvips keeps idle worker threads for some seconds. A forked child inherits their number, but not the threads
themselves, and waits for them. This module does not import pyvips, because it is used before pyvips is needed.
"""

from __future__ import annotations

import logging
import os

logger = logging.getLogger("flask_images_vips")

_first_pid: int | None = None
"""The process in which libvips computed its first pixels."""
_warned_pid: int | None = None


def note_pixels() -> None:
    """Record that libvips is about to compute pixels in this process."""
    global _first_pid  # noqa: PLW0603
    _first_pid = _first_pid or os.getpid()


def forked_after_pixels() -> bool:
    """Return whether libvips would hang in this process. Logs a warning if so, once per process."""
    global _warned_pid  # noqa: PLW0603
    forked = _first_pid is not None and _first_pid != os.getpid()
    if forked and _warned_pid != os.getpid():
        _warned_pid = os.getpid()
        logger.warning(
            "This process was forked after libvips had rendered images in its parent. libvips would hang here, so "
            "images are rendered by Pillow, which is slower. To avoid this, do not render images at import. With "
            "gunicorn --preload, do not render before the fork; with uWSGI, set lazy-apps."
        )
    return forked
