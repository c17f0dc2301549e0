"""Serve images without involving Flask, if ``IMAGES_EARLY_HITS`` is set.

This applies to images that this process has served before and that are still cached. Their requests skip the work that
Flask and the application do otherwise: contexts, routing, the session, hooks and signals. The responses are built by
the same functions as in `views`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import phases
from ..errors import ImagesError
from ..events import tell
from ..state import AppImages
from .hit import VerifiedUrls
from .responses import respond

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Response


class EarlyHits:
    """WSGI middleware that serves cached images of one application, and passes all other requests to *wrapped*."""

    def __init__(self, wrapped: WSGIApplication, images: AppImages) -> None:
        self._wrapped = wrapped
        self._images = images
        self._urls = images.instance(VerifiedUrls)
        self._prefix = f"{images.url}/"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._images.check_configuration()  # before the application may serve a page
        if not self._images.events.timed:
            return self._answer(environ, start_response)
        with phases.recorded():
            return self._answer(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._response(environ) if self._images.early_hits else None
        return (self._wrapped if response is None else response)(environ, start_response)

    def _response(self, environ: WSGIEnvironment) -> Response | None:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(self._prefix) or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if self._images.authorizer is not None:  # the callback may need the session, which is not open yet
            return None
        path = path[len(self._prefix) :]
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # as Werkzeug decodes paths from WSGI
        query_string = environ.get("QUERY_STRING", "").encode("latin-1")
        try:
            verified = self._urls.find(path, query_string, environ.get("HTTP_ACCEPT", ""))
            # Not served by the view yet: let Flask route it, because another URL rule may match this path.
            if verified.last is None:
                return None
            hit = verified.hit()
            entry = hit.entry()
            if entry is None:
                return None
            response = respond(hit, entry, "public", environ)
            if self._images.events.served:
                tell(self._images.events.served, hit, response, True)
            return response
        except ImagesError:
            return None  # the view will run into the same error and log it
