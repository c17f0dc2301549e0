"""Render from Python code: now, or in the background. No URL and no visitor is involved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from .background_thread import BackgroundThread, threads_run
from .errors import Busy
from .formats import AUTO
from .options.ineffective import ineffective
from .options.options import Options, write_query
from .page.calls import given
from .page.links import focal_query
from .page.queries import QUALITY, in_url
from .page.rights import rights_query
from .state import AppImages
from .urls import ImageUrl, checked_path, is_remote

_MOST_WAITING = 10_000
_LONGEST_SECONDS = 600.0  # to try a rendition again while the host is busy


def image_url(images: AppImages, path: object, keywords: Mapping[str, Any]) -> ImageUrl:
    """Return what the URL that a template builds for *path* and *keywords* asks for. ``format='auto'`` is settled.

    Unlike a template, this refuses keywords and values that have no effect.

    Raises:
        InvalidPath: As `urls.checked_path`.
        InvalidOption: If a keyword is not the name of an option, or has an invalid value.
    """
    pipeline, ref = images.pipeline, checked_path(path)
    wanted = pipeline.presets.expanded(given(keywords))
    query = in_url(write_query(wanted)) | focal_query(images, ref, wanted) | rights_query(images, ref, wanted)
    for error in ineffective(query):
        raise error
    url = ImageUrl(ref, Options.parse(query), None, remote=is_remote(ref), default_quality=not query.get(QUALITY))
    if url.options.format is AUTO:
        format = pipeline.formats.negotiated(url, "")
        return replace(url, options=replace(url.options, format=format))
    return url


def render(images: AppImages, url: ImageUrl) -> bytes:
    """Return the file of the rendition that *url* asks for, from the cache or rendered now.

    Raises:
        ImagesError: As `Pipeline.entry`.
    """
    _, entry = images.pipeline.entry(url)
    with entry:
        return entry.read()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A rendition to make, and who waits for it."""

    url: ImageUrl
    future: Future[None] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Later:
    """Makes renditions in the background, one after another, while no visitor waits for a renderer."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        self._thread = BackgroundThread("flask-images-vips-later", self._make, _MOST_WAITING)

    def enqueue(self, url: ImageUrl) -> Future[None]:
        """Queue the rendition that *url* asks for, and return a future that is done once it is in the cache.

        Raises:
            Busy: If very many wait already, or the environment runs no background threads.
        """
        if not threads_run():
            raise Busy("uWSGI runs no background threads: start it with --enable-threads, or use render")
        waiting = _Waiting(url)
        if not self._thread.offer(waiting):
            raise Busy(f"{_MOST_WAITING:,} renditions wait already, or no thread can be started: use render")
        return waiting.future

    def _make(self, waiting: _Waiting) -> None:
        future = waiting.future
        if not (future.running() or future.set_running_or_notify_cancel()):
            return
        try:
            _, entry = self._images.pipeline.entry(waiting.url, yields=True)
            entry.close()
        except Busy as error:
            if time.monotonic() < waiting.since + _LONGEST_SECONDS:
                raise  # it is tried again after a pause
            future.set_exception(error)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(None)
