"""Which process may make it? File locks, which a killed holder frees.

The lock files are a fixed set that is never removed: unlinking one while it is held would let a second holder in.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

logger = logging.getLogger("flask_images_vips")

_STRIPE_DIGITS = 3  # of 16 values each: 4096 locks, so that strangers rarely wait for each other
# Trying a lock costs ten times what looking for the work does, and dozens of threads may wait at once: their tries
# would take the processors from the renders that they wait for. A thread each that the kernel wakes costs even more.
_LOOK_SECONDS = 0.005
_LOOKS_A_TRY = 4


class FileLocks:
    """A lock per key over all processes of this host, in *folder*. *warn* is told of a folder that takes no locks."""

    def __init__(self, folder: str, timeout: float, warn: Callable[[OSError], None] | None = None) -> None:
        self.folder = folder
        self.timeout = timeout
        self._warn = warn or self._log
        self._locks: dict[tuple[int, str], FileLock] = {}

    @contextmanager
    def hold(
        self, name: str, *, since: float | None = None, needless: Callable[[], bool] = lambda: False
    ) -> Iterator[bool]:
        """Hold the lock of *name*, a text of hexadecimal digits, for the block; False where it cannot be had.

        It cannot be had where its holder hangs for longer than the timeout, counted from the monotonic time *since*,
        or the folder does not take locks. The work is then done without it: twice at worst, never wrongly. Nor is it
        taken once *needless*, which is asked while its holder works, says that the work has been done.
        """
        lock = self._acquired(name[:_STRIPE_DIGITS], time.monotonic() if since is None else since, needless)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def _acquired(self, stripe: str, since: float, needless: Callable[[], bool]) -> FileLock | None:
        key = os.getpid(), stripe  # a lock that was inherited over a fork is its parent's
        lock = self._locks.get(key)
        if lock is None:
            path = os.path.join(self.folder, f"{stripe}.lock")
            # thread_local: each thread holds its own descriptor, so threads exclude each other as processes do.
            new = FileLock(path, 0, mode=0o600, thread_local=True, fallback_to_soft=False)
            lock = self._locks.setdefault(key, new)
        try:
            while True:
                try:
                    lock.acquire()
                    return lock
                except Timeout:
                    left = since + self.timeout - time.monotonic()
                    if left <= 0:
                        raise
                for _ in range(_LOOKS_A_TRY):
                    time.sleep(min(_LOOK_SECONDS, left))
                    if needless():
                        return None
        except Timeout:
            logger.warning("Waited %s s for %s: its holder hangs; working without it.", self.timeout, lock.lock_file)
        except OSError as error:
            self._warn(error)
        return None

    def _log(self, error: OSError) -> None:
        logger.warning("Locks in %s cannot be used (%s): working without them.", self.folder, error)
