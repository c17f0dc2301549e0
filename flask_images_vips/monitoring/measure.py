"""Turn the events of an application's images into values of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flask import Flask, has_request_context, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from .. import phases
from ..events import Events, Rendered
from .families import ENDPOINTS, FAILED, PHASES, RENDERED, SERVED, Meter

if TYPE_CHECKING:
    from flask import Response

    from ..errors import ImagesError
    from ..serving.hit import Hit
    from ..urls import ImageUrl

NO_ENDPOINT = "other"
"""The label of renders that no page of this application has asked for, as far as the Referer tells."""


class Measures:
    """Gives *meters* the values of each event of *app*."""

    def __init__(self, app: Flask, meters: Sequence[Meter]) -> None:
        self._app = app
        self._meters = meters

    def follow(self, events: Events) -> None:
        """Measure *events* from now on."""
        events.served.append(self._served)
        events.rendered.append(self._rendered)
        events.failed.append(self._failed)

    def _served(self, hit: Hit, response: Response, cached: bool) -> None:
        labels = hit.rendition.format.name, str(response.status_code), "hit" if cached else "miss"
        values = 1, response.content_length or 0
        for meter in self._meters:
            meter.add(SERVED, labels, values)
        if not cached:
            self._add_phases()

    def _failed(self, path: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        labels = str(status), type(error).__name__
        for meter in self._meters:
            meter.add(FAILED, labels, (1,))
        if url is not None:
            self._add_phases()

    def _rendered(self, event: Rendered) -> None:
        by = "visitor" if event.visitor else "background"
        labels = event.rendition.format.name, event.engine, by
        values = 1, event.size_bytes, event.cpu_seconds, event.seconds, event.waited_seconds
        for meter in self._meters:
            meter.add(RENDERED, labels, values)
        if event.visitor and has_request_context():
            endpoint = endpoint_of_page(self._app) or NO_ENDPOINT
            for meter in self._meters:
                meter.add(ENDPOINTS, (endpoint,), (1, event.cpu_seconds))

    def _add_phases(self) -> None:
        timeline = phases.current()
        if timeline is not None:
            for name, seconds in timeline.seconds_by_name().items():
                for meter in self._meters:
                    meter.add(PHASES, (name,), (seconds,))


def endpoint_of_page(app: Flask) -> str | None:
    """Return the endpoint of the page that the image of the current request is for, or None if that is not known.

    The browser names the page in the Referer. Pages of other hosts have no endpoint.
    """
    with suppress(ValueError, HTTPException, RequestRedirect):
        page = urlsplit(request.headers.get("Referer", ""))
        adapter = app.create_url_adapter(request)
        root = request.root_path.rstrip("/")
        if adapter is None or page.netloc != request.host or not page.path.startswith(f"{root}/"):
            return None
        endpoint, _ = adapter.match(unquote(page.path[len(root) :]), method="GET")
        return str(endpoint)
    return None
