"""Stop libvips when a render takes too long."""

from __future__ import annotations

import _thread
import math
import sys
import threading
import time
from typing import Any

from ...cache.per_process import PerProcess
from ...errors import Busy
from .load import pyvips


class Deadline:
    """A context manager that stops libvips after *limit* seconds.

    At the limit, every watched image is killed, as libvips calls it: the computation fails when it starts the next
    lines of pixels. Killing only the image of the last step would not be enough, because a single region of that image
    may need the whole source. A single call of a codec such as AVIF's, or of librsvg, is not interrupted.
    """

    def __init__(self, limit: float) -> None:
        self.over = False
        self._begin = time.monotonic()
        self.end = self._begin + limit
        self._images: list[pyvips.Image] = []

    def __enter__(self) -> Deadline:
        self._watcher = _watchers.get()
        self._watcher.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._watcher.remove(self)
        self._images = []  # otherwise a stored exception would keep this object and all pixels in memory

    @property
    def seconds(self) -> float:
        """The seconds since this object was created."""
        return time.monotonic() - self._begin

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        """Add *image* to those that are killed when the time is over, and return it."""
        self._images.append(image)
        if self.over:  # check after appending: `kill` may have run just before
            image.set_kill(True)
        return image

    def watch_only(self, image: pyvips.Image) -> None:
        """Watch only *image*. All other images have been computed, so their memory can be freed."""
        self._images = [image]

    def kill(self) -> None:
        """Stop the computation of all watched images."""
        self.over = True
        for image in tuple(self._images):
            image.set_kill(True)


class _Watcher:
    """Enforces all deadlines of a process in one thread. A timer per deadline would start a thread for every render.

    The thread sleeps until the earliest deadline, and is woken if an earlier one is added. Removing a deadline does not
    wake it.

    Under gevent, the names of `threading` are greenlets, which do not run while libvips computes. So this uses a thread
    and locks of the operating system.
    """

    def __init__(self) -> None:
        self._lock = _unpatched("allocate_lock")()
        self._sleep = _unpatched("allocate_lock")()  # held by the thread, and released to wake it
        self._sleep.acquire()
        self._deadlines: set[Deadline] = set()
        self._wakes = math.inf
        self._started = False

    def add(self, deadline: Deadline) -> None:
        with self._lock:
            if not self._started:
                try:
                    _unpatched("start_new_thread")(self._watch, ())
                except RuntimeError as error:  # the limit of threads is reached, or Python is shutting down
                    raise Busy(f"cannot start the thread that enforces the render timeout: {error}") from error
                self._started = True
            self._deadlines.add(deadline)
            if deadline.end < self._wakes:
                self._wakes = deadline.end
                if self._sleep.locked():
                    self._sleep.release()

    def remove(self, deadline: Deadline) -> None:
        with self._lock:
            self._deadlines.discard(deadline)

    def _watch(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                over = [each for each in self._deadlines if each.end <= now]
                self._deadlines.difference_update(over)
                self._wakes = min((each.end for each in self._deadlines), default=math.inf)
                seconds = min(self._wakes - now, threading.TIMEOUT_MAX)
            for deadline in over:
                deadline.kill()
            self._sleep.acquire(timeout=seconds)


def _unpatched(name: str) -> Any:
    """Return a function of the module `_thread` as it was before gevent replaced it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("_thread", name) if monkey else getattr(_thread, name)


_watchers = PerProcess(_Watcher)
