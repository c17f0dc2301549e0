"""Record the events of one application: what is asked for, what is rendered, and what is refused.

Each process counts in memory. It writes its counts after each miss, and otherwise every few seconds, within a request.
Hits are sampled: of the first ones in such an interval, each is looked at, and later fewer and fewer. One that is
looked at counts for those before it too, so totals are exact. The rest of what this does for a hit is to count it, in
less than a microsecond.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakSet

from ..background_thread import BackgroundThread, threads_run
from ..cache.per_process import PerProcess
from ..errors import Busy
from ..events import Events, Rendered
from .counts import Asked, Counts, Measure, Render
from .journal import Journal
from .queries import query_of

if TYPE_CHECKING:
    from flask import Response

    from ..errors import ImagesError
    from ..options.scalars import Arm
    from ..serving.hit import Hit
    from ..urls import ImageUrl

logger = logging.getLogger("flask_images_vips")

HITS, MISSES, FETCHED, RENDERS, BACKGROUND, SECONDS, WAITED, CPU = (
    Measure("", "", what)
    for what in ("hits", "misses", "fetched", "renders", "background", "seconds", "waited_seconds", "cpu_seconds")
)
_WRITE_SECONDS = 10.0
_WAIT_SECONDS_AFTER_MISS = 0.05  # a miss is written at once, because behind nginx there may be no other request soon
_SAMPLES_PER_GAP = 32  # after so many samples in an interval, the gap between two of them doubles
_LONGEST_GAP = 1024  # on average; each sample also looks whether it is time to write
_GONE = 410  # what is taken down must not be recorded again


class _Interval:
    """What one process has counted since it last wrote. *began* is in seconds since 1970."""

    def __init__(self) -> None:
        self.began = time.time()
        self.hits: dict[Hit, float] = {}
        self.misses: dict[Hit, int] = {}
        self.counts = Counts()

    def settled(self) -> Counts:
        """Return all counts."""
        counts, day = self.counts, self.counts.day(self.began)
        for measure, asked in ((HITS, self.hits), (MISSES, self.misses)):
            for hit, count in asked.items():
                format = hit.rendition.format.name
                day[measure] += count  # type: ignore[assignment]
                day[Measure("format", format, "asked")] += count  # type: ignore[assignment]
                if hit.path is not None:  # otherwise the URL forbids caching
                    asked_for = Asked(count, os.path.basename(hit.path))
                    counts.ask(hit.url.ref, query_of(hit.url), format, asked_for)
        self.hits, self.misses = {}, {}
        return counts


class _Process:
    """The state of one process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.interval = _Interval()
        self.written = float("-inf")  # monotonic
        self.last: int | None = None  # the number of the last hit that was looked at
        self.samples = 0


