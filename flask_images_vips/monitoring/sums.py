"""Add up numbers across the processes of a host, without losing any when a process ends, is killed or is replaced.

Each process keeps its numbers in a file of its own, which it locks. So there is nothing to wait for when a number
changes, and the file is complete even if the process is killed. The lock of a process that has ended is free: its
numbers are added to a total, and its file is removed.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ..cache.locks import FileLocks, try_lock, unlock
from ..cache.per_process import PerProcess, Said
from ..errors import Busy
from ..system_errors import cause
from .sums_file import Key, Numbers, add_numbers, encoded, read_records, read_total, write_total, written

logger = logging.getLogger("flask_images_vips")

_SUFFIX = ".sums"
_TOTAL = "total.json"
_LOCK = "000"  # the name of the lock of the folder
_LOCK_SECONDS = 5.0
_REST_SECONDS = 10.0  # from a look at the file of the process to the next one
_MOST_KEYS = 5000
_OLD_SECONDS = 30 * 86_400

_said = Said()


class _Series:
    """The numbers of one key in this process, and where they are in its file. *offset* is None if they are not yet."""

    __slots__ = ("numbers", "offset")

    def __init__(self, count: int) -> None:
        self.numbers = [0.0] * count
        self.offset: int | None = None


class _Process:
    """The numbers of one process, and its file, which is None until it could be created. It is looked at when *due*."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.series: dict[Key, _Series] = {}
        self.file: int | None = None
        self.end = 0
        self.due = 0.0

    def is_open(self) -> bool:
        """Return whether there is a file, which somebody may have deleted."""
        return self.file is not None and os.fstat(self.file).st_nlink > 0

    def close(self) -> None:
        if self.file is not None:
            unlock(self.file)
        self.file, self.end = None, 0
        for series in self.series.values():
            series.offset = None

    def write(self, key: Key, series: _Series) -> None:
        """Write the numbers of *key* to the file. If that fails, as on a full disk, the next time makes up for it."""
        if self.file is None:
            return
        with suppress(OSError):
            if series.offset is not None:
                os.pwrite(self.file, written(series.numbers), series.offset)
                return
            record, offset = encoded(key, series.numbers)
            if os.pwrite(self.file, record, self.end) == len(record):
                series.offset = self.end + offset
                self.end += len(record)


class Sums:
    """Adds up numbers in *folder*. If *usable* returns False, or files cannot be locked, each process has its own sums.

    A key is a tuple of strings. It has one or more numbers, always the same count.
    """

    def __init__(self, folder: str, usable: Callable[[], bool] = lambda: True) -> None:
        self.folder = folder
        self._usable = usable
        self._locks = FileLocks(folder, _LOCK_SECONDS)
        self._process = PerProcess(_Process)

    def add(self, key: Key, numbers: Sequence[float]) -> None:
        """Add *numbers* to those of *key*."""
        here = self._process.get()
        with here.lock:
            series = here.series.get(key)
            if series is None:
                if len(here.series) >= _MOST_KEYS:
                    self._say("There are more than %d different metrics. The others are not counted.", _MOST_KEYS)
                    return
                series = here.series[key] = _Series(len(numbers))
            own = series.numbers
            for index, number in enumerate(numbers):
                own[index] += number
            if time.monotonic() >= here.due:
                self._open(here)
            here.write(key, series)

    def totals(self) -> Numbers:
        """Return the sums of all processes, those that have ended included.

        Raises:
            Busy: If another process holds the lock of the files for too long.
        """
        here = self._process.get()
        with here.lock:
            self._open(here)
            if here.file is None:
                return {key: tuple(series.numbers) for key, series in here.series.items()}
        with self._locked():
            total, included = self._fold()
            for name in self._names():
                if name not in included:
                    add_numbers(total, read_records(os.path.join(self.folder, name)))
            return total

    def _open(self, here: _Process) -> None:
        """Create the file of this process, unless it is there."""
        here.due = time.monotonic() + _REST_SECONDS
        if not hasattr(os, "pwrite") or here.is_open() or not self._usable():
            return
        here.close()
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            remove_old(os.path.dirname(self.folder), self.folder)
            # With the lock, nobody takes the file for that of a process that has ended before it is locked.
            with self._locked():
                here.file = try_lock(os.path.join(self.folder, secrets.token_hex(8) + _SUFFIX))
        except (OSError, Busy) as error:
            reason = cause(error) if isinstance(error, OSError) else error
            self._say("The metrics of several processes cannot be added up in %s (%s).", self.folder, reason)
            return
        for key, series in here.series.items():
            here.write(key, series)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._locks.hold(_LOCK) as held:
            if not held:
                raise Busy(f"the metrics in {self.folder} are locked")
            yield

    def _names(self) -> list[str]:
        with suppress(OSError):  # somebody may have deleted the folder
            return sorted(name for name in os.listdir(self.folder) if name.endswith(_SUFFIX))
        return []

    def _fold(self) -> tuple[Numbers, set[str]]:
        """Add the numbers of processes that have ended to the total, and remove their files.

        Return the total and the names of the files that it includes and that could not be removed. Hold the lock. The
        total names the files that it includes. If this process is killed before it has removed them, or if it may not
        remove them, they are not added again. If the total cannot be written, nothing is changed.
        """
        path = os.path.join(self.folder, _TOTAL)
        total, included = read_total(path)
        left = {name for name in self._names() if name in included and not self._removed(name)}
        ended: dict[str, int] = {}
        try:
            more = dict(total)
            for name in self._names():
                if name not in left and (lock := self._lock_of_ended(name)) is not None:
                    ended[name] = lock
                    add_numbers(more, read_records(os.path.join(self.folder, name)))
            if ended:
                write_total(path, more, [*ended, *left])
                left |= {name for name in ended if not self._removed(name)}
            return more, left
        except OSError as error:
            self._say("The total of metrics cannot be written in %s (%s).", self.folder, cause(error))
            return total, left
        finally:
            for lock in ended.values():
                unlock(lock)

    def _removed(self, name: str) -> bool:
        with suppress(FileNotFoundError):
            try:
                os.unlink(os.path.join(self.folder, name))
            except OSError:  # such as a file of another user
                return False
        return True

    def _lock_of_ended(self, name: str) -> int | None:
        with suppress(OSError):  # such as a file of another user
            return try_lock(os.path.join(self.folder, name))
        return None

    def _say(self, message: str, *values: object) -> None:
        if _said.add(message):
            logger.warning(message, *values)


def remove_old(parent: str, own: str) -> None:
    """Remove the folders of sums in *parent*, except *own*, whose processes have ended long ago.

    A container has another host name each time it is created, so its sums are never read again.
    """
    with suppress(OSError):
        for folder in os.scandir(parent):
            if folder.path != own and folder.is_dir(follow_symlinks=False):
                _remove_if_old(folder.path)


def _remove_if_old(folder: str) -> None:
    files = [file.path for file in os.scandir(folder)]
    newest = max((os.stat(path).st_mtime for path in (folder, *files)), default=0.0)
    locks = []
    try:
        if newest < time.time() - _OLD_SECONDS:
            locks = [try_lock(path) for path in files if path.endswith(_SUFFIX)]
            if None not in locks:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        for lock in locks:
            if lock is not None:
                unlock(lock)
