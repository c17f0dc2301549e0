"""Check cheaply whether libvips is installed, without importing pyvips.

Web workers need neither pyvips nor libvips, because renderers load them. But a site that wants only libvips must not
start without it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from typing import NamedTuple

OLDEST = 8, 14
"""The oldest version of libvips whose operations suffice for the steps of the engine."""

LIBRARY = {"darwin": "libvips.42.dylib", "win32": "libvips-42.dll"}.get(sys.platform, "libvips.so.42")
"""The name of libvips in the system, if it does not come with pyvips' own extension."""


REINSTALL = "pip install --force-reinstall --no-deps pyvips-binary"
INSTALL = "Install it with: pip install --upgrade pyvips pyvips-binary"


class Problem(NamedTuple):
    """Why libvips cannot be used, and a sentence with the command that helps."""

    reason: str
    cure: str


def missing() -> Problem | None:
    """Return what is missing or too old, or None if nothing is known to be. A renderer may still find a problem.

    libvips is loaded, but not started. That takes about 5 ms of CPU time and 1 MB of memory.
    """
    pyvips = _file_of("pyvips")
    if pyvips is None:
        return Problem("pyvips is not installed", INSTALL)
    binary = _file_of("_libvips")  # which comes with libvips, or was built for it
    if binary and sys.platform == "win32":
        return None  # only the package itself knows the folder of its libraries
    problem = None
    for file in filter(None, (binary, LIBRARY)):  # in the order of pyvips
        try:
            libvips = ctypes.CDLL(file)
            old = too_old((libvips.vips_version(0), libvips.vips_version(1), libvips.vips_version(2)))
            return Problem(old, newer(overwritten=has_wheel(pyvips))) if old else None
        except OSError as error:
            problem = problem or Problem(f"libvips cannot be loaded ({error})", INSTALL)
        except AttributeError:  # the system does not look for the function in the libraries of the binary module
            return None
    return problem


def unusable(error: Exception) -> str:
    """Return why pyvips cannot be used, if importing it has failed with *error*."""
    if isinstance(error, ModuleNotFoundError) and error.name == "pyvips":
        return "pyvips is not installed"
    reason = str(error).partition(".  Additionally, ctypes")[0]  # cffi says the same twice
    reason = reason.removeprefix("cannot load library 'libvips.so.42': ")
    if isinstance(error, PermissionError):  # cffi looks for another name with a compiler, which renderers may not run
        reason = f"the system has no {LIBRARY}"
    if isinstance(error, OSError):
        return f"libvips cannot be loaded ({reason})"
    return f"pyvips cannot be imported ({reason})"


def too_old(version: tuple[int, ...], file: str | None = None) -> str | None:
    """Return why *version* of libvips, loaded from *file*, cannot be used, or None."""
    if version >= OLDEST:
        return None
    where = f" ({file})" if file else ""
    return f"libvips {'.'.join(map(str, version))}{where} is older than {'.'.join(map(str, OLDEST))}"


def has_wheel(pyvips: str) -> bool:
    """Return whether pyvips-binary is installed beside the file *pyvips* of the package of that name."""
    neighbours = os.path.dirname(os.path.dirname(pyvips))  # faster than to look for its metadata
    return any(name.startswith("pyvips_binary") for name in os.listdir(neighbours))


def newer(*, overwritten: bool) -> str:
    """Return a sentence that says how to install a newer libvips. It may be there, but *overwritten*."""
    if overwritten:
        return f"To use the libvips of pyvips-binary instead, run: {REINSTALL}"
    return "Install a newer libvips with: pip install --upgrade pyvips-binary"


def _file_of(module: str) -> str | None:
    """Return the file of *module*, or None if it cannot be imported."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return found.origin if found else None
