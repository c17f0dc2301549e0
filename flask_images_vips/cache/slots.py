"""Limit how much work runs at the same time: by a number of slots per host, and by a total weight per process.

A slot is a lock file, and whoever holds the lock may work. The kernel frees it if the holder is killed. Within a
process, waiting threads form a queue, and only the first thread in it tries to lock a file.
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Busy
from .locks import try_lock, unlock
from .per_process import PerProcess

logger = logging.getLogger("flask_images_vips")

AT_ONCE = -math.inf
"""Pass this as *since* to `Slots.hold` to take a slot only if one is free now. No time is left for waiting then."""

_POLL_SECONDS = 0.005


class _Process:
    """The queue and the holders of one process."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.queue: deque[object] = deque()
        self.held = self.weight = 0
        self.starved = False  # whether the head of the queue found all slots of the host taken

    def leave(self, ticket: object) -> None:
        self.queue.remove(ticket)
        self.changed.notify_all()


class Slots:
    """Allows *count* holders at a time on this host, by lock files in *folder*.

    Within a process, the weights of all holders must not exceed *weight* in total. A heavier holder is let in
    only while there is no other. At most *waiting* threads may queue, each of them for at most *timeout* seconds.

    If *usable* returns False, only the limits per process apply. This is the case if the folder belongs to another
    user, who could hold all slots forever.
    """

    def __init__(
        self,
        folder: str,
        count: int,
        *,
        waiting: int,
        weight: int,
        timeout: float,
        usable: Callable[[], bool] = lambda: True,
    ) -> None:
        self.folder = folder
        self.count = count
        self.waiting = waiting
        self.weight = weight
        self.timeout = timeout
        self._usable = usable
        self._paths = [os.path.join(folder, f"{number}.lock") for number in range(count)]
        self._process = PerProcess(_Process)
        self._warned = False

    @contextmanager
    def hold(self, weight: int, since: float | None = None) -> Iterator[None]:
        """Hold a slot for the block. The timeout counts from the monotonic time *since*, or from now.

        Raises:
            Busy: If the queue is full, or no slot becomes free before the timeout.
        """
        here = self._process.get()
        lock = self._wait(here, weight, time.monotonic() if since is None else since)
        try:
            yield
        finally:
            if lock is not None:
                unlock(lock)
            with here.changed:
                here.held -= 1
                here.weight -= weight
                here.changed.notify_all()

    def _wait(self, here: _Process, weight: int, since: float) -> int | None:
        deadline = since + self.timeout
        ticket = object()
        with here.changed:
            # While slots are free, threads that are about to take one do not count as waiting.
            about_to_take = self.count - here.held if self._has_room(here, weight) and not here.starved else 0
            if len(here.queue) >= self.waiting + about_to_take:
                raise Busy(f"{len(here.queue)} renders are already waiting in this process")
            here.queue.append(ticket)
            try:
                while here.queue[0] is not ticket or not self._has_room(here, weight):
                    if not here.changed.wait(deadline - time.monotonic()):
                        raise Busy(f"waited {self.timeout:g} s for a render slot")
            except BaseException:
                here.leave(ticket)
                raise
        try:
            # This thread stays at the head of the queue meanwhile, so no other thread of this process tries the lock
            # files.
            lock = self._lock_file(here, deadline)
        except BaseException:
            with here.changed:
                here.leave(ticket)
            raise
        with here.changed:
            here.held += 1
            here.weight += weight
            here.leave(ticket)
        return lock

    def _has_room(self, here: _Process, weight: int) -> bool:
        return not here.held or (here.held < self.count and here.weight + weight <= self.weight)

    def _lock_file(self, here: _Process, deadline: float) -> int | None:
        """Take one of the host's slots. Return None if the folder cannot be used for locks."""
        if not self._usable():
            return None
        while True:
            for path in random.sample(self._paths, self.count):
                try:
                    lock = try_lock(path)
                except OSError as error:
                    self._warn_once(error)
                    return None
                if lock is not None:
                    here.starved = False
                    return lock
            if time.monotonic() > deadline:
                raise Busy(f"waited {self.timeout:g} s for a render slot")
            here.starved = True
            time.sleep(_POLL_SECONDS)

    def _warn_once(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "Render slots in %s cannot be used (%s). Each process now limits only its own renders.",
                self.folder,
                error.strerror or error,
            )
