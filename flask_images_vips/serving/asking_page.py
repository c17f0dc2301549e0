"""Tell which page of the application asks for an image."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import unquote, urlsplit

from flask import current_app, has_request_context, request
from werkzeug.exceptions import HTTPException

from ..state import AppImages

ELSEWHERE = "elsewhere"
"""In place of an endpoint: a page of another site."""


def asking_page(images: AppImages) -> str:
    """Return the endpoint of the page that the current request is made for, by its Referer.

    It is an empty string if the browser does not tell, or if no URL rule matches.
    """
    if not has_request_context():
        return ""
    if request.endpoint != images.name:
        return request.endpoint or ""
    with suppress(ValueError, HTTPException):  # the client may send anything; a redirect is an HTTPException too
        parts = urlsplit(request.referrer or "")
        if not parts.netloc:
            return ""
        if parts.netloc not in (request.host, images.app.config["SERVER_NAME"]):
            return ELSEWHERE
        adapter = current_app.create_url_adapter(request)
        path = unquote(parts.path.removeprefix(request.root_path.rstrip("/")), errors="replace")
        return "" if adapter is None else str(adapter.match(path or "/", method="GET")[0])
    return ""
