"""How long may libvips take for one picture? Within a `Deadline` it stops in time."""

from __future__ import annotations

import threading
import time

import pyvips


class Deadline:
    """Ends a render that takes longer than *limit* seconds: libvips stops at the next lines of an image that is killed.

    What runs inside of one call of a codec, as AVIF's, or of librsvg, goes on to its end. To kill the last image alone
    would not do: a single piece of it may need all of the source.
    """

    def __init__(self, limit: float) -> None:
        self.over = False
        self._begin = time.monotonic()
        self._images: list[pyvips.Image] = []
        self._timer = threading.Timer(limit, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        self._images = []  # the timer and this hold each other, and would hold all pixels until they are collected

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        self._images.append(image)
        if self.over:  # asked after the image was added: `_end` may have looked before
            image.set_kill(True)
        return image

    def watch_only(self, image: pyvips.Image) -> None:
        """Forget all others, whose pixels are made, and with them their memory."""
        self._images = [image]

    def _end(self) -> None:
        self.over = True
        for image in tuple(self._images):
            image.set_kill(True)
