"""Make what a plan lists, in several threads. The pixels are rendered by the renderers of this host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from flask import Flask

from ...errors import Busy, ImagesError, NotAuthorized
from ...nginx.links import leads_to
from ...pipeline import Pipeline
from ...serving.hit import Hit, jxl_pair, offer_to_nginx
from ...state import AppImages
from .plan import Plan, Rendition
from .queue import Queue
from .wanted import Placeholder, Problem

_TRIES = 5  # while the host is busy
_GLANCE_SECONDS = 0.25
_MOST_UNSTORED = 3  # in a row: the disk is full, or the cache cannot be written


class CannotStore(ImagesError):
    """The cache takes no renditions."""


@dataclass(slots=True)
class Result:
    """What a run has done. *found* counts what somebody else had made by then, and *left* what is not done."""

    made: int = 0
    found: int = 0
    linked: int = 0
    left: int = 0
    problems: list[Problem] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> int:
        return self.made + self.found + len(self.problems)


class Run:
    """Makes the renditions, the links and the placeholders of a *plan* in *workers* threads.

    With *yields*, requests of visitors go first.
    """

    def __init__(self, app: Flask, images: AppImages, plan: Plan, workers: int, *, yields: bool) -> None:
        self._app = app
        self._images = images
        self._pipeline: Pipeline = images.pipeline.for_nobody(yields=yields)
        self._tasks: list[Rendition | Placeholder] = [*plan.missing, *plan.linkless, *plan.placeholders]
        self._placeholders = plan.placeholders
        self._workers = workers
        self._queue: Queue[Rendition | Placeholder] = Queue(self._tasks)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._unstored = 0
        self.result = Result()

    def __len__(self) -> int:
        return len(self._tasks)

    def run(self, tell: Callable[[Result], object] = lambda result: None) -> Result:
        """Do it, and call *tell* now and then. After Ctrl-C, the threads finish what they are at, then it returns.

        Raises:
            CannotStore: If the cache takes no renditions.
        """
        self._ask_for_placeholders()
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        try:
            self._wait(threads, tell)
        except KeyboardInterrupt:
            self._queue.stop()
            self.result.stopped = True
            self._wait(threads, tell)
        self.result.left = len(self) - self.result.done
        if self._error is not None:
            raise self._error
        return self.result

    def _wait(self, threads: Iterable[threading.Thread], tell: Callable[[Result], object]) -> None:
        for thread in threads:
            while thread.is_alive():
                thread.join(_GLANCE_SECONDS)
                tell(self.result)

    def _ask_for_placeholders(self) -> None:
        """Let the first render of each source make its placeholders on the way."""
        for each in self._placeholders:
            with suppress(ImagesError):  # its task reports it
                self._pipeline.facts.pixels.ask(self._pipeline.sources.here(each.ref), each.kind)

    def _work(self) -> None:
        with self._app.app_context():
            while (task := self._queue.take()) is not None:
                try:
                    self._do(task)
                except BaseException as error:
                    self._error = error
                    self._queue.stop()
                finally:
                    self._queue.release(task)

    def _do(self, task: Rendition | Placeholder) -> None:
        for attempt in range(_TRIES):
            try:
                made, linked = self._drawn(task) if isinstance(task, Placeholder) else self._rendered(task)
            except Busy as error:
                if attempt + 1 < _TRIES:
                    time.sleep(error.retry_after)
                    continue
                self._add(Problem(task.origin, str(error)))
            except CannotStore:
                raise
            except (ImagesError, OSError) as error:
                self._add(Problem(task.origin, str(error)))
            else:
                with self._lock:
                    self.result.made += made
                    self.result.found += not made
                    self.result.linked += linked
            return

    def _add(self, problem: Problem) -> None:
        with self._lock:
            self.result.problems.append(problem)

    def _drawn(self, task: Placeholder) -> tuple[bool, bool]:
        """Make a placeholder, unless a render has made it on the way."""
        source = self._pipeline.sources.here(task.ref)
        known = self._pipeline.facts.pixels.placeholder(source, task.kind) is not None
        self._pipeline.placeholder(source, task.kind)
        return not known, False

    def _rendered(self, task: Rendition) -> tuple[bool, bool]:
        """Return whether the rendition of *task* was made now, and whether a link was made to it."""
        hit = task.verified.hit()
        entry, made = hit.entry(), False
        if entry is None:
            made = True
            rendition, entry = self._pipeline.entry(task.verified.url, hit.rendition)
            if rendition != hit.rendition:
                hit = task.verified.renewed(rendition)
        with entry:
            self._check_stored(entry.path)
            linked = self._link(hit, entry.path)
        maker, pair = self._images.smaller_jxl, jxl_pair(hit)
        if maker is not None and pair is not None:
            with suppress(Busy):  # it is made once the AVIF is served
                maker.make_now(pair)
        return made, linked

    def _check_stored(self, path: str | None) -> None:
        self._unstored = self._unstored + 1 if path is None else 0
        if self._unstored >= _MOST_UNSTORED:
            raise CannotStore(
                f"The cache in {self._pipeline.cache.folder} takes no renditions: the disk is nearly full "
                "(IMAGES_CACHE_MIN_FREE), or this user cannot write to it."
            )

    def _link(self, hit: Hit, path: str | None) -> bool:
        """Let nginx serve *hit*, if every visitor may see it. Returns whether there is a new link."""
        if hit.link is None or path is None or leads_to(hit.link, path):
            return False
        try:
            with self._as_visitor(hit) as is_refused:
                if is_refused:
                    return False
                privacy = self._images.permit(hit.url)
                offer_to_nginx(hit, path, privacy, settled=hit.freshness.is_settled(int(time.time())))
        except NotAuthorized:
            return False
        except Exception as error:
            named = f"{type(error).__name__}: {error}"
            raise ImagesError(f"it is made, but nginx gets no link: the site's code failed with {named}") from error
        return leads_to(hit.link, path)

    @contextmanager
    def _as_visitor(self, hit: Hit) -> Iterator[bool]:
        """Let the site's `authorize` callback see a visitor who is not logged in, for the block.

        Yields whether the site refuses this visitor before it serves anything.
        """
        if self._images.authorizer is None:
            yield False
            return
        with self._app.test_request_context(f"{self._images.url}{hit.quoted_path}"):
            yield self._app.preprocess_request() is not None
