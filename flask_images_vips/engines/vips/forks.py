"""Detect a process that was forked after libvips had computed pixels: making more there would hang.

libvips keeps worker threads for some seconds. A forked child inherits their count, but not the threads. This module
does not import pyvips, so that it can be asked before pyvips is needed.
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
    """Whether libvips would hang in this process. Logs a warning, once per process, if it would."""
    global _warned_pid  # noqa: PLW0603
    forked = _first_pid is not None and _first_pid != os.getpid()
    if forked and _warned_pid != os.getpid():
        _warned_pid = os.getpid()
        logger.warning(
            "This process was forked after libvips had rendered images in its parent, and libvips would hang here. "
            "Images are rendered by Pillow, which is slower. Render nothing at import; with gunicorn --preload, "
            "nothing before the fork; with uWSGI, set lazy-apps."
        )
    return forked
