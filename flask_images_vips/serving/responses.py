"""Build the response to an image request: the bytes, a range of them, status 304, or a header for the server in front.

With X-Accel-Redirect or X-Sendfile, the header contains the path of a file, and the server in front sends that file.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.http import http_date

from ..access import Privacy
from ..cache.entry import Entry
from ..state import AppImages
from . import conditions, ranges
from .headers import IMMUTABLE, NO_STORE, VARY, Pairs, common_headers, outdated
from .hit import Hit, offer_to_nginx

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger("flask_images_vips")

_STREAMED_BYTES = 100_000  # larger files are left to the server's file wrapper, if it has one
# The application itself sends the file if nginx could not (the first header), and if the request has one of the others:
# servers evaluate them differently, against an ETag or a date of their own.
_ANSWERED_HERE = frozenset(
    ("HTTP_X_IMAGES_HERE", "HTTP_RANGE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE")
)
_COOKIES = ("set-cookie", "set-cookie2")
_NOT_IN_304 = (*_COOKIES, "content-type", "content-length")


# What proxies add to a request, and servers that nginx or Apache reach without a proxy.
_SET_IN_FRONT = frozenset(
    (
        *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP"),
        *("HTTP_FORWARDED", "HTTP_VIA", "uwsgi.version", "mod_wsgi.version"),
    )
)


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
        dropped = _NOT_IN_304 if self.status_code == 304 else _COOKIES
        return _ReadyHeaders([pair for pair in self.headers if pair[0].lower() not in dropped])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the response.

        If no close callbacks are registered, return the body directly instead of wrapping it in a ClosingIterator.
        """
        if self._on_close or environ["REQUEST_METHOD"] != "GET" or not isinstance(self.response, list):
            return super().__call__(environ, start_response)
        start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
        # With a body, a client would take it for the beginning of the next response (RFC 9112, section 6.3).
        return self.response if self.status_code != 304 else ()


class _StreamedResponse(ImageResponse):
    """A response whose body is a file wrapper of the server, which the server sends in its own way.

    Until it is sent, hooks can read or replace the body as that of any other response.
    """

    def __init__(self, wrapper: Iterable[bytes], headers: Headers) -> None:
        super().__init__(wrapper, headers=headers)
        self._wrapper = wrapper

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.direct_passthrough = self.response is self._wrapper and not self._on_close
        return super().__call__(environ, start_response)


def respond(hit: Hit, entry: Entry, privacy: Privacy, environ: WSGIEnvironment) -> Response:
    """Return the response with the bytes of *entry*, or with status 304 if the client has them. Closes *entry*."""
    with entry:
        now = int(time.time())
        settled = hit.freshness.is_settled(now)
        if hit.link is not None:
            offer_to_nginx(hit, entry.path, privacy, settled=settled)
        if hit.count_answer is not None and entry.path is not None and privacy != NO_STORE:
            hit.count_answer()
        headers, etag, modified = headers_of(hit, entry, privacy, environ, now, settled=settled)
        status = conditions.status(environ, etag, modified)
        if status == 304:
            return ImageResponse(status=304, headers=_ReadyHeaders(headers))
        if status == 412:
            return _refused(412, headers, hit.images)
        return _with_body(hit, entry, environ, headers, _part(hit, entry, environ, etag, modified))


def headers_of(
    hit: Hit, entry: Entry, privacy: Privacy, environ: WSGIEnvironment, now: int, *, settled: bool
) -> tuple[Pairs, str, int | None]:
    """Return the headers of a response with *entry* at the Unix time *now*, its ETag, and its date, if it has one.

    *settled* means that the version of the source identifies its content. Content-Length is not among the headers.
    """
    # nginx has a link only to what never changes, and forms its ETag so.
    etag = f'"{entry.mtime:x}-{entry.size_bytes:x}{"" if hit.link and settled else hit.etag_suffix}"'
    # Within a second, two versions of the source have the same date.
    modified = max(entry.mtime, 0) if settled and hit.dated else None
    headers = _headers(hit, privacy, environ, now, etag)
    if modified is not None:
        headers.append(("Last-Modified", _http_date(modified)))
    return headers, etag, modified