class Recorder:
    """Records in *journal*, if the cache is *usable*.

    *asking_page* returns the endpoint of the page, or ``""``. *is_forgotten* returns whether a source was taken down
    for good: nothing is recorded of it, even if a render of it has just ended.
    """

    def __init__(
        self,
        journal: Journal,
        usable: Callable[[], bool],
        asking_page: Callable[[], str],
        is_forgotten: Callable[[str], bool] = lambda ref: False,
    ) -> None:
        self._is_forgotten = is_forgotten
        self._journal = journal
        self._usable = usable
        self._asking_page = asking_page
        self._hits = itertools.count(1)
        self._due = 0  # the number of the next hit to look at
        self._process = PerProcess(_Process)
        self._compacting = BackgroundThread("images-record", self._compact, 1)
        _recorders.add(self)

    def attach(self, events: Events, *, arms: bool = False) -> None:
        """Record all *events* from now on. With *arms*, count those of a comparison too."""
        events.served.append(self._served)
        events.rendered.append(self._rendered)
        events.fetched.append(self._fetched)
        events.failed.append(self._failed)
        if arms:  # each hit is counted, so this takes longer
            events.visited.append(self._visited)
            events.served.append(self._served_arm)

    def _served(self, hit: Hit, response: Response, cached: bool) -> None:
        number = 0
        if cached:
            number = next(self._hits)  # one step, so that threads get different numbers
            if number < self._due:
                return
        self._look(hit, number)

    def _served_arm(self, hit: Hit, response: Response, cached: bool) -> None:
        if (arm := hit.url.options.arm) is not None:
            self._count_arm(arm, served=1, bytes=response.content_length or 0)

    def _visited(self, arm: Arm) -> None:
        self._count_arm(arm, pages=1)
        self._write_if_due(self._process.get())

    def _count_arm(self, arm: Arm, **counts: int) -> None:
        process = self._process.get()
        with process.lock:
            day = process.interval.counts.day(process.interval.began)
            day.update({Measure("arm", str(arm), what): count for what, count in counts.items()})

    def _look(self, hit: Hit, number: int) -> None:
        """Count a miss, or the hit with *number* and those before it that were not looked at."""
        process = self._process.get()
        with process.lock:
            if number:
                last = number - 1 if process.last is None else process.last
                if number > last:  # otherwise another thread has just counted it
                    hits = process.interval.hits
                    hits[hit] = hits.get(hit, 0) + number - last
                    process.last = number
                process.samples += 1
                gap = min(2 ** (process.samples // _SAMPLES_PER_GAP), _LONGEST_GAP)
                # Not the same gap each time: it might be the number of images of a page.
                self._due = number + random.randrange(1, 2 * gap)  # noqa: S311 (a sample, not a secret)
            else:
                misses = process.interval.misses
                misses[hit] = misses.get(hit, 0) + 1
        if number:
            self._write_if_due(process)
        else:
            self.write(wait_seconds=_WAIT_SECONDS_AFTER_MISS)

    def _rendered(self, event: Rendered) -> None:
        rendition, process = event.rendition, self._process.get()
        format, page = rendition.format.name, self._asking_page() if event.visitor else ""
        with process.lock:
            counts = process.interval.counts
            day, source = counts.day(process.interval.began), counts.of(rendition.source.ref)
            numbers = {SECONDS: event.seconds, WAITED: event.waited_seconds, CPU: event.cpu_seconds}
            numbers[RENDERS if event.visitor else BACKGROUND] = 1
            for kind, name in (("format", format), ("page", page)):
                if name:
                    numbers |= {
                        Measure(kind, name, "renders"): 1,
                        Measure(kind, name, "cpu_seconds"): event.cpu_seconds,
                    }
            day.update(numbers)
            source.renders += 1
            source.cpu_seconds += event.cpu_seconds
            source.note_render(_render_of(event))

    def _fetched(self, format: str, size_bytes: int) -> None:
        process = self._process.get()
        with process.lock:
            process.interval.counts.day(process.interval.began)[FETCHED] += 1

    def _failed(self, path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        name, process = f"{status} {type(error).__name__}", self._process.get()
        with process.lock:
            counts = process.interval.counts
            counts.day(process.interval.began)[Measure("refused", name, "times")] += 1
            if url is not None and status != _GONE:
                counts.of(url.ref).refused[name] += 1
        self._write_if_due(process)

    def _write_if_due(self, process: _Process) -> None:
        if time.monotonic() - process.written >= _WRITE_SECONDS:
            self.write()

    def write(self, *, wait_seconds: float = 0.0) -> None:
        """Write what this process has counted. If another process is writing, wait, or write later."""
        process = self._process.get()
        with process.lock:
            interval, process.interval = process.interval, _Interval()
            first, process.written = process.written == float("-inf"), time.monotonic()
            process.samples, self._due = 0, 0
        if not self._usable():
            return
        counts = interval.settled()
        try:
            counts.forget_if(self._is_forgotten)
        except Busy:  # whether anything was taken down cannot be told
            counts.sources.clear()
        try:
            if self._journal.append(counts, interval.began, wait_seconds=wait_seconds):
                self._compact_soon()
        except TimeoutError:
            with process.lock:
                process.interval.counts.add(counts)
                process.interval.began = min(interval.began, process.interval.began)
        except OSError as error:
            if first:  # the cache itself warns if it cannot be written
                logger.info("What is asked for cannot be recorded in %s: %s", self._journal.folder, error)

    def write_at_exit(self) -> None:
        """Write what is left, unless this process has had no request."""
        process = self._process.get()
        if process.written == float("-inf") or not self._journal.is_possible():
            return
        with process.lock:
            number = next(self._hits)
            if process.last is not None:  # count the hits since then, although nobody has looked at them
                process.interval.counts.day(process.interval.began)[HITS] += number - 1 - process.last
            process.last = number
        self.write(wait_seconds=1.0)

    def _compact_soon(self) -> None:
        if threads_run():
            self._compacting.offer(self._journal)
        else:
            self._compact(self._journal)

    @staticmethod
    def _compact(journal: Journal) -> None:
        try:
            journal.compact(always=False)
        except OSError as error:  # the next process tries it again
            logger.debug("the record in %s cannot be compacted: %s", journal.folder, error)


def _render_of(event: Rendered) -> Render:
    return Render(
        event.seconds,
        event.waited_seconds,
        event.cpu_seconds,
        event.size_bytes,
        int(time.time()),
        event.rendition.format.name,
        event.rendition.options.canonical(),
        event.engine,
    )


_recorders: WeakSet[Recorder] = WeakSet()


@atexit.register
def _write_all() -> None:
    for recorder in tuple(_recorders):
        recorder.write_at_exit()
