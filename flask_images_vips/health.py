"""Answer whether images can be served: the view of ``IMAGES_HEALTH``, for monitoring and load balancers.

Where the key is not set, this module is not even imported.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from flask import Response, jsonify

from .cache.per_process import PerProcess
from .cache.trial import has_room, write_refusal
from .errors import Busy, ImagesError, WaitedTooLong
from .events import Rendered
from .installed import own_version
from .report import usable
from .state import AppImages
from .system_errors import cause
from .urls import ImageUrl

HEALTH_ENDPOINT = "flask_images_vips_health"

_KEPT_SECONDS = 1.0  # an answer, so that frequent requests cost little
_REFUSED_SECONDS = 10.0  # for which a request that gave up is a problem
_USUAL_SECONDS = 0.2  # of a render, until this process knows better
_SHARE = 0.5  # of IMAGES_LOCK_TIMEOUT that a new picture may wait for its turn
_WEIGHT = 0.1  # of one render in the mean


class _Process:
    """What one process knows: the mean time of its renders, the last refusal, and the last answer."""

    def __init__(self) -> None:
        self.render_seconds = _USUAL_SECONDS
        self.refused_at = float("-inf")
        self.answer: tuple[float, dict[str, Any]] | None = None


class Health:
    """The health of the images of one application."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        self._process = PerProcess(_Process)
        images.events.rendered.append(self._rendered)
        images.events.failed.append(self._failed)

    def answer(self) -> Response:
        """Return the response: a JSON object, with status 200, or 503 if there are problems."""
        here, now = self._process.get(), time.monotonic()
        if here.answer is None or now - here.answer[0] >= _KEPT_SECONDS:
            here.answer = now, self._found(here, now)
        found = here.answer[1]
        response = jsonify(found)
        response.status_code = 503 if found["problems"] else 200
        response.headers["Cache-Control"] = "no-store"
        return response

    def _found(self, here: _Process, now: float) -> dict[str, Any]:
        pipeline = self._images.pipeline
        renderers, libraries = pipeline.producer.renderers, pipeline.abilities.known()
        waiting = renderers.waiting()
        expected = None if waiting is None else waiting * here.render_seconds / renderers.count
        problems = [*self._of_cache(), *self._of_tombstones(), *self._of_queue(here, now, expected)]
        if libraries is not None and not usable(libraries):
            problems.append("no image library can be used")
        return {
            "status": "failing" if problems else "ok",
            "problems": problems,
            "version": own_version(),
            "renders": {
                "in": "the web worker" if renderers.pool is None or renderers.without_pool else "renderers",
                "at_once": renderers.count,
                "waiting": waiting,
                "expected_wait_seconds": None if expected is None else round(expected, 3),
            },
            "libraries": {
                name: {
                    "name": library.name,
                    "version": library.version,
                    "problem": library.problem,
                    "reads": library.inputs,
                    "writes": library.outputs,
                }
                for name, library in (libraries or {}).items()
            },
        }

    def _of_cache(self) -> Iterator[str]:
        cache = self._images.pipeline.cache
        if not cache.usable():
            yield "the cache cannot be used: its folder belongs to another user, or others can write to it"
            return
        refusal = write_refusal(cache)
        if refusal is not None:
            yield f"the cache cannot be written ({cause(refusal)})"
        elif not has_room(cache):
            yield "nothing is stored in the cache, because the disk is nearly full (IMAGES_CACHE_MIN_FREE)"

    def _of_tombstones(self) -> Iterator[str]:
        try:
            self._images.tombstones.check()
        except Busy:  # whose message has a path of this host
            yield "the tombstones of forgotten pictures cannot be read, so new images answer 503 (IMAGES_TOMBSTONES)"

    def _of_queue(self, here: _Process, now: float, expected: float | None) -> Iterator[str]:
        patience = self._images.pipeline.config.lock_timeout
        if expected is not None and expected > _SHARE * patience:
            yield f"a new picture would wait for about {expected:.1f} s, and requests give up after {patience:g} s"
        if now - here.refused_at < _REFUSED_SECONDS:
            yield f"a request gave up after waiting {patience:g} s for a renderer, less than {_REFUSED_SECONDS:g} s ago"

    def _rendered(self, event: Rendered) -> None:
        here, seconds = self._process.get(), max(0.0, event.seconds - event.waited_seconds)
        here.render_seconds += _WEIGHT * (seconds - here.render_seconds)

    def _failed(self, path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        if isinstance(error, WaitedTooLong):
            self._process.get().refused_at = time.monotonic()


def add_health(images: AppImages, path: str, host: str | None) -> None:
    """Add the view to the application of *images*, at *path* of *host*."""
    images.app.add_url_rule(path, endpoint=HEALTH_ENDPOINT, view_func=Health(images).answer, host=host)
