"""How much work may go on at once? A number of slots per host, and a weight per process; who cannot wait is refused.

A slot is a lock file, which a killed process frees. In a process those who wait stand in one queue, and only its head
tries the lock files.
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
from copy import copy

from ..errors import Busy
from .locks import try_lock, unlock
from .process import PerProcess

logger = logging.getLogger("flask_images_vips")

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
    """At most *count* holders on this host, in *folder*; *weight* in sum, and *waiting* in the queue, per process.

    A holder that weighs more than *weight* by itself is let in alone. Waiting for more than *timeout* seconds is
    refused like a full queue. Where the folder is not *usable*, as one of a stranger who could hold all slots for
    ever, only this process counts.
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
        self._process = PerProcess(_Process)  # a forked child holds no slot, and none of its threads waits for one
        self._warned = False

    def at_once(self) -> Slots:
        """The same slots, for one who takes what is free at once, or nothing."""
        impatient = copy(self)
        impatient.timeout = -math.inf
        return impatient

    @contextmanager
    def hold(self, weight: int, since: float | None = None) -> Iterator[None]:
        """Hold a slot for the block. The timeout is counted from the monotonic time *since*, or from now.

        Raises:
            Busy: the queue is full, or its head did not move in time.
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
            # While the host has slots to give, those who are about to take one do not wait.
            about_to_take = self.count - here.held if self._has_room(here, weight) and not here.starved else 0
            if len(here.queue) >= self.waiting + about_to_take:
                raise Busy(f"{len(here.queue)} renders wait in this process already")
            here.queue.append(ticket)
            try:
                while here.queue[0] is not ticket or not self._has_room(here, weight):
                    if not here.changed.wait(deadline - time.monotonic()):
                        raise Busy(f"waited {self.timeout:g} s for a render slot")
            except BaseException:
                here.leave(ticket)
                raise
        try:
            lock = self._lock_file(here, deadline)  # still at the head: nobody else of this process tries meanwhile
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
        """One of the host's slots; None where the folder takes no locks, and only this process counts."""
        if not self._usable():
            return None
        while True:
            for path in random.sample(self._paths, self.count):
                try:
                    lock = try_lock(path)
                except OSError as error:
                    if not self._warned:
                        self._warned = True
                        logger.warning("Render slots in %s cannot be used (%s).", self.folder, error.strerror or error)
                    return None
                if lock is not None:
                    here.starved = False
                    return lock
            if time.monotonic() > deadline:
                raise Busy(f"waited {self.timeout:g} s for a render slot")
            here.starved = True
            time.sleep(_POLL_SECONDS)
