"""Which renditions deserve a second, dearer encoding? Those that are asked for again and again.

A first answer must be quick, so it is encoded at little cost. One that a process has given often enough is made once
more in the background, with the encoders at their smallest, and takes the place of the first where it has fewer bytes.
Its ETag is of its size, so it changes with the bytes. One thread of each process is at it, one of them at a time on a
host, and only while a render slot is free: those who wait for an image come first.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from queue import Full, Queue

from .cache.disk import DiskCache
from .cache.slots import Slots
from .engines.encoders import formats_changed_by
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound
from .rendition import Rendition

logger = logging.getLogger("flask_images_vips")

_LONGEST_QUEUE = 32
_PAUSE_SECONDS = 0.25  # after finding no free slot
_FORMATS = formats_changed_by("small")


class Recompressor:
    """Makes renditions small, in *cache*, that were answered with *after* times in one process.

    *render* makes their bytes, for who has waited since a time, and *turn* is the one slot of those who are at it. Both
    raise Busy at once where there is no slot.
    """

    def __init__(self, after: int, cache: DiskCache, turn: Slots, render: Callable[[Rendition, float], bytes]) -> None:
        self.after = after
        self._cache = cache
        self._turn = turn
        self._render = render
        self._by_pid: dict[int, Queue[Rendition]] = {}  # a forked child has no thread that works off what it inherits

    def counter(self, rendition: Rendition) -> Callable[[], None] | None:
        """What to call with each answer of *rendition*; None where it cannot become smaller."""
        if rendition.format.name not in _FORMATS:
            return None
        answers = 0

        def count() -> None:
            nonlocal answers
            # Its own value, not what another thread has made of the counter: so none passes over the threshold.
            answers = mine = answers + 1
            if mine == self.after and not self._offer(rendition):
                answers = 0  # later, if it is still asked for

        return count

    def _offer(self, rendition: Rendition) -> bool:
        """Queue *rendition*, unless too many wait already."""
        new: Queue[Rendition] = Queue(_LONGEST_QUEUE)
        queue = self._by_pid.setdefault(os.getpid(), new)
        if queue is new:
            try:
                threading.Thread(target=self._work, args=(queue,), name="flask-images-vips-small", daemon=True).start()
            except RuntimeError:  # none is to be had: the answer that is counted must not suffer
                del self._by_pid[os.getpid()]
                return False
        try:
            queue.put_nowait(rendition)
        except Full:
            return False
        return True

    def _work(self, queue: Queue[Rendition]) -> None:
        while True:
            rendition = queue.get()
            while not self._is_done(rendition):
                time.sleep(_PAUSE_SECONDS)

    def _is_done(self, rendition: Rendition) -> bool:
        """Make *rendition* small, or find that it cannot be; False where there is no free slot for it now."""
        try:
            with self._turn.hold(1):
                self._make_small(rendition)
        except Busy:
            return False
        except Exception:
            logger.exception("%r could not be made small", rendition.source.ref)
        return True

    def _make_small(self, rendition: Rendition) -> None:
        key = rendition.key
        if self._cache.is_final(key) is not False:  # another process was faster, or it is no longer kept
            return
        data = None
        try:
            data = self._render(rendition, time.monotonic())
        except Busy:
            raise
        except (SourceChanged, SourceNotFound):
            return  # another version is asked for now
        except ImagesError as error:  # as it takes longer than before
            logger.info("%r stays as it is: %s", rendition.source.ref, error)
        saved = self._cache.finish(key, data)
        if saved:
            logger.info("made %r smaller by %d bytes", rendition.source.ref, saved)


def threads_run() -> bool:
    """Whether threads of this process run between its requests too: in uWSGI only where it was told so."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool({"enable-threads", "threads"} & uwsgi.opt.keys())
