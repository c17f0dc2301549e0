"""Re-encode popular renditions in the background, to make them smaller.

The first response must be fast, so a rendition is first encoded at low effort. Once a process has served a rendition
often enough, it encodes the rendition again at the highest effort, and the smaller file replaces the first one. The
ETag includes the file size, so it changes when the file is replaced.

Each process has one thread for this, and only one process of the host re-encodes at a time. A renderer re-encodes only
if no visitor waits, so that visitors rarely wait for it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from queue import Full, Queue

from .cache.disk import DiskCache
from .cache.per_process import PerProcess
from .engines.encoder_settings import formats_changed_by
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound, shown
from .rendition import Rendition
from .system_errors import start

logger = logging.getLogger("flask_images_vips")

_LONGEST_QUEUE = 32
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0  # between two attempts, first and at most
_FORMATS = formats_changed_by("small")


class _Worker:
    """The background thread of one process, with its queue of renditions."""

    def __init__(self) -> None:
        self.queue: Queue[Rendition] = Queue(_LONGEST_QUEUE)
        self.starting = threading.Lock()
        self.started = False


class Recompressor:
    """Re-encodes the popular renditions in *cache*.

    *render* returns a rendition encoded at the highest effort. It raises `Busy` if there is no renderer for it now.
    """

    def __init__(self, after: int, cache: DiskCache, render: Callable[[Rendition], bytes]) -> None:
        self.after = after
        self._cache = cache
        self._render = render
        self._worker = PerProcess(_Worker)

    def counter(self, rendition: Rendition) -> Callable[[], None] | None:
        """Return a function to call each time *rendition* is served, or None if its format cannot be made smaller."""
        if rendition.format.name not in _FORMATS:
            return None
        answers = 0

        def count_answer() -> None:
            nonlocal answers
            # Compare the value that this thread wrote, not the shared counter, which other threads may have increased
            # beyond the threshold meanwhile.
            answers = mine = answers + 1
            if mine == self.after and not self._offer(rendition):
                answers = 0  # count again from 0, to try once more if the rendition stays popular

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
                    start(work)
                except Busy:  # do not fail the response that is being counted
                    return False
                worker.started = True
        try:
            worker.queue.put_nowait(rendition)
        except Full:
            return False
        return True

    def _work(self, queue: Queue[Rendition]) -> None:
        while True:
            rendition, pause = queue.get(), _PAUSE_SECONDS
            while not self._is_done(rendition):
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _is_done(self, rendition: Rendition) -> bool:
        """Try to make *rendition* smaller. Return False if that cannot be done now, True if the attempt is over."""
        try:
            with self._cache.background_turn() as free:
                if free:  # otherwise another process of the host does this work
                    self._make_small(rendition)
                return free
        except Busy:
            return False
        except Exception:
            logger.exception("cannot re-encode a rendition of %s", shown(rendition.source.ref))
        return True

    def _make_small(self, rendition: Rendition) -> None:
        key = rendition.key
        if self._cache.is_final(key) is not False:  # another process has done it already, or the entry was evicted
            return
        data = None
        try:
            data = self._render(rendition)
        except Busy:
            raise
        except (SourceChanged, SourceNotFound):
            return  # the source has changed, so this rendition is outdated
        except ImagesError as error:  # a higher effort may exceed the timeout
            logger.info("cannot re-encode a rendition of %s: %s", shown(rendition.source.ref), error)
        saved = self._cache.replace_with_smaller(key, data)
        if saved:
            logger.info("re-encoded a rendition of %s, which saved %d bytes", shown(rendition.source.ref), saved)


def threads_run() -> bool:
    """Return whether background threads run in this process.

    uWSGI runs them only if it is started with ``--enable-threads`` or ``--threads``.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool({"enable-threads", "threads"} & uwsgi.opt.keys())
