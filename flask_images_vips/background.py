"""Encode popular renditions once more, in the background, into fewer bytes.

A first answer must be quick, so its encoder works little. A rendition that a process has answered with often enough is
encoded again at the highest effort, and the smaller file replaces the first one. Its ETag contains its size, so it
changes with the bytes. One thread of each process does this, one process of the host at a time, and only while a render
slot is free: visitors come first.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from queue import Full, Queue

from .cache.disk import DiskCache
from .cache.process import PerProcess
from .cache.slots import AT_ONCE, Slots
from .engines.encoders import formats_changed_by
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound
from .rendition import Rendition

logger = logging.getLogger("flask_images_vips")

_LONGEST_QUEUE = 32
_PAUSE_SECONDS = 0.25  # between two attempts to get a slot
_FORMATS = formats_changed_by("small")


class _Worker:
    """The thread of one process, and the renditions that wait for it."""

    def __init__(self) -> None:
        self.queue: Queue[Rendition] = Queue(_LONGEST_QUEUE)
        self.starting = threading.Lock()
        self.started = False


class Recompressor:
    """Makes entries of *cache* smaller that one process has answered with *after* times.

    *render* takes a rendition and the monotonic time since when it has waited, and returns its bytes at the highest
    effort. *turn* is the host's one slot for this work. Both raise `Busy` at once if no slot is free.
    """

    def __init__(self, after: int, cache: DiskCache, turn: Slots, render: Callable[[Rendition, float], bytes]) -> None:
        self.after = after
        self._cache = cache
        self._turn = turn
        self._render = render
        self._worker = PerProcess(_Worker)

    def counter(self, rendition: Rendition) -> Callable[[], None] | None:
        """A function to call with each answer of *rendition*; None if the rendition cannot become smaller."""
        if rendition.format.name not in _FORMATS:
            return None
        answers = 0

        def count_answer() -> None:
            nonlocal answers
            # Compare this thread's own value, not what others have made of the counter: no value is skipped.
            answers = mine = answers + 1
            if mine == self.after and not self._offer(rendition):
                answers = 0  # start over: it may still be asked for

        return count_answer

    def _offer(self, rendition: Rendition) -> bool:
        """Queue *rendition*. Returns False if the queue is full or no thread can be started."""
        worker = self._worker.get()
        with worker.starting:
            if not worker.started:
                work = threading.Thread(
                    target=self._work, args=(worker.queue,), name="flask-images-vips-small", daemon=True
                )
                try:
                    work.start()
                except RuntimeError:  # no thread can be started: the response that is counted must not suffer
                    return False
                worker.started = True
        try:
            worker.queue.put_nowait(rendition)
        except Full:
            return False
        return True

    def _work(self, queue: Queue[Rendition]) -> None:
        while True:
            rendition = queue.get()
            while not self._is_done(rendition):
                time.sleep(_PAUSE_SECONDS)

    def _is_done(self, rendition: Rendition) -> bool:
        """Make *rendition* smaller, or find that it cannot be. Returns False if no slot is free now."""
        try:
            with self._turn.hold(1):
                self._make_small(rendition)
        except Busy:
            return False
        except Exception:
            logger.exception("%r could not be encoded again", rendition.source.ref)
        return True

    def _make_small(self, rendition: Rendition) -> None:
        key = rendition.key
        if self._cache.is_final(key) is not False:  # another process was faster, or it was evicted
            return
        data = None
        try:
            data = self._render(rendition, AT_ONCE)
        except Busy:
            raise
        except (SourceChanged, SourceNotFound):
            return  # there is a newer version, with another rendition
        except ImagesError as error:  # a higher effort may exceed the timeout
            logger.info("%r is not encoded again: %s", rendition.source.ref, error)
        saved = self._cache.replace_with_smaller(key, data)
        if saved:
            logger.info("made %r smaller by %d bytes", rendition.source.ref, saved)


def threads_run() -> bool:
    """Whether threads of this process run between requests. In uWSGI they do only with ``--enable-threads``."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool({"enable-threads", "threads"} & uwsgi.opt.keys())
