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

LIBRARY = {"darwin": "libvips.42.dylib", "win32": "libvips-42.dll"}.get(sys.platform, "libvips.so.42")
"""The name of libvips in the system, if it does not come with pyvips' own extension."""


def missing() -> str | None:
    """Return what is missing or too old, or None if nothing is known to be. A renderer may still find a problem."""
    if not _is_importable("pyvips"):
        return "pyvips is not installed"
    if _is_importable("_libvips"):  # a binary module, which comes with libvips or was built for it
        return None
    try:
        libvips = ctypes.CDLL(LIBRARY)
        return too_old((libvips.vips_version(0), libvips.vips_version(1)))
    except (OSError, AttributeError) as error:
        return f"libvips cannot be loaded ({error})"


def unusable(error: Exception) -> str:
    """Return why pyvips cannot be used, if importing it has failed with *error*."""
    if isinstance(error, ModuleNotFoundError) and error.name == "pyvips":
        return "pyvips is not installed"
    reason = str(error).partition(".  Additionally, ctypes")[0]  # cffi says the same twice
    reason = reason.removeprefix("cannot load library 'libvips.so.42': ")
    if isinstance(error, OSError):
        return f"libvips cannot be loaded ({reason})"
    return f"pyvips cannot be imported ({reason})"


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
