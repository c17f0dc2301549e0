"""Keep libvips from writing to stderr, and take what it says about a file that it renders nevertheless.

libvips warns about each broken tile or row, so one hostile file could fill a log.
"""

from __future__ import annotations

import ctypes
import logging
from functools import cache

from ...errors import printable
from . import abilities
from .load import pyvips

logger = logging.getLogger("flask_images_vips")

_WARNING = 1 << 4  # G_LOG_LEVEL_WARNING
_MAX_LETTERS = 200  # of a complaint


@cache
def silence() -> None:
    """Drop the warnings of libvips in this process, also those that the application's own use of pyvips causes.

    The handler must not run Python: if Python's garbage collector ran meanwhile, and freed an image that causes another
    warning, glib would abort the process. So it is a function of libvips that has no effect and ignores its arguments.
    """
    try:
        library = abilities.library()
        nothing = ctypes.cast(library.vips_cache_get_max, ctypes.c_void_p)
        library.g_log_set_handler(b"VIPS", ctypes.c_int(_WARNING), nothing, None)
    except (OSError, AttributeError) as error:
        logger.warning("The warnings of libvips cannot be turned off (%s), so broken files may fill stderr.", error)


def take_complaint() -> str:
    """Return in one line what libvips has said about a file that it could render, and let it forget that.

    Otherwise, the message of the next error would include this one.
    """
    said = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode("utf-8", "replace")
    if said:
        pyvips.vips_lib.vips_error_clear()
    line = " ".join(said.split())[:_MAX_LETTERS]
    return printable(line)
