"""Which process may make it? File locks, which a killed holder frees.

The lock files are a fixed set that is never removed: unlinking one while it is held would let a second holder in.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from filelock import lock_descriptor, unlock_descriptor

logger = logging.getLogger("flask_images_vips")

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_STRIPE_DIGITS = 3  # of 16 values each: 4096 locks, so that strangers rarely wait for each other
# Dozens of threads may wait at once, and each look takes some of the processors' time from the renders that they wait
# for: 20 µs, most of it to wake up. A thread each that the kernel wakes costs even more.
_LOOK_SECONDS = 0.005

_descriptors: set[int] = set()
"""Those of the locks that this process holds, or tries at this moment."""


def try_lock(path: str) -> int | None:
    """Lock the file *path*, made where it is missing: a descriptor for `unlock`, or None where another thread has it.

    Each try opens the file anew, so that threads exclude each other as processes do.

    Raises:
        OSError: there can be no lock.
    """
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        descriptor = os.open(path, _FLAGS, 0o600)
    _descriptors.add(descriptor)
    locked = False
    try:
        locked = lock_descriptor(descriptor, blocking=False)
    finally:
        if not locked:
            _close(descriptor)
    return descriptor if locked else None


def unlock(descriptor: int) -> None:
    """Let go of what `try_lock` gave."""
    try:
        unlock_descriptor(descriptor)  # at once, though a child of this process may have the file open too
    finally:
        _close(descriptor)


def _close(descriptor: int) -> None:
    _descriptors.discard(descriptor)  # before: its number may be another file's at once
    os.close(descriptor)


def _close_inherited() -> None:
    """In a forked child, or it would keep the locks of a parent that is killed."""
    while _descriptors:
        with suppress(OSError):
            os.close(_descriptors.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


class FileLocks:
    """A lock per key over all processes of this host, in *folder*. *warn* is told of a folder that takes no locks."""

    def __init__(self, folder: str, timeout: float, warn: Callable[[OSError], None] | None = None) -> None:
        self.folder = folder
        self.timeout = timeout
        self._warn = warn or self._log

    @contextmanager
    def hold(
        self, name: str, *, since: float | None = None, needless: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Hold the lock of *name*, a text of hexadecimal digits, for the block; False where it cannot be had.

        It cannot be had where its holder hangs for longer than the timeout, counted from the monotonic time *since*,
        or the folder does not take locks. The work is then done without it: twice at worst, never wrongly. Nor is it
        taken once *needless*, which is asked while its holder works, says that the work has been done.
        """
        path = os.path.join(self.folder, f"{name[:_STRIPE_DIGITS]}.lock")
        lock = self._acquired(path, time.monotonic() if since is None else since, needless)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                unlock(lock)

    def _acquired(self, path: str, since: float, needless: Callable[[], bool]) -> int | None:
        try:
            while (lock := try_lock(path)) is None:
                left = since + self.timeout - time.monotonic()
                if left <= 0:
                    logger.warning("Waited %s s for %s: its holder hangs; working without it.", self.timeout, path)
                    return None
                time.sleep(min(_LOOK_SECONDS, left))
                if needless():
                    return None
            return lock
        except OSError as error:
            self._warn(error)
        return None

    def _log(self, error: OSError) -> None:
        logger.warning("Locks in %s cannot be used (%s): working without them.", self.folder, error)
