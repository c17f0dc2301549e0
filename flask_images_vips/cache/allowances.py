"""Grant each of many keys so much per time, across the processes of a host.

A key may take *count* at once. What it has taken comes back evenly: one each ``seconds / count``. So all that has to be
stored of a key is when it will have everything back. A key that has everything is not stored.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

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
        if self._can_be_made():
            path = os.path.join(self.folder, f"{name[:2]}.json")
            with self._locks.hold(digest(name[:2], 8)) as held:
                times = _read(path)
                yield name, times
                # With the lock, the next process replaces what a killed one has left behind.
                temporary = f"{path}.{'new' if held else secrets.token_hex(4)}"
                try:
                    _write(path, times, temporary)
                except OSError as error:
                    self._warn(error)
            return
        here = self._process.get()
        with here.lock:
            if len(here.times) >= _MOST_IN_MEMORY:
                here.times.clear()
            yield name, here.times

    def _can_be_made(self) -> bool:
        if not self._usable():
            return False
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
        except OSError as error:
            self._warn(error)
            return False
        return True

    def _warn(self, error: OSError) -> None:
        if _said.add(self.folder):
            logger.warning("Quotas cannot be kept in %s (%s), so they may not hold.", self.folder, cause(error))


def _read(path: str) -> _Times:
    """Return the times in the file *path*. Empty if there is none, or if it is damaged."""
    damaged = (ValueError, AttributeError, TypeError, OverflowError, RecursionError)
    with suppress(OSError, *damaged), open(path, encoding="utf-8") as file:
        return {str(name): float(value) for name, value in json.load(file).items()}
    return {}


def _write(path: str, times: _Times, temporary: str) -> None:
    """Replace the file *path*, without those who have everything back."""
    now = time.time()
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({name: back for name, back in times.items() if back > now}, file)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
