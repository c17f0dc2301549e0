"""Where does the playground write? Into temporary folders, which are removed when its process ends.

A process that is killed cannot remove its folders, so the next playground does. Each folder has a file that its process
keeps locked, because process ids mean nothing to another container.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from ..cache.locks import try_lock, unlock

_PREFIX = "flask-images-demo-"
_LOCK = "lock"
_YOUNG_SECONDS = 60  # a younger folder may be about to be locked


def scratch_folder() -> Path:
    """Create a folder that only this user can read. It is removed when this process ends."""
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = None
    with suppress(OSError):  # without locks, nobody can tell that a folder is abandoned, so it stays
        lock = try_lock(str(folder / _LOCK))
    if lock is None:
        (folder / _LOCK).unlink(missing_ok=True)
    atexit.register(_remove, folder, lock, os.getpid())
    return folder


def _remove(folder: Path, lock: int | None, pid: int) -> None:
    """Remove *folder* at the end of the process *pid*, and not at the end of its children."""
    if os.getpid() == pid:
        if lock is not None:
            unlock(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # that of another user, or removed at this moment
            if time.time() - folder.lstat().st_mtime < _YOUNG_SECONDS or not (folder / _LOCK).exists():
                continue
            lock = try_lock(str(folder / _LOCK))
            if lock is not None:
                unlock(lock)
                shutil.rmtree(folder, ignore_errors=True)
