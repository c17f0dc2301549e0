"""Where does the playground write? Into one temporary folder, which is removed when its process ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def scratch_folder() -> Path:
    """Create a folder that only this user can read. It is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix="flask-images-demo-")
    atexit.register(_remove, folder, os.getpid())
    return Path(folder)


def _remove(folder: str, pid: int) -> None:
    """Remove *folder* at the end of the process *pid*, and not at the end of its children."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
