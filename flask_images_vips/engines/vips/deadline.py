"""Stop libvips when a render takes too long."""

from __future__ import annotations

import math
import threading
import time

import pyvips

from ...cache.process import PerProcess
from ...errors import Busy


class Deadline:
    """A context in which libvips computes pixels for at most *limit* seconds.

    At the limit, every watched image is killed, and libvips stops at its next lines. Killing the last image would not
    be enough: a single region of it may need all of the source. A single call of a codec such as AVIF's, or of librsvg,
    still runs to its end.
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
        self._images = []  # an exception that is kept would keep this object, and all pixels

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._begin

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        """Kill *image* too when the time is over. Returns it."""
        self._images.append(image)
        if self.over:  # checked after appending: `kill` may have run just before
            image.set_kill(True)
        return image

    def watch_only(self, image: pyvips.Image) -> None:
        """Forget all other images, whose pixels are computed, and free their memory."""
        self._images = [image]

    def kill(self) -> None:
        """Stop the computation of all watched images."""
        self.over = True
        for image in tuple(self._images):
            image.set_kill(True)


class _Watcher:
    """One thread for all deadlines of a process. A timer for each would start a thread for every render.

    The thread sleeps until the earliest deadline it knows, or until one is added that is earlier. A render that ends in
    time does not wake it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._deadlines: set[Deadline] = set()
        self._wakes = math.inf
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name="libvips' deadlines", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the limit of threads is reached, or Python is shutting down
                    raise Busy(f"no thread to end renders in time: {error}") from error
                self._thread = thread
            self._deadlines.add(deadline)
            if deadline.end < self._wakes:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.discard(deadline)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [each for each in self._deadlines if each.end <= now]:
                    self._deadlines.remove(deadline)
                    deadline.kill()
                self._wakes = min((each.end for each in self._deadlines), default=math.inf)
                self._changed.wait(min(self._wakes - now, threading.TIMEOUT_MAX))


_watchers = PerProcess(_Watcher)
