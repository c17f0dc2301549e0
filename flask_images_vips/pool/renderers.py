"""Run requests in renderers if possible, otherwise in the thread."""

from __future__ import annotations

import copy
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ..config.keys import Config
from ..errors import Busy, CrashedDecoder, LimitExceeded, SourceError, UnreadableSource, shown
from ..headers.kinds import is_refused_kind
from ..rendering.request import SOURCE, WATERMARK, Request, Work
from ..system_errors import passing_errors_are_busy
from ..urls import is_remote
from . import resources
from .outcome import Budget, Crashed, Done, NoPool
from .threads import InThread
from .turns import Turns

if TYPE_CHECKING:
    from .client import Pool

logger = logging.getLogger("flask_images_vips")

_REST_SECONDS = 60.0  # from a failure of the pool to the next attempt
_PIECE = 1 << 20
YOUNG_SECONDS = 2.0  # a file that was written more recently may be incomplete


class _Fallback:
    """Why the thread renders, which warning about it was logged, and the monotonic time to try the pool again."""

    def __init__(self, why: str | None) -> None:
        self.why = why
        self.said: str | None = None
        self.until = 0.0


class Renderers:
    """Runs requests in *pool*, or in *thread* if there is no pool.

    *why* is the reason why there is no pool, for the log. None if the configuration wants none.
    """

    def __init__(self, pool: Pool | None, thread: InThread, why: str | None = None) -> None:
        self.pool = pool
        self.thread = thread
        self._fallback = _Fallback(why)

    @property
    def without_pool(self) -> str | None:
        """Why the thread renders, though the configuration wants a pool. None if nothing has kept it from rendering."""
        fallback = self._fallback
        return fallback.why if self.pool is None or time.monotonic() < fallback.until else None

    def waiting(self) -> int | None:
        """Return how many requests of visitors wait for their turn: on this host, or in this process without a pool.

        None if that is not known.
        """
        if self.pool is None or self.without_pool:
            return self.thread.turns.waiting()
        try:
            return self.pool.place.waiting()
        except NoPool:
            return None

    @property
    def count(self) -> int:
        """How many renders run at the same time."""
        return 1 if self.pool is None or self.without_pool else self.pool.count

    def by(self, config: Config) -> Renderers:
        """Return the same renderers for another *config*. Both take the same turns in the thread."""
        other = copy.copy(self)
        other.thread = InThread(config, self.thread.turns)
        return other

    def run(
        self,
        request: Request,
        descriptors: Sequence[int],
        refs: Sequence[str],
        *,
        since: float,
        budget: Budget,
        yields: bool = False,
    ) -> Done:
        """Run *request* within the *budget*. *refs* are the names of the sources open at *descriptors*.

        The time to wait for its turn counts from the monotonic time *since*. With *yields*, requests of visitors go
        first.

        Raises:
            Busy: If its turn does not come in time, or if the source may still be written.
            ImagesError: See `Job.run`.
        """
        # Copies of sources are written elsewhere and moved to their places.
        excused = nullcontext() if request.work is Work.COPY else excused_files_are_busy(refs, descriptors)
        try:
            with excused:
                return self._run(request, descriptors, refs[0], since, budget, yields)
        except Crashed:
            _check_threads()
            raise CrashedDecoder(refs[0], "its decoder crashed") from None
        except UnreadableSource as error:
            _check_threads()
            raise _named(error, refs) from None
        except LimitExceeded as error:
            if error.set_by == "IMAGES_RENDER_MEMORY":  # a renderer that gets no thread cannot tell which limit it hit
                _check_threads()
            raise

    def _run(
        self, request: Request, descriptors: Sequence[int], ref: str, since: float, budget: Budget, yields: bool
    ) -> Done:
        fallback = self._fallback
        if self.pool is not None and time.monotonic() >= fallback.until:
            try:
                done = self.pool.run(request, descriptors, ref, since=since, budget=budget, yields=yields)
                fallback.said = None
                return done
            except NoPool as error:
                fallback.until = time.monotonic() + _REST_SECONDS
                fallback.why = str(error)
        if fallback.why and fallback.why != fallback.said:
            logger.warning(
                "Images are rendered in the web worker, without protection against hostile files: %s.", fallback.why
            )
            fallback.said = fallback.why
        if self.pool is not None:
            _check_threads()
        return self.thread.run(request, descriptors, ref, since=since, budget=budget, yields=yields)


@contextmanager
def excused_files_are_busy(refs: Sequence[str], descriptors: Sequence[int]) -> Iterator[None]:
    """Raise `Busy` if the block cannot read a file that may be intact.

    That is so if the disk does not give it at the moment, or if it may still be written, because it was written moments
    ago. It is not so if its first bytes tell that it is of a kind that is not accepted. *refs* are the paths or the
    URLs of the files open at *descriptors*. Fetched files are written elsewhere and moved to their places.
    """
    try:
        yield
    except (Crashed, UnreadableSource, LimitExceeded) as error:
        # A file of which a part is missing may seem to have very many parts.
        if isinstance(error, LimitExceeded) and error.set_by != "this package":
            raise
        if isinstance(error, UnreadableSource) and any(is_refused_kind(each, error.reason) for each in descriptors):
            raise
        files = list(zip(refs, descriptors, strict=True))
        for ref, descriptor in files:
            with passing_errors_are_busy(ref):
                _read_all(descriptor)
        young = next((ref for ref, descriptor in files if not is_remote(ref) and _is_young(descriptor)), None)
        if young is not None:
            reason = error.reason if isinstance(error, UnreadableSource) else error
            raise Busy(
                f"{shown(young)} was written moments ago, maybe not to its end. It cannot be read: {reason}"
            ) from None
        raise


def _check_threads() -> None:
    """Raise `Busy` if a render fails because this user has too many processes, which says nothing about its source."""
    if not resources.has_threads():
        raise Busy("no more threads can be started")


def _read_all(descriptor: int) -> None:
    """Read the file once. Decoders do not tell why they have failed.

    Raises:
        OSError: If it cannot be read.
    """
    offset = 0
    while piece := os.pread(descriptor, _PIECE, offset):
        offset += len(piece)


def _is_young(descriptor: int) -> bool:
    return abs(time.time() - os.fstat(descriptor).st_mtime) < YOUNG_SECONDS


def _named(error: SourceError, refs: Sequence[str]) -> SourceError:
    """Return *error* with the name of the source instead of its name in the request."""
    if error.ref == WATERMARK and len(refs) > 1:
        return type(error)(refs[1], error.reason)
    return type(error)(refs[0], error.reason) if error.ref.startswith(SOURCE) else error


def make_renderers(config: Config) -> Renderers:
    """Return the renderers of an application, without starting them yet."""
    count, memory = resources.renderers(config.max_renders, config.render_memory)
    thread = InThread(config, Turns(config.lock_timeout))
    if config.max_renders == 0 or config.engine == "boxes":  # boxes need no protection, and are drawn sooner
        return Renderers(None, thread)
    if sys.platform != "linux":
        return Renderers(None, thread, "renderers need Linux")
    from .client import Pool  # noqa: PLC0415  (needs Linux)
    from .place import Place  # noqa: PLC0415

    return Renderers(Pool(Place(), count, memory, config.lock_timeout), thread)
