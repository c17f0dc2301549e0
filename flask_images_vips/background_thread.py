"""Do pieces of work one after another in a background thread, of which each process has its own."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from queue import Full, Queue
from typing import Generic, TypeVar

from .cache.per_process import PerProcess, ProcessThread
from .errors import Busy

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0  # between two attempts, first and at most


class BackgroundThread(Generic[T]):
    """Calls *work* with one item after another, in a thread of each process that is called *name*.

    If *work* raises `Busy`, it is called again later with the same item.
    """

    def __init__(self, name: str, work: Callable[[T], object], longest: int) -> None:
        self._work = work
        self._queue: PerProcess[Queue[T]] = PerProcess(partial(Queue, longest))
        self._thread = ProcessThread(name, self._run)

    def offer(self, item: T) -> bool:
        """Queue *item*. Returns False if the queue is full or no thread can be started."""
        if not self._thread.start():
            return False
        try:
            self._queue.get().put_nowait(item)
        except Full:
            return False
        return True

    def _run(self) -> None:
        queue = self._queue.get()
        while True:
            item, pause = queue.get(), _PAUSE_SECONDS
            while not self._is_done(item):
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _is_done(self, item: T) -> bool:
        """Work on *item*. Return False if that cannot be done now, True if the attempt is over."""
        try:
            self._work(item)
        except Busy:
            return False
        except Exception:
            logger.exception("background work has failed")
        return True


def threads_run() -> bool:
    """Return whether background threads run in this process.

    uWSGI runs them only if it is started with ``--enable-threads`` or ``--threads``.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool({"enable-threads", "threads"} & uwsgi.opt.keys())
