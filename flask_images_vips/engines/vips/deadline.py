"""How long may libvips take for one picture? Within a `Deadline` it stops in time."""

from __future__ import annotations

import math
import threading
import time

import pyvips

from ...cache.process import PerProcess
from ...errors import Busy


class Deadline:
    """Ends a render that takes longer than *limit* seconds: libvips stops at the next lines of an image that is killed.

    What runs inside of one call of a codec, as AVIF's, or of librsvg, goes on to its end. To kill the last image alone
    would not do: a single piece of it may need all of the source.
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
        self._images = []  # an error that is kept holds this, and would hold all pixels

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        self._images.append(image)
        if self.over:  # asked after the image was added: `kill` may have looked before
            image.set_kill(True)
        return image

    def watch_only(self, image: pyvips.Image) -> None:
        """Forget all others, whose pixels are made, and with them their memory."""
        self._images = [image]

    def kill(self) -> None:
        self.over = True
        for image in tuple(self._images):
            image.set_kill(True)


class _Watcher:
    """One thread for all deadlines of a process: a timer each would start a thread for every render.

    It sleeps until the first of those that it knew, or for good where there is none, and looks again: a render that
    ends in time wakes nobody.
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
                except RuntimeError as error:  # at a limit of tasks, or as Python ends
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
