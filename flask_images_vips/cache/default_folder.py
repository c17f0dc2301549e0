"""Find the folder of a cache whose place is not configured."""

from __future__ import annotations

import os
import tempfile

from ..hashing import digest


def default_folder(root_path: str) -> str:
    """Return a folder below the system's temporary folder, for this user and the application at *root_path*."""
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    # Use one folder per application, because two applications may each have a logo.png with the same size and
    # modification time.
    return os.path.join(_temporary_folder(), f"flask-images-{user}", digest(root_path, 8))


def _temporary_folder() -> str:
    """Return the system's temporary folder. If it cannot be written, the cache reports that when it is first used."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # no temporary folder is writable, nor is the current folder
        folder = os.environ.get("TMPDIR", "")
        return folder if os.path.isabs(folder) else os.path.join(os.sep, "tmp")
