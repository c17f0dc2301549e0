"""Detect a process that was forked after libvips had computed pixels. In such a process, libvips hangs.

libvips keeps idle worker threads for some seconds. A forked child inherits their number, but not the threads
themselves, and waits for them. It makes no difference whether this package or the application has rendered: libvips
itself says whether its process has ever allocated pixels. This module does not import pyvips, because it is used before
pyvips is needed.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys

logger = logging.getLogger("flask_images_vips")

_noted = False
"""Whether this process, or one from which it was forked, has rendered."""
_used_before_fork = False
"""Whether libvips had computed pixels in the parent of the process that is just forked."""
_known: tuple[int, bool] = (os.getpid(), False)
"""A process ID, and whether that process was forked after pixels. The process that imports this module was not."""
_warned_pid: int | None = None


def note_pixels() -> None:
    """Record that libvips is about to compute pixels in this process."""
    global _noted  # noqa: PLW0603
    _is_late_fork()  # before the pixels of this process count
    _noted = True


def forked_after_pixels() -> bool:
    """Return whether libvips would hang in this process. Logs a warning if so, once per process."""
    global _warned_pid  # noqa: PLW0603
    forked = _is_late_fork()
    if forked and _warned_pid != os.getpid():
        _warned_pid = os.getpid()
        logger.warning(
            "This process was forked after libvips had rendered images in its parent. libvips would hang here, so "
            "images are rendered by Pillow, which is slower. To avoid this, do not render images at import. With "
            "gunicorn --preload, do not render before the fork; with uWSGI, set lazy-apps."
        )
    return forked


def _is_late_fork() -> bool:
    global _known  # noqa: PLW0603
    pid, late = _known
    if pid != os.getpid():
        # A fork by C code, as in uWSGI, calls none of the functions below. Memory is inherited, so libvips still knows
        # what its parent did.
        late = _has_computed_pixels()
        _known = os.getpid(), late
    return late


def _has_computed_pixels() -> bool:
    """Return whether libvips has computed pixels in this process or in one from which it was forked."""
    if _noted or "pyvips" not in sys.modules:
        return _noted
    # pyvips has no function for this. The library is loaded already, so this only looks up the function.
    binding = sys.modules.get("_libvips")
    try:
        libvips = ctypes.CDLL(str(binding.__file__) if binding else "libvips.so.42")
        allocated = libvips.vips_tracked_get_mem_highwater
    except (OSError, AttributeError):
        return True  # pyvips is imported, and nothing else is known
    allocated.restype = ctypes.c_size_t
    return bool(allocated())


def _before_fork() -> None:
    global _used_before_fork  # noqa: PLW0603
    _used_before_fork = _has_computed_pixels()


def _after_fork_in_child() -> None:
    global _known  # noqa: PLW0603
    _known = os.getpid(), _used_before_fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
