"""What does it cost to render a picture, here and now?"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from .. import Images, phases
from ..direct import image_url
from ..options.options import write_query
from ..state import images_of
from .sample import timing_of

_MOST_KNOWN = 2000


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one render. *ms* is the time that a renderer took for it, without the time in the queue.

    *cpu_ms* is the time that its processors worked.
    """

    engine: str
    ms: float
    cpu_ms: float
    size_bytes: int


def render(images: Images, path: str, options: Mapping[str, Any]) -> tuple[bytes, Cost | None]:
    """Return the file of a rendition and its cost, or None instead of the cost if the rendition was cached.

    Raises:
        ImagesError: As `Images.render`.
    """
    with phases.recorded() as timeline:  # within a request, this may be the timeline of that request
        before = len(timeline.rendered)
        data = images.render(path, **options)
        made = timeline.rendered[before:]
    if not made:
        return data, None
    last = made[-1]
    return data, Cost(last.engine, 1000 * (last.seconds - last.waited_seconds), 1000 * last.cpu_seconds, len(data))


@dataclass(frozen=True, slots=True)
class Timing:
    """What ``Server-Timing`` says of one request: the milliseconds of the whole and of its *phases*."""

    status: int
    ms: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)


def request(app: Flask, url: str) -> Timing:
    """Request an image of *app* within this process, and return how long that took."""
    # In an empty context, because the phases of a request within another one would be added to those of the other.
    response = Context().run(app.test_client(use_cookies=False).get, url)
    return Timing(response.status_code, *timing_of(response))


class Costs:
    """Measures what the renditions of *app* cost, each of them once, and one at a time.

    A rendition whose cost is not known, because another process has rendered it, is rendered again.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Cost] = {}

    def of(self, path: str, options: Mapping[str, Any]) -> Cost:
        """Return the cost of a rendition, which is in the cache then.

        Raises:
            ImagesError: As `Images.render`.
        """
        images: Images = self._app.extensions["images"]
        name = path, repr(sorted(write_query(options).items()))
        with self._lock:
            known = self._known.get(name)
            if known is not None:
                return known
            self._drop(path, options)
            _, cost = render(images, path, options)
            if cost is None:  # somebody else has asked for it at the same time
                _, cost = render(images, path, {**options, "cache": False})
            assert cost is not None
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[name] = cost
            return cost

    def known(self, path: str, options: Mapping[str, Any]) -> Cost | None:
        """Return the cost of a rendition if it has been measured."""
        return self._known.get((path, repr(sorted(write_query(options).items()))))

    def _drop(self, path: str, options: Mapping[str, Any]) -> None:
        """Remove the rendition from the cache, so that it is rendered."""
        images = images_of(self._app)
        url = image_url(images, path, options)
        rendition = images.pipeline.rendition(url, images.pipeline.sources.find(url))
        entry = images.pipeline.cache.get(rendition.key)
        if entry is not None:
            with entry:
                entry.discard()
