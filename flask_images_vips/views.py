"""One image request, one response: the only module that knows HTTP's statuses and headers."""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from flask import Response, current_app, request

from . import urls
from .cache import Entry
from .errors import (
    BadSignature,
    ImagesError,
    InvalidOption,
    LimitExceeded,
    SourceChanged,
    SourceNotFound,
    UnreadableSource,
)
from .rendition import Rendition
from .state import current_images
from .urls import ImageUrl

logger = logging.getLogger(__package__)

# What the outside is told of each error: the status, and how long a cache may keep it.
_STATUS: dict[type[ImagesError], tuple[int, str]] = {
    BadSignature: (404, "public, max-age=60"),
    SourceNotFound: (404, "public, max-age=60"),
    InvalidOption: (400, "no-store"),
    LimitExceeded: (422, "no-store"),
    UnreadableSource: (422, "no-store"),
    SourceChanged: (503, "no-store"),
}
_REASONS = {
    400: "An option of this image URL has an impossible value.",
    404: "There is no such image.",
    422: "This image cannot be rendered.",
    503: "This image is being replaced. Try again.",
}

_YEAR_SECONDS = 31_536_000
_OUTDATED_SECONDS = 60  # the picture under a URL made for another version of it, as during a rolling deploy
_SETTLED_SECONDS = 2  # a younger file may be written once more within the second that its version names
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"\\/]')


def serve(path: str) -> Response:
    """Answer one image URL: verify, find, render at most once, send."""
    images = current_images()
    secrets = images.secrets
    pipeline = images.pipeline
    try:
        url = urls.decode(path, request.query_string, secrets, legacy=pipeline.config.legacy_signatures)
        rendition, entry = pipeline.entry(url)
    except tuple(_STATUS) as error:
        return _refused(path, error)
    with entry:
        return _sent(entry, url, rendition, pipeline.config.max_age)


def _sent(entry: Entry, url: ImageUrl, rendition: Rendition, max_age: int) -> Response:
    """The bytes, or 304 before they are read."""
    response = Response(mimetype=rendition.format.media_type)
    headers = response.headers
    headers["Cache-Control"], age = _freshness(url, rendition, max_age)
    now = datetime.now(UTC)
    if age:
        response.expires = now + timedelta(seconds=age)
    # nginx' own form, so that it and this application agree about a file that both may send.
    response.set_etag(f"{entry.mtime:x}-{entry.size_bytes:x}")
    response.last_modified = min(datetime.fromtimestamp(max(entry.mtime, 0), UTC), now)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Disposition"] = _disposition(rendition)
    response.make_conditional(request)
    if response.status_code == 304:
        return response
    response.set_data(entry.read())
    response.make_conditional(request, accept_ranges=True, complete_length=entry.size_bytes)
    return response


def _freshness(url: ImageUrl, rendition: Rendition, max_age: int) -> tuple[str, int]:
    """Cache-Control, and the seconds it grants."""
    if not url.options.cache:
        return "no-store", 0
    if url.version is None:
        return f"public, max-age={max_age}", max_age
    source = rendition.source
    if url.version == urls.version_of(source.mtime) and time.time() - source.mtime > _SETTLED_SECONDS:
        return f"public, max-age={_YEAR_SECONDS}, immutable", _YEAR_SECONDS
    return f"public, max-age={_OUTDATED_SECONDS}", _OUTDATED_SECONDS


def _disposition(rendition: Rendition) -> str:
    """Shown in the page, and saved under the source's own name, with the right ending (RFC 6266)."""
    name = rendition.source.ref.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    name = _UNSAFE_IN_NAMES.sub("_", stem) + rendition.format.suffix
    if name.isascii():
        return f'inline; filename="{name}"'
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def _refused(path: str, error: ImagesError) -> Response:
    status, cache_control = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    logger.warning("image %r: %d, %s", path, status, error)
    body = f"{_REASONS[status]}\n" + (f"{error}\n" if current_app.debug else "")
    response = Response(body, status, mimetype="text/plain")
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    if status == 503:
        response.headers["Retry-After"] = "1"
    return response
