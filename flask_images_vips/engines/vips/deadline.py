"""Stop libvips when a render takes too long."""

from __future__ import annotations

import math
import threading
import time

import pyvips

from ...cache.per_process import PerProcess
from ...errors import Busy


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
                    raise Busy(f"cannot start the thread that enforces the render timeout: {error}") from error
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
