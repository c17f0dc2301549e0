"""How does a rendition travel? Its headers, and its bytes: from here, or handed over to the server in front."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import http_date

from .. import urls
from ..cache.entry import Entry
from ..config.keys import Config
from ..errors import Expired
from ..formats import Format
from ..rendition import Rendition
from ..sources.finder import current_version
from ..state import AppImages, Known
from ..urls import ImageUrl

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_YEAR_SECONDS = 31_536_000
_IMMUTABLE = f"public, max-age={_YEAR_SECONDS}, immutable"
_OUTDATED_SECONDS = 60  # the picture under a URL made for another version of it, as during a rolling deploy
_SETTLED_SECONDS = 2  # a younger file may be written once more within the second that its version names
_STREAMED_BYTES = 100_000  # from this size on the server sends the file by itself, where it can
_ASKED_HERE = "HTTP_X_IMAGES_HERE"  # the server in front could not send the file that it was told of
_NOT_IN_304 = ("Set-Cookie", "Content-Type", "Content-Length")
_NO_STORE = "no-store"
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"\\/]')
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

Pairs = list[tuple[str, str]]

VARY = ("Vary", "Accept")
"""What goes with every answer to a URL that leaves its format to the client."""


class _ReadyHeaders(Headers):
    """Headers of pairs that are known to be texts without line breaks: checking them again is a tenth of a hit."""

    def __init__(self, pairs: Pairs) -> None:
        self._list = pairs


class ImageResponse(Response):
    """The response of an image: no cookie of the application's session travels with it, nor with a private one.

    Flask adds ``Set-Cookie`` and ``Vary: Cookie`` for a permanent session after every hook, and a shared cache would
    then keep one visitor's session for all, or the image for none.
    """

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        if self.headers.get("Vary"):
            self.vary.discard("Cookie")
        dropped = _NOT_IN_304 if self.status_code == 304 else ("Set-Cookie",)
        return _ReadyHeaders([pair for pair in self.headers if pair[0] not in dropped])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """As any response; where nothing waits for its end, without the iterator around its bytes that would tell."""
        if self._on_close or environ["REQUEST_METHOD"] != "GET" or not isinstance(self.response, list):
            return super().__call__(environ, start_response)
        start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
        return self.response


class Answer:
    """What a URL is answered with for one version of its source, less what the moment decides."""

    __slots__ = (
        "_expires",
        "_later",
        "_max_age",
        "_now",
        "_settled_at",
        "asked",
        "headers",
        "link",
        "path",
        "rendition",
        "tail",
    )

    def __init__(self, url: ImageUrl, rendition: Rendition, images: AppImages) -> None:
        pipeline, door, recompressor = images.pipeline, images.front_door, images.recompressor
        self.rendition = rendition
        self.asked = None if recompressor is None else recompressor.counter(rendition)
        self.path = pipeline.cache.path(rendition.key)
        self.tail = "/" + urls.quoted(urls.REMOTE if url.remote else url.ref)
        self.headers = [
            ("Content-Type", rendition.format.media_type),
            ("Content-Disposition", _disposition(url, rendition.format)),
            ("Accept-Ranges", "bytes"),
            *([VARY] if url.negotiated else []),
            *common_headers(pipeline.config),
        ]
        # The version of a remote source is the site's own: there is nothing to compare it with, but for a watermark's.
        if url.remote:
            mark = rendition.watermark
            current = url.version is not None and (mark is None or url.version.endswith(f".{current_version(mark)}"))
        else:
            current = url.version is not None and url.version == current_version(*rendition.sources)
        self._settled_at = rendition.mtime + _SETTLED_SECONDS
        self._now = self._later = _freshness(url, current, pipeline.config)
        if self._later[1] == _YEAR_SECONDS:
            self._now = _kept_for(_OUTDATED_SECONDS)
        self._expires, self._max_age = url.options.expires, pipeline.config.max_age
        # Only what stays true for as long as the link is there: this version, in the one spelling, shown in the page.
        self.link = None
        lasting = current and url.options.download is None and url.options.expires is None
        if door is not None and url.canonical is not None and lasting:
            self.link = door.path(url.canonical, rendition.format.suffix) if url.options.cache else None

    def fresh(self, now: int, *, private: bool = False) -> tuple[str, int]:
        """Cache-Control, and the seconds that it grants, at the time *now*; *private* where it is for one visitor."""
        cache_control, age = self._later if self.is_settled(now) else self._now
        if cache_control is _NO_STORE or not (private or self._expires is not None):
            return cache_control, age
        age = min(age, self._max_age) if private else age  # for no longer, since the visitor's rights may end
        age = age if self._expires is None else max(0, min(age, self._expires - now))
        return f"{'private' if private else 'public'}, max-age={age}", age

    def is_settled(self, now: float) -> bool:
        """Whether the source is old enough, at the time *now*, for its version to mean what it now holds."""
        return now > self._settled_at


def front_headers(config: Config) -> Pairs:
    """What nginx sends with the images that it answers by itself, which are all immutable."""
    return [("Cache-Control", _IMMUTABLE), *common_headers(config)]


def common_headers(config: Config) -> Pairs:
    """What every answer of the image URLs carries, errors too."""
    headers = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", _POLICY)]
    if config.allow_origin is not None:
        headers.append(("Access-Control-Allow-Origin", config.allow_origin))
    if config.resource_policy is not None:
        headers.append(("Cross-Origin-Resource-Policy", config.resource_policy))
    return headers


def present(known: Known, images: AppImages) -> tuple[Answer, Entry | None]:
    """What the URL is answered with as its source is now, and the entry of that, if it is kept.

    Raises:
        SourceNotFound, RemoteFailed: there is no such source, or it cannot be fetched.
        InvalidOption: a format that the application does not send.
        Expired: the URL was for a time that is over.
    """
    pipeline, url = images.pipeline, known.url
    if url.options.expires is not None and time.time() >= url.options.expires:
        raise Expired(f"{url.ref!r}: the URL expired at {url.options.expires}")
    answer: Answer | None = known.answer
    source = pipeline.sources.find(url, None if answer is None else answer.rendition.source)
    if (
        answer is None
        or answer.rendition.source is not source
        or pipeline.sources.watermark(url.options, answer.rendition.watermark) is not answer.rendition.watermark
    ):
        answer = known.answer = Answer(url, pipeline.rendition(url, source), images)
    return answer, pipeline.cache.at(answer.path) if url.options.cache else None


def image_response(
    entry: Entry,
    answer: Answer,
    images: AppImages,
    environ: WSGIEnvironment,
    *,
    store: bool = True,
    private: bool = False,
) -> Response:
    """The bytes of *entry*, which this closes, or 304 before they are read.

    Without *store*, nobody may keep them; *private* ones only the visitor's browser.
    """
    with entry:
        now = int(time.time())
        shared = store and not private
        link = answer.link if shared and answer.is_settled(now) else None
        if link is not None and entry.path is not None and images.front_door is not None:
            images.front_door.link(link, entry.path)
        if answer.asked is not None and store and entry.path is not None:
            answer.asked()
        freshness = answer.fresh(now, private=private) if store else (_NO_STORE, 0)
        return _response(entry, answer, images, environ, now, freshness, private=private)


def _response(
    entry: Entry,
    answer: Answer,
    images: AppImages,
    environ: WSGIEnvironment,
    now: int,
    freshness: tuple[str, int],
    *,
    private: bool,
) -> Response:
    # nginx' own form, so that it and this application agree about a file that both may send.
    etag = f'"{entry.mtime:x}-{entry.size_bytes:x}"'
    cache_control, age = freshness
    if cache_control is _IMMUTABLE and not environ.get("RAW_URI", answer.tail).partition("?")[0].endswith(answer.tail):
        cache_control, age = _kept_for(_OUTDATED_SECONDS)  # another spelling of the path, which WSGI has undone
    headers = [
        *answer.headers,
        ("Cache-Control", cache_control),
        ("ETag", etag),
        ("Last-Modified", _http_date(min(max(entry.mtime, 0), now))),
    ]
    if age and not private:
        headers.append(("Expires", _http_date(now + age)))
    if environ.get("HTTP_IF_NONE_MATCH") == etag:
        return ImageResponse(status=304, headers=_ReadyHeaders(headers))
    if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ:
        response = ImageResponse(headers=headers)
        response.make_conditional(environ)
        if response.status_code == 304:
            return response
    wanted, here = environ.get("HTTP_RANGE", ""), _ASKED_HERE in environ
    if wanted and answer.asked is not None and not environ.get("HTTP_IF_RANGE", '"').endswith('"'):
        wanted, here = "", True  # by a date, which is the same for the bytes before and after they are made again
    if entry.path is not None and entry.descriptor is not None and not here:
        handed_over = _handed_over(entry, images)
        if handed_over is not None:
            return ImageResponse(headers=[*headers, handed_over])
    if wanted.startswith("bytes=") and "," not in wanted:  # of several at once, or other units, the whole is right too
        return _part(entry, headers, images, environ)
    headers.append(("Content-Length", str(entry.size_bytes)))
    if entry.size_bytes >= _STREAMED_BYTES and entry.descriptor is not None and "wsgi.file_wrapper" in environ:
        file = environ["wsgi.file_wrapper"](entry.detach())
        return ImageResponse(file, headers=_ReadyHeaders(headers), direct_passthrough=True)
    return ImageResponse([entry.read()], headers=_ReadyHeaders(headers))


def _part(entry: Entry, headers: Pairs, images: AppImages, environ: WSGIEnvironment) -> Response:
    """The bytes of one range, or the whole where ``If-Range`` names another picture."""
    response = ImageResponse(entry.read(), headers=headers)
    try:
        response.make_conditional(environ, accept_ranges=True, complete_length=entry.size_bytes)
    except RequestedRangeNotSatisfiable:
        whole = ("Content-Range", f"bytes */{entry.size_bytes}")
        refused = [whole, ("Cache-Control", _NO_STORE), *common_headers(images.pipeline.config)]
        refused += [header for header in headers if header is VARY]
        return ImageResponse(status=416, headers=refused, mimetype="text/plain")
    return response


def _handed_over(entry: Entry, images: AppImages) -> tuple[str, str] | None:
    """The header that lets the server in front send the file, if it is to."""
    location = images.pipeline.config.accel_redirect
    assert entry.path is not None
    if location is not None:
        below = os.path.relpath(entry.path, images.pipeline.cache.folder)
        return "X-Accel-Redirect", f"{location.rstrip('/')}/{quote(below)}"
    return ("X-Sendfile", entry.path) if images.app.config["USE_X_SENDFILE"] else None


def _freshness(url: ImageUrl, current: bool, config: Config) -> tuple[str, int]:
    """Cache-Control, and the seconds that it grants, once the source has settled."""
    if not url.options.cache:
        return _NO_STORE, 0
    if url.version is not None:
        return (_IMMUTABLE, _YEAR_SECONDS) if current and url.exact else _kept_for(_OUTDATED_SECONDS)
    cache_control, age = _kept_for(config.max_age)
    if config.stale_while_revalidate:
        cache_control += f", stale-while-revalidate={config.stale_while_revalidate}"
    return cache_control, age


def _kept_for(seconds: int) -> tuple[str, int]:
    return f"public, max-age={seconds}", seconds


@lru_cache(256)
def _http_date(seconds: int) -> str:
    return http_date(seconds)


def _disposition(url: ImageUrl, format: Format) -> str:
    """Shown in the page, or saved: under the source's own name, or another, with the right ending (RFC 6266)."""
    download = url.options.download
    kind = "inline" if download is None else "attachment"
    name = url.file_name if download in (None, "1") else str(download)
    stem = name.rpartition(".")[0] or name
    name = _UNSAFE_IN_NAMES.sub("_", stem) + format.suffix
    if name.isascii():
        return f'{kind}; filename="{name}"'
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