def _headers(hit: Hit, privacy: Privacy, environ: WSGIEnvironment, now: int, etag: str) -> Pairs:
    cache_control, seconds = hit.freshness.at(now, privacy)
    path = hit.quoted_path
    # WSGI passes the decoded path, but only the canonical spelling may get an immutable response. Most servers pass the
    # spelling too. If it is not known, neither is it known whether the next request is spelled alike.
    if cache_control is IMMUTABLE:
        spelling = environ.get("RAW_URI") or environ.get("REQUEST_URI")
        if spelling is None:
            cache_control, seconds = hit.freshness.unspelled
        elif not spelling.partition("?")[0].endswith(path):
            cache_control, seconds = outdated()
    headers = [*hit.headers, ("Cache-Control", cache_control), ("ETag", etag)]
    if seconds and privacy != "private":
        headers.append(("Expires", _http_date(now + seconds)))
    return headers


def _part(hit: Hit, entry: Entry, environ: WSGIEnvironment, etag: str, modified: int | None) -> slice | None:
    """Return the part of *entry* that the request asks for, or None for the whole. Only GET can ask for a part."""
    header = environ.get("HTTP_RANGE")
    if header is None or environ["REQUEST_METHOD"] != "GET":
        return None
    if hit.count_answer is not None:
        modified = None  # recompression keeps the date but changes the bytes
    return ranges.wanted(header, entry.size_bytes) if conditions.has_same(environ, etag, modified) else None


def _with_body(hit: Hit, entry: Entry, environ: WSGIEnvironment, headers: Pairs, part: slice | None) -> Response:
    size_bytes, in_file = entry.size_bytes, entry.descriptor is not None
    if entry.path is not None and in_file:
        handed_over = _handed_over(entry.path, hit.images, environ)
        if handed_over is not None:
            return ImageResponse(headers=[*headers, handed_over])
    if part is not None:
        if part.start == part.stop:
            return _refused(416, headers, hit.images, ("Content-Range", f"bytes */{size_bytes}"))
        headers.append(("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size_bytes}"))
        headers.append(("Content-Length", str(part.stop - part.start)))
        return ImageResponse([entry.read()[part]], 206, headers=_ReadyHeaders(headers))
    headers.append(("Content-Length", str(size_bytes)))
    streams = "wsgi.file_wrapper" in environ and environ["REQUEST_METHOD"] == "GET"
    if streams and in_file and size_bytes >= _STREAMED_BYTES:
        return _StreamedResponse(environ["wsgi.file_wrapper"](entry.detach()), headers=_ReadyHeaders(headers))
    return ImageResponse([entry.read()], headers=_ReadyHeaders(headers))


def _handed_over(path: str, images: AppImages, environ: WSGIEnvironment) -> tuple[str, str] | None:
    """Return the header that makes the server in front send the file *path*, or None to send it here.

    It is sent here if no such server is configured, or if the request needs the application.
    """
    location = images.pipeline.config.accel_redirect
    key = "IMAGES_ACCEL_REDIRECT" if location is not None else "USE_X_SENDFILE"
    if not images.app.config[key] or not _ANSWERED_HERE.isdisjoint(environ):
        return None
    if _SET_IN_FRONT.isdisjoint(environ):
        _warn_of_no_server_in_front(key)
        if environ.get("SERVER_SOFTWARE", "").startswith("Werkzeug/"):  # `flask run`
            return None
    if location is not None:
        below = os.path.relpath(path, images.pipeline.cache.folder)
        return "X-Accel-Redirect", f"{location.rstrip('/')}/{quote(below)}"
    return "X-Sendfile", os.fsencode(path).decode("latin-1")  # WSGI's form of any bytes


@lru_cache
def _warn_of_no_server_in_front(key: str) -> None:
    """Log that the value of *key* may be wrong, once in each process."""
    logger.warning(
        "%s is set, but a request for an image has none of the headers that a server in front adds, such as "
        "X-Forwarded-For. Without a server that sends the files, images are empty. Unset %s, or let that server set "
        "X-Forwarded-For, as `flask images nginx` prints it. This is logged once.",
        *(key, key),
    )


def _refused(status: int, headers: Pairs, images: AppImages, *more: tuple[str, str]) -> Response:
    refused = [*more, ("Cache-Control", NO_STORE), *common_headers(images.pipeline.config)]
    refused += [header for header in headers if header is VARY]
    return ImageResponse(status=status, headers=refused, mimetype="text/plain")


@lru_cache(256)
def _http_date(seconds: int) -> str:
    return http_date(seconds)
