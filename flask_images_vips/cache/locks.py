"""Lock out other threads and processes of this host with file locks, which the kernel frees if a holder is killed.

The lock files are a fixed set and are never removed. If one was removed while it is locked, another process could
create and lock a new file of the same name.
"""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .folder import make_parents

logger = logging.getLogger("flask_images_vips")

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_STRIPE_DIGITS = 3  # 3 hexadecimal digits make 4096 locks, so that unrelated names rarely share one
_STRIPES = 3  # files that a name may use, so that it need not wait if another name uses the first
_LONGEST_NAME = 64
# Dozens of threads may poll at the same time. Each poll takes 20 µs of CPU time, mostly for waking up. This time is
# taken from the renders that the threads are waiting for. Blocking in the kernel allows no timeout, so each waiting
# thread would need a helper thread, which costs even more.
_POLL_SECONDS = 0.005

_descriptors: set[int] = set()
"""The descriptors of the locks that this process holds or is trying to take."""

_lockable: set[str] = set()
"""The folders whose file system is known to have locks."""


def try_lock(path: str) -> int | None:
    """Lock the file *path*, which is created if missing.

    Return a descriptor for `unlock`, or None if somebody else holds the lock. Each call opens the file anew, so
    threads exclude each other as processes do.

    Raises:
        OSError: If the file cannot be locked, for example on a file system without locks.
    """
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        make_parents(path, 0o700)
        descriptor = os.open(path, _FLAGS, 0o600)
    _descriptors.add(descriptor)
    locked = False
    try:
        locked = _lock(descriptor)
        if not locked:
            _check_lockable(os.path.dirname(path))
    finally:
        if not locked:
            _close(descriptor)
    return descriptor if locked else None


def _check_lockable(folder: str) -> None:
    """Check that files in *folder* can be locked at all.

    The same error (EACCES) can mean that somebody else holds a lock, or that there are no locks. Nobody else can hold
    the lock of a new file.

    Raises:
        OSError: If they cannot be locked.
    """
    if folder not in _lockable:
        with tempfile.TemporaryFile(dir=folder) as file:
            if not _lock(file.fileno()):
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), folder)
        _lockable.add(folder)


def unlock(descriptor: int) -> None:
    """Release a lock by the descriptor that `try_lock` returned."""
    with suppress(OSError):  # such as of a file server that is gone: closing frees the lock, too
        try:
            _unlock(descriptor)  # closing is not enough if a child of this process has the file open too
        finally:
            _close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file, and return whether nobody else holds its lock."""
    from filelock import lock_descriptor  # noqa: PLC0415  (slow to import, and images from the cache need no lock)

    return lock_descriptor(descriptor, blocking=False)


def _unlock(descriptor: int) -> None:
    from filelock import unlock_descriptor  # noqa: PLC0415

    unlock_descriptor(descriptor)


def _close(descriptor: int) -> None:
    _descriptors.discard(descriptor)  # before closing, since the number may be reused at once
    os.close(descriptor)


def _close_inherited() -> None:
    """Close inherited locks in a forked child. Otherwise it would keep them even if its parent is killed."""
    while _descriptors:
        with suppress(OSError):
            os.close(_descriptors.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


class FileLocks:
    """Named locks for all processes of this host, as files in *folder*.

    A thread waits for a lock for at most *timeout* seconds. If the folder cannot be used for locks, *warn* is called.
    """

    def __init__(self, folder: str, timeout: float, warn: Callable[[OSError], None] | None = None) -> None:
        self.folder = folder
        self.timeout = timeout
        self._warn = warn or self._log

    @contextmanager
    def hold(
        self, name: str, *, since: float | None = None, needless: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Hold the lock *name*, a string of hexadecimal digits, for the block. Yields whether it is held.

        The block runs without the lock in three cases. First, the timeout has passed, counted from the monotonic time
        *since* or from now. Second, the folder cannot be used for locks. Third, *needless* returns True, because
        somebody else has done the work meanwhile. Without the lock, work may be done twice, but its result is still
        right.
        """
        lock = self._acquired(name, time.monotonic() if since is None else since, needless)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                _release(lock)

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Hold the lock *name* for the block, unless somebody else holds it now. Yields whether nobody else does."""
        lock, free = None, True
        try:
            lock = self._taken(name)
            free = lock is not None
        except OSError as error:
            self._warn(error)
        try:
            yield free
        finally:
            if lock is not None:
                _release(lock)

    def _acquired(self, name: str, since: float, needless: Callable[[], bool]) -> int | None:
        try:
            while (lock := self._taken(name)) is None:
                left = since + self.timeout - time.monotonic()
                if left <= 0:
                    logger.warning(
                        "Waited %s s for the lock %s in %s, whose holder may hang. Continuing without the lock.",
                        *(self.timeout, name, self.folder),
                    )
                    return None
                time.sleep(min(_POLL_SECONDS, left))
                if needless():
                    return None
            return lock
        except OSError as error:
            self._warn(error)
        return None

    def _taken(self, name: str) -> int | None:
        """Return the descriptor of a lock for *name*, or None if somebody else holds one.

        Names share files. A file that is locked for another name is passed over, so that unrelated work does not wait.
        """
        paths = self._paths(name)
        for path in paths:
            lock = try_lock(path)
            if lock is not None:
                if any(_is_held_for(name, other) for other in paths if other != path):
                    unlock(lock)
                    return None
                _note_holder(lock, name)
                return lock
            if _holder(path) in ("", name):
                return None
        return None

    def _paths(self, name: str) -> list[str]:
        """Return the paths of the files that may be locked for *name*, the preferred one first."""
        starts = range(0, _STRIPES * _STRIPE_DIGITS, _STRIPE_DIGITS)
        parts = [part for start in starts if len(part := name[start : start + _STRIPE_DIGITS]) == _STRIPE_DIGITS]
        return [os.path.join(self.folder, f"{part}.lock") for part in parts]

    def _log(self, error: OSError) -> None:
        logger.warning("Locks in %s cannot be used (%s). Continuing without them.", self.folder, error)


def _release(lock: int) -> None:
    _note_holder(lock, "")
    unlock(lock)


def _note_holder(lock: int, name: str) -> None:
    """Write into the file of *lock* for which name it is locked. A process that was killed leaves the last one."""
    with suppress(OSError):  # if the disk is full, names that share the file wait for each other
        os.ftruncate(lock, 0)
        os.pwrite(lock, name.encode(), 0)


def _holder(path: str) -> str:
    """Return the name that the file *path* is, or was last, locked for. Empty if it is not known."""
    try:
        descriptor = os.open(path, _FLAGS & ~os.O_CREAT)
    except OSError:
        return ""
    try:
        return os.pread(descriptor, _LONGEST_NAME, 0).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _is_held_for(name: str, path: str) -> bool:
    """Return whether the file *path* is locked for *name* now."""
    if _holder(path) != name:
        return False
    lock = try_lock(path)
    if lock is not None:
        _release(lock)  # its holder was killed
    return lock is None
