"""Check cheaply whether libvips is installed, without importing pyvips.

Web workers need neither pyvips nor libvips, because renderers load them. But a site that wants only libvips must not
start without it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

OLDEST = 8, 14
"""The oldest version of libvips whose operations suffice for the steps of the engine."""

_FILES = {"darwin": "libvips.42.dylib", "win32": "libvips-42.dll"}


def missing() -> str | None:
    """Return what is missing or too old, or None if nothing is known to be. A renderer may still find a problem."""
    if not _is_importable("pyvips"):
        return "pyvips is not installed"
    if _is_importable("_libvips"):  # a binary module, which comes with libvips or was built for it
        return None
    try:
        libvips = ctypes.CDLL(_FILES.get(sys.platform, "libvips.so.42"))
        return too_old((libvips.vips_version(0), libvips.vips_version(1)))
    except (OSError, AttributeError) as error:
        return f"libvips cannot be loaded ({error})"


def too_old(version: tuple[int, ...], file: str | None = None) -> str | None:
    """Return why *version* of libvips, loaded from *file*, cannot be used, or None."""
    if version >= OLDEST:
        return None
    where = f" ({file})" if file else ""
    return f"libvips {'.'.join(map(str, version))}{where} is older than {'.'.join(map(str, OLDEST))}"


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
