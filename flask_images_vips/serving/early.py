"""Can it be answered before Flask begins? Warm hits, where ``IMAGES_EARLY_HITS`` is set; the rest goes its usual way.

What is left out is the application's: contexts, routing, session, hooks and signals. The answer is made by the same
functions as in `views`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import ImagesError
from ..state import AppImages
from .responses import image_response, present

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Response


class EarlyHits:
    """The WSGI application *wrapped*, but for the warm hits of *images*."""

    def __init__(self, wrapped: WSGIApplication, images: AppImages) -> None:
        self._wrapped = wrapped
        self._images = images
        self._prefix = f"{images.url}/"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Whether the key is set is known once the first image has read the configuration.
        hit = self._hit(environ) if self._images.early_hits else None
        return (self._wrapped if hit is None else hit)(environ, start_response)

    def _hit(self, environ: WSGIEnvironment) -> Response | None:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(self._prefix) or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if self._images.authorizer is not None:  # it looks at the session, which is not open yet
            return None
        path = path[len(self._prefix) :]
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # as WSGI and Werkzeug have it
        try:
            query_string = environ.get("QUERY_STRING", "").encode("latin-1")
            known = self._images.known(path, query_string, environ.get("HTTP_ACCEPT", ""))
            if known.answer is None:  # not yet seen by the view: a rule of the application may come before ours
                return None
            answer, entry = present(known, self._images)
        except ImagesError:
            return None  # Flask's way says it, and logs it
        return None if entry is None else image_response(entry, answer, self._images, environ)
