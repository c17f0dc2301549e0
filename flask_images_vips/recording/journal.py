"""Keep counts in files that all processes of a host share.

The folder has a summary and a log. Each process appends a line to the log from time to time. When the log is long, or
the summary is old, the log is added to the summary: ``summary-<n+1>`` is written under a temporary name and renamed,
and from then on ``log-<n+1>`` is the log. ``log-<n>`` is in the summary, so it is ignored and removed. So no line is
counted twice, and a process that is killed at any moment loses only the line that it has not appended.

A file lock lets one process write at a time. Where there are no locks, a line may be lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..cache.locks import try_lock, unlock
from ..errors import shown
from ..hashing import digest
from ..sources.spelling import plain_ref
from .counts import Counts
from .form import read_lines, write_line

logger = logging.getLogger("flask_images_vips")

FOLDER = "asked"
"""The name of the folder, in that of the cache."""

_LONGEST_LOG = 1 << 20  # bytes
_OLDEST_SUMMARY_SECONDS = 3600.0
_LONGEST_FILE = 32 << 20  # bytes; a larger one is not ours
_LOCK_SECONDS, _POLL_SECONDS = 2.0, 0.005
_TRIES = 5  # to read files that another process is replacing
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_SUMMARY, _LOG, _FORGOTTEN = "summary-", "log-", "forgotten-"
_FORGOTTEN_SECONDS = 3600.0
_DIGEST_BYTES = 16


class _Forgotten(NamedTuple):
    """A source that was forgotten at the time *at*, in seconds since 1970. Its salted digest does not tell its name."""

    at: float
    salt: str
    digest: str

    def is_of(self, ref: str) -> bool:
        return _forgotten_digest(self.salt, ref) == self.digest


class Journal:
    """The counts of all processes that use the cache *folder*.

    *observe* is called with all counts each time when a log is added to the summary.
    """

    def __init__(self, folder: str, observe: Callable[[Counts], object] = lambda counts: None) -> None:
        self.folder = os.path.join(folder, FOLDER)
        self._lock = os.path.join(folder, "locks", "record.lock")
        self._observe = observe

    def is_possible(self) -> bool:
        """Return whether there is a cache folder. It is not created here: somebody may just have removed it."""
        return os.path.isdir(os.path.dirname(self.folder))

    def read(self) -> Counts:
        """Return all counts, aged until now. There are none if nothing was recorded.

        Raises:
            PermissionError: If they belong to another user.
        """
        counts = self._read(self._number())
        counts.age(time.time())
        return counts

    def append(self, counts: Counts, since: float, *, wait_seconds: float = _LOCK_SECONDS) -> bool:
        """Add *counts*, which were counted since the time *since*. Return whether the log needs `compact`.

        Sources that were forgotten meanwhile are left out.

        Raises:
            TimeoutError: If another process is writing for longer than *wait_seconds*. Try again later.
            OSError: If nothing can be written.
        """
        with self._locked(wait_seconds):
            self._make_folder()
            forgotten = [each for each in self._recently_forgotten() if each.at >= since]
            if forgotten:
                counts.forget_if(lambda ref: any(each.is_of(ref) for each in forgotten))
            if since < time.time() - _FORGOTTEN_SECONDS:
                counts.sources.clear()  # what was forgotten before is not known any more
            number = self._number()
            self._append(f"{_LOG}{number}", write_line(counts))
            return self._is_due(number)

    def compact(self, *, always: bool = True) -> None:
        """Add the log to the summary. Unless *always*, do so only if another process has not just done it.

        Raises:
            TimeoutError, OSError: As `append`.
        """
        self.change(self._observe, always=always)

    def change(self, change: Callable[[Counts], object], *, always: bool = True) -> None:
        """Call *change* with all counts, and keep what it makes of them. *always* is as in `compact`.

        Raises:
            TimeoutError, OSError: As `append`.
        """
        with self._locked(_LOCK_SECONDS):
            self._make_folder()
            number = self._number()
            if not always and not self._is_due(number):
                return
            counts = self._read(number)
            counts.age(time.time())
            change(counts)
            counts.bound()
            self._write(f"{_SUMMARY}{number + 1}", write_line(counts))
            self._sweep(number + 1)

    def forget(self, ref: str) -> None:
        """Remove all that is recorded of the source *ref*, also what other processes have not appended yet.

        Raises:
            TimeoutError, OSError: As `append`.
        """
        if not _names(self.folder):
            return
        salt, at = secrets.token_hex(8), time.time() + 0.001  # it is rounded
        name = f"{_FORGOTTEN}{at:.3f}-{salt}-{_forgotten_digest(salt, ref)}"
        os.close(os.open(os.path.join(self.folder, name), _CREATE, 0o600))
        _hand_over(os.path.join(self.folder, name))
        self.change(lambda counts: counts.forget(ref))

    def clear(self) -> None:
        """Remove all counts.

        Raises:
            TimeoutError, OSError: As `append`.
        """
        if not _names(self.folder):
            return
        with self._locked(_LOCK_SECONDS):
            for name in _names(self.folder):
                if name.startswith((_SUMMARY, _LOG)):
                    os.unlink(os.path.join(self.folder, name))

    @contextlib.contextmanager
    def _locked(self, wait_seconds: float) -> Iterator[None]:
        """Hold the lock for the block, if there are locks.

        Raises:
            TimeoutError: If another process holds it for longer than *wait_seconds*.
        """
        descriptor = self._taken(wait_seconds)
        try:
            yield
        finally:
            if descriptor is not None:
                unlock(descriptor)

    def _taken(self, wait_seconds: float) -> int | None:
        """Return the descriptor of the lock, or None if there are no locks. Raises TimeoutError as `_locked`."""
        if not self.is_possible():
            return None
        end = time.monotonic() + wait_seconds
        try:
            while (descriptor := try_lock(self._lock)) is None and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
        except OSError:
            return None
        if descriptor is None:
            raise TimeoutError(f"another process writes to {self.folder} for more than {wait_seconds} s")
        _hand_over(self._lock)
        return descriptor

    def _make_folder(self) -> None:
        """Create the folder in that of the cache, which must exist: it has the right modes."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder, 0o700)
            _hand_over(self.folder)

    def _number(self) -> int:
        """Return the number of the current log."""
        numbers = [name.removeprefix(_SUMMARY) for name in _names(self.folder) if name.startswith(_SUMMARY)]
        return max((int(number) for number in numbers if number.isascii() and number.isdecimal()), default=0)

    def _read(self, number: int) -> Counts:
        for _ in range(_TRIES):
            counts = read_lines(self._content(f"{_SUMMARY}{number}"))
            log = self._content(f"{_LOG}{number}")
            newest = self._number()
            if newest == number:
                counts.add(read_lines(log))
                return counts
            number = newest
        return counts

    def _content(self, name: str) -> bytes:
        try:
            descriptor = os.open(os.path.join(self.folder, name), _READ)
        except FileNotFoundError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            return file.read() if os.fstat(descriptor).st_size <= _LONGEST_FILE else b""

    def _append(self, name: str, line: bytes) -> None:
        """Append *line* to a file."""
        path = os.path.join(self.folder, name)
        descriptor = os.open(path, _APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if not size:
                _hand_over(path)
            else:
                os.lseek(descriptor, size - 1, os.SEEK_SET)
                if os.read(descriptor, 1) != b"\n":  # a process was killed while it appended
                    line = b"\n" + line
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, size)
                raise OSError(f"only {written} of {len(line)} bytes could be written to {path}")
        finally:
            os.close(descriptor)

    def _write(self, name: str, data: bytes) -> None:
        """Write a whole file, in one step for its readers."""
        temporary = os.path.join(self.folder, f".tmp-{secrets.token_hex(8)}")
        descriptor = os.open(temporary, _CREATE, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)  # or a crash of the host may leave an empty file, and the log is removed
            _hand_over(temporary)
            os.replace(temporary, os.path.join(self.folder, name))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _is_due(self, number: int) -> bool:
        """Return whether the log with *number* is long, or the summary is old. If there is none yet, the folder is."""
        log, summary = (os.path.join(self.folder, f"{kind}{number}") for kind in (_LOG, _SUMMARY))
        with contextlib.suppress(OSError):
            if os.stat(log).st_size > _LONGEST_LOG:
                return True
            return time.time() - os.stat(summary if number else self.folder).st_mtime > _OLDEST_SUMMARY_SECONDS
        return False

    def _forgotten(self) -> list[_Forgotten]:
        found = []
        for name in _names(self.folder):
            at, salt, forgotten = [*name.removeprefix(_FORGOTTEN).split("-"), "", ""][:3]
            with contextlib.suppress(ValueError):
                if name.startswith(_FORGOTTEN):
                    found.append(_Forgotten(float(at), salt, forgotten))
        return found

    def _recently_forgotten(self) -> list[_Forgotten]:
        """Return what was forgotten within an hour. A time in the future comes from a clock that was wrong."""
        now = time.time()
        return [each for each in self._forgotten() if abs(now - each.at) < _FORGOTTEN_SECONDS]

    def _sweep(self, number: int) -> None:
        """Remove the files that the summary with *number* replaces, and those that killed processes left behind."""
        kept = (f"{_SUMMARY}{number}", f"{_LOG}{number}")
        recent = {f"{each.at:.3f}" for each in self._recently_forgotten()}
        for name in _names(self.folder):
            if name not in kept and not (name.startswith(_FORGOTTEN) and name.split("-")[1] in recent):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.folder, name))


def _hand_over(path: str) -> None:
    """Give a file that a command of root has made to the owner of its folder, as which the site runs."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path))
        if folder.st_uid:
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


def _forgotten_digest(salt: str, ref: str) -> str:
    return digest(f"{salt}\n{plain_ref(ref)}", _DIGEST_BYTES)


def _names(folder: str) -> list[str]:
    """Return the names of the files in *folder*, none if there is no such folder."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def forget(folder: str, ref: str) -> None:
    """Remove all that is recorded of the source *ref* in the cache *folder*. If that fails, it is logged."""
    try:
        Journal(folder).forget(ref)
    except OSError as error:
        logger.warning("What is recorded of %s in %s cannot be removed: %s", shown(ref), folder, error)
