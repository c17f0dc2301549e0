"""Work in the background: re-encode popular renditions, and find facts that pages have asked for.

The first response must be fast, so a rendition is first encoded at low effort. Once a process has served a rendition
often enough, it encodes the rendition again at the highest effort, and the smaller file replaces the first one. The
ETag includes the file size, so it changes when the file is replaced. Only one process of the host re-encodes at a time.

Pages must be fast too, so they are written without the facts that need the pixels of a source, see `pixel_facts`.

Each process has one thread for each of the two. A renderer does this work only if no visitor waits, so that visitors
rarely wait for it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from queue import Full, Queue
from typing import Generic, NamedTuple, TypeVar

from .cache.disk import DiskCache
from .cache.per_process import PerProcess
from .engines.encoder_settings import formats_changed_by
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound, shown
from .rendition import Rendition
from .system_errors import start

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

DELAY_SECONDS = 20.0  # from a page to the search for its facts, in which visitors load its pictures
_MOST_FACTS = 1000
_TRIES = 5  # to find a fact, before a page has to ask for it again: its picture may be what keeps renderers busy
_LONGEST_QUEUE = 32
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0  # between two attempts, first and at most
_FORMATS = formats_changed_by("small")


class _Thread(Generic[T]):
    """The background thread of one process, with its queue of *longest* items."""

    def __init__(self, longest: int) -> None:
        self.queue: Queue[T] = Queue(longest)
        self.starting = threading.Lock()
        self.started = False


class _Background(Generic[T]):
    """Calls *work* with one item after another, in a thread of each process that is called *name*.

    If *work* raises `Busy`, it is called again later with the same item.
    """

    def __init__(self, name: str, work: Callable[[T], object], longest: int) -> None:
        self._name = name
        self._work = work
        self._thread: PerProcess[_Thread[T]] = PerProcess(partial(_Thread, longest))

    def offer(self, item: T) -> bool:
        """Queue *item*. Returns False if the queue is full or no thread can be started."""
        thread = self._thread.get()
        with thread.starting:
            if not thread.started:
                try:
                    start(threading.Thread(target=self._run, args=(thread.queue,), name=self._name, daemon=True))
                except Busy:  # do not fail the response that is being made
                    return False
                thread.started = True
        try:
            thread.queue.put_nowait(item)
        except Full:
            return False
        return True

    def _run(self, queue: Queue[T]) -> None:
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


class Recompressor:
    """Re-encodes the popular renditions in *cache*.

    *render* returns a rendition encoded at the highest effort. It raises `Busy` if there is no renderer for it now.
    """

    def __init__(self, after: int, cache: DiskCache, render: Callable[[Rendition], bytes]) -> None:
        self.after = after
        self._cache = cache
        self._render = render
        self._background = _Background("flask-images-vips-small", self._recompress, _LONGEST_QUEUE)

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
            if mine == self.after and not self._background.offer(rendition):
                answers = 0  # count again from 0, to try once more if the rendition stays popular

        return count_answer

    def _recompress(self, rendition: Rendition) -> None:
        """Try to make *rendition* smaller.

        Raises:
            Busy: If that cannot be done now.
        """
        with self._cache.background_turn() as free:
            if not free:
                raise Busy("another process of the host does this work")
            self._make_small(rendition)

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


class _Fact(NamedTuple):
    """A fact to find, not before the monotonic time *due*. It was not found in the *tries* so far."""

    name: Hashable
    find: Callable[[], object]
    due: float
    tries: int = 0


class Later:
    """Finds facts that pages have asked for.

    It waits for `DELAY_SECONDS` first. Visitors load the pictures of a page right after it, and a render that makes a
    picture finds its facts on the way, in any process. Then *find* has nothing to do.
    """

    def __init__(self) -> None:
        self._background = _Background("flask-images-vips-facts", self._find, _MOST_FACTS)
        self._pending: PerProcess[set[Hashable]] = PerProcess(set)

    def find(self, name: Hashable, find: Callable[[], object]) -> None:
        """Call *find* in the background, unless a fact of this *name* waits already or too many wait."""
        pending = self._pending.get()
        if name not in pending:
            pending.add(name)
            self._offer(_Fact(name, find, time.monotonic() + DELAY_SECONDS))

    def _offer(self, fact: _Fact) -> None:
        if not self._background.offer(fact):
            self._pending.get().discard(fact.name)

    def _find(self, fact: _Fact) -> None:
        time.sleep(max(0.0, fact.due - time.monotonic()))
        try:
            fact.find()
        except Busy:
            if fact.tries + 1 < _TRIES:  # others go first
                self._offer(fact._replace(due=time.monotonic() + DELAY_SECONDS, tries=fact.tries + 1))
            else:
                self._pending.get().discard(fact.name)
        except Exception as error:
            self._pending.get().discard(fact.name)
            if not isinstance(error, ImagesError):
                raise
            # It is remembered, and the next page that asks for the fact logs it.
            logger.info("a fact that a page has asked for cannot be found: %s", error)
        else:
            self._pending.get().discard(fact.name)


def threads_run() -> bool:
    """Return whether background threads run in this process.

    uWSGI runs them only if it is started with ``--enable-threads`` or ``--threads``.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is None or bool({"enable-threads", "threads"} & uwsgi.opt.keys())
