"""Grant each of many keys so much per time, across the processes of a host.

A key may take *count* at once. What it has taken comes back evenly: one each ``seconds / count``. So all that has to be
stored of a key is when it will have everything back. A key that has everything is not stored.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from ..hashing import digest
from ..system_errors import cause
from .locks import FileLocks
from .per_process import PerProcess, Said

logger = logging.getLogger("flask_images_vips")

_LOCK_SECONDS = 1.0
_MOST_IN_MEMORY = 10_000
_ROUNDING = 1e-6

_said = Said()

_Times = dict[str, float]
"""When keys will have everything back, in seconds since 1970, by their digests."""


class _Process:
    """The times of one process, for where no files can be written."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.times: _Times = {}


class Allowances:
    """Keeps what keys have taken, in *folder*. If *usable* returns False, each process keeps it for itself."""

    def __init__(self, folder: str, usable: Callable[[], bool] = lambda: True) -> None:
        self.folder = folder
        self._usable = usable
        self._locks = FileLocks(os.path.join(folder, "locks"), _LOCK_SECONDS)
        self._process = PerProcess(_Process)

    def take(self, key: str, count: float, seconds: float) -> float:
        """Take one of the *count* per *seconds* of *key*. Returns 0, or the seconds until it can be taken."""
        interval = seconds / count
        with self._times(key) as (name, times):
            now = time.time()
            # A clock that was set back, or a quota that was lowered, must not lock the key for longer.
            back = min(max(times.get(name, now), now), now + seconds)
            wait = back + interval - now - seconds
            if wait > _ROUNDING:
                return wait
            times[name] = back + interval
        return 0.0

    def give_back(self, key: str, count: float, seconds: float) -> None:
        """Give back what `take` has granted to *key*."""
        with self._times(key) as (name, times):
            if name in times:
                times[name] -= seconds / count

    @contextmanager
    def _times(self, key: str) -> Iterator[tuple[str, _Times]]:
        """Yield the name of *key*, and the times of it and some others, which are stored after the block."""
        name = digest(key, 16)
        file = self._opened(name[:2])
        if file is None:
            here = self._process.get()
            with here.lock:
                if len(here.times) >= _MOST_IN_MEMORY:
                    here.times.clear()
                yield name, here.times
            return
        with file, self._locks.hold(f"0{name[:2]}"):  # a name that uses one file only
            data = file.read()
            times = _parsed(data)
            yield name, times
            try:
                _write(file, times, len(data))
            except OSError as error:
                self._warn(error)

    def _opened(self, name: str) -> FileIO | None:
        """Open a file of the folder, which is created if it is missing. Returns None if that is not possible."""
        if not self._usable():
            return None
        path = os.path.join(self.folder, f"{name}.json")
        with suppress(OSError):
            return FileIO(path, "r+")
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            return FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        except OSError as error:
            self._warn(error)
        return None

    def _warn(self, error: OSError) -> None:
        if _said.add(self.folder):
            logger.warning("Quotas cannot be kept in %s (%s), so they may not hold.", self.folder, cause(error))


def _parsed(data: bytes) -> _Times:
    """Return the times in the content of a file. Empty if it is damaged, as by a process that was killed."""
    with suppress(ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return {str(name): float(value) for name, value in json.loads(data).items()}
    return {}


def _write(file: FileIO, times: _Times, size: int) -> None:
    """Write *times* into *file*, which has *size* bytes, without those who have everything back.

    The file is not replaced or truncated, because some file systems then wait for the disk. If it has to grow, it gets
    spaces at its end first: on a full disk, that fails and does not damage it.
    """
    now = time.time()
    data = json.dumps({name: back for name, back in times.items() if back > now}).encode()
    if len(data) > size:
        padding = len(data) - size
        file.seek(size)
        if file.write(b" " * padding) != padding:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.seek(0)
    file.write(data.ljust(size))
