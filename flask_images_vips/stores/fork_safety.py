"""Detect a process that was forked after obstore was used. In such a process, every request to a store hangs.

obstore sends requests with threads that it starts at its first use. A forked child inherits the memory that says so,
but not the threads.
"""

from __future__ import annotations

import logging
import os

logger = logging.getLogger("flask_images_vips")

_used_by: int | None = None
"""The process that used obstore first: this one, or one from which it was forked."""
_warned_pid: int | None = None


def note_use() -> None:
    """Record that this process is about to use obstore."""
    global _used_by  # noqa: PLW0603
    if _used_by is None:
        _used_by = os.getpid()


def forked_after_use() -> bool:
    """Return whether obstore would hang in this process. Logs a warning if so, once per process."""
    global _warned_pid  # noqa: PLW0603
    forked = _used_by is not None and _used_by != os.getpid()
    if forked and _warned_pid != os.getpid():
        _warned_pid = os.getpid()
        logger.warning(
            "This process was forked after its parent had used an object store. Requests to stores would hang here, so "
            "none are sent. To avoid this, do not build or render images at import. With gunicorn --preload, do so "
            "only after the fork; with uWSGI, set lazy-apps."
        )
    return forked
