"""Import pyvips, in the order of libraries that keeps Pillow's codecs intact.

The libvips of a Linux distribution loads its codecs as modules, and makes their functions visible to all libraries that
are loaded later. The AVIF codec of Pillow's wheels would then call the distribution's libaom or libdav1d instead of its
own one, which has another version: it decoded alpha wrong with Debian 12. So load it first. The libvips of
pyvips-binary has no modules.
"""

from __future__ import annotations

import importlib.util
from contextlib import suppress

from ..pillow.codecs import load_avif


def _is_from_wheel() -> bool:
    """Return whether the binary module of pyvips is linked to the libraries of pyvips-binary."""
    with suppress(ImportError, ValueError, OSError):
        found = importlib.util.find_spec("_libvips")
        if found is not None and found.origin is not None:
            with open(found.origin, "rb") as file:
                return b"pyvips_binary" in file.read()
    return False


if not _is_from_wheel():
    load_avif()

import pyvips  # noqa: E402

__all__ = ["pyvips"]
