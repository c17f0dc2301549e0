"""Build the response to an image request: the bytes, a range of them, status 304, or a header for the server in front.

With X-Accel-Redirect or X-Sendfile, the header contains the path of a file, and the server in front sends that file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import http_date

from ..access import Privacy
from ..cache.entry import Entry
from ..state import AppImages
from . import conditions
from .headers import IMMUTABLE, NO_STORE, VARY, Pairs, common_headers, outdated
from .hit import Hit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_STREAMED_BYTES = 100_000  # larger files are left to the server's file wrapper, if it has one
# Set by nginx if it could not send the file: the application must send it itself.
_SEND_HERE = "HTTP_X_IMAGES_HERE"
_NOT_IN_304 = ("Set-Cookie", "Content-Type", "Content-Length")


class _ReadyHeaders(Headers):
    """Headers that skip Werkzeug's validation, which takes a tenth of the time of a cached response.

    The values must be strings without line breaks.
    """

    def __init__(self, pairs: Pairs) -> None:
        self._list = pairs


class ImageResponse(Response):
    """The response to an image request. It never carries the session cookie, even if it is private.

    For a permanent session, Flask adds ``Set-Cookie`` and ``Vary: Cookie`` after all hooks have run, so no hook could
    remove them. A shared cache would then store one visitor's session for everyone, or not store the image at all.
    """

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        if self.headers.get("Vary"):
            self.vary.discard("cookie")  # in lower case, because Werkzeug compares it with lower-case names
        dropped = _NOT_IN_304 if self.status_code == 304 else ("Set-Cookie",)
        return _ReadyHeaders([pair for pair in self.headers if pair[0] not in dropped])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the response.

        If no close callbacks are registered, return the body directly instead of wrapping it in a ClosingIterator.
        """
        if self._on_close or environ["REQUEST_METHOD"] != "GET" or not isinstance(self.response, list):
            return super().__call__(environ, start_response)
        start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
        return self.response


def respond(hit: Hit, entry: Entry, privacy: Privacy, environ: WSGIEnvironment) -> Response:
    """Return the response with the bytes of *entry*, or with status 304 if the client has them. Closes *entry*."""
    with entry:
        now = int(time.time())
        if hit.link is not None and (door := hit.images.front_door) is not None:
            public, settled = privacy == "public", hit.freshness.is_settled(now)
            door.link(hit.link, entry.path, public=public, settled=settled, confirm=hit.is_still_public)
        if hit.count_answer is not None and entry.path is not None and privacy != NO_STORE:
            hit.count_answer()
        # Use the format of nginx's ETags, because either server may send the file.
        etag = f'"{entry.mtime:x}-{entry.size_bytes:x}"'
        headers = _headers(hit, entry, privacy, environ, now, etag)
        status = conditions.status(environ, etag, _last_modified(entry, now))
        if status == 304:
            return ImageResponse(status=304, headers=_ReadyHeaders(headers))
        if status == 412:
            return _refused(412, headers, hit.images)
        return _with_body(hit, entry, environ, headers)


def _headers(hit: Hit, entry: Entry, privacy: Privacy, environ: WSGIEnvironment, now: int, etag: str) -> Pairs:
    cache_control, seconds = hit.freshness.at(now, privacy)
    path = hit.quoted_path
    # WSGI passes the decoded path, but only the canonical spelling may get an immutable response. Some servers pass the
    # raw path in RAW_URI, so compare it where possible.
    if cache_control is IMMUTABLE and not environ.get("RAW_URI", path).partition("?")[0].endswith(path):
        cache_control, seconds = outdated()
    headers = [
        *hit.headers,
        ("Cache-Control", cache_control),
        ("ETag", etag),
        ("Last-Modified", _http_date(_last_modified(entry, now))),
    ]
    if seconds and privacy != "private":
        headers.append(("Expires", _http_date(now + seconds)))
    return headers


def _last_modified(entry: Entry, now: int) -> int:
    return min(max(entry.mtime, 0), now)


def _with_body(hit: Hit, entry: Entry, environ: WSGIEnvironment, headers: Pairs) -> Response:
    wanted, send_here = environ.get("HTTP_RANGE", ""), _SEND_HERE in environ
    if wanted and hit.count_answer is not None and not environ.get("HTTP_IF_RANGE", '"').endswith('"'):
        # If-Range holds a date. Recompression keeps the date but changes the bytes, so the whole file is sent.
        wanted, send_here = "", True
    if entry.path is not None and entry.descriptor is not None and not send_here:
        handed_over = _handed_over(entry.path, hit.images)
        if handed_over is not None:
            return ImageResponse(headers=[*headers, handed_over])
    # A request for several ranges, or in another unit, is answered with the whole file.
    if wanted.startswith("bytes=") and "," not in wanted:
        return _part(entry, headers, hit.images, environ)
    headers.append(("Content-Length", str(entry.size_bytes)))
    if entry.size_bytes >= _STREAMED_BYTES and entry.descriptor is not None and "wsgi.file_wrapper" in environ:
        file = environ["wsgi.file_wrapper"](entry.detach())
        return ImageResponse(file, headers=_ReadyHeaders(headers), direct_passthrough=True)
    return ImageResponse([entry.read()], headers=_ReadyHeaders(headers))


def _handed_over(path: str, images: AppImages) -> tuple[str, str] | None:
    """Return the header that makes the server in front send the file *path*, or None if that is not configured."""
    location = images.pipeline.config.accel_redirect
    if location is not None:
        below = os.path.relpath(path, images.pipeline.cache.folder)
        return "X-Accel-Redirect", f"{location.rstrip('/')}/{quote(below)}"
    return ("X-Sendfile", path) if images.app.config["USE_X_SENDFILE"] else None


def _part(entry: Entry, headers: Pairs, images: AppImages, environ: WSGIEnvironment) -> Response:
    """Return the bytes of one range, or the whole file if ``If-Range`` does not match."""
    response = ImageResponse(entry.read(), headers=headers)
    try:
        response.make_conditional(conditions.of_range(environ), accept_ranges=True, complete_length=entry.size_bytes)
    except RequestedRangeNotSatisfiable:
        return _refused(416, headers, images, ("Content-Range", f"bytes */{entry.size_bytes}"))
    return response


def _refused(status: int, headers: Pairs, images: AppImages, *more: tuple[str, str]) -> Response:
    refused = [*more, ("Cache-Control", NO_STORE), *common_headers(images.pipeline.config)]
    refused += [header for header in headers if header is VARY]
    return ImageResponse(status=status, headers=refused, mimetype="text/plain")


@lru_cache(256)
def _http_date(seconds: int) -> str:
    return http_date(seconds)
