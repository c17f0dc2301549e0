"""Serve image requests with Flask, and map each error to an HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException, default_exceptions

from ..access import Privacy
from ..cache.entry import Entry
from ..cache.per_process import Said
from ..cache_tags import tag_headers
from ..errors import (
    BadSignature,
    Busy,
    ConfigError,
    Expired,
    Forgotten,
    ImagesError,
    InvalidOption,
    InvalidPath,
    LimitExceeded,
    NotAuthorized,
    QuotaExceeded,
    RemoteFailed,
    SourceChanged,
    SourceNotFound,
    UnreadableSource,
    WrongSignature,
    reason_of,
    shown,
)
from ..events import tell
from ..formats import AUTO
from ..log_fields import fields
from ..options.options import DECLARED
from ..state import AppImages, current_images
from ..system_errors import busy, is_passing
from ..urls import ImageUrl, claimed_ref
from .fallback import refuse_ineffective, stand_in
from .headers import VARY, common_headers
from .hit import Hit, VerifiedUrl, verify
from .quota import charged
from .responses import ImageResponse, respond
from .server_threads import take_thread

logger = logging.getLogger("flask_images_vips")

# The status of each error, and the Cache-Control of its response.
_STATUS: dict[type[ImagesError], tuple[int, str]] = {
    BadSignature: (404, "public, max-age=60"),
    SourceNotFound: (404, "public, max-age=60"),
    InvalidPath: (404, "public, max-age=60"),
    RemoteFailed: (502, "no-store"),
    # Not 404: the URL was valid but never will be again, and 410 tells search engines to drop it.
    Expired: (410, "public, max-age=60"),
    Forgotten: (410, "public, max-age=60"),
    NotAuthorized: (403, "no-store"),
    InvalidOption: (400, "no-store"),
    LimitExceeded: (422, "no-store"),
    UnreadableSource: (422, "no-store"),
    SourceChanged: (503, "no-store"),
    QuotaExceeded: (429, "no-store"),
    Busy: (503, "no-store"),
    # What cannot be checked at start, such as whether pyvips can be imported.
    ConfigError: (500, "no-store"),
}
_ANSWERED: tuple[type[Exception], ...] = (*_STATUS, OSError)
_REASONS = {
    400: "This image URL has an invalid option.",
    403: "You may not see this image.",
    404: "There is no such image.",
    410: "This link has expired, or the image was removed.",
    429: "Too many new images were requested. Try again later.",
    422: "This image cannot be rendered.",
    500: "The images of this site are not configured correctly.",
    502: "The source of this image cannot be fetched.",
    503: "This image cannot be rendered right now. Try again.",
}


_USUAL_CAUSE = (
    "The signature of an image URL was wrong. If URLs of your own pages fail like this, another secret key signed "
    "them. The usual cause is a random SECRET_KEY, such as os.urandom(24): it differs in each process and after each "
    "restart. Set the same SECRET_KEY for all processes. After changing it, keep the old one in SECRET_KEY_FALLBACKS. "
    "This is logged once."
)


def view_of(serve: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the view that calls *serve*, which is the function below, or what a site has put in its place.

    An image that is refused is answered by the application's error handler for that status, if it has one.
    """

    def view(path: str) -> Any:
        try:
            return serve(path)
        except HTTPException as error:
            if not isinstance(error.response, ImageResponse):
                raise
            answer = current_app.handle_http_exception(error)
            # Flask would turn the exception into a response that carries the session cookie.
            return error.response if answer is error else answer

    return view


def serve(path: str) -> Response:
    """Return the response to the current request for the image at *path*.

    The URL is verified, the visitor's permission is checked, and the picture is looked up or rendered.

    Raises:
        HTTPException: If the image is refused. Its ``response`` is the response to send.
    """
    images, verified = current_images(), None
    privacy: Privacy = "public"
    try:
        verified = verify(images, path, request.query_string, request.environ.get("HTTP_ACCEPT", ""))
        privacy = images.permit(verified.url)
        refuse_ineffective(images, request)
        hit = verified.hit()
        entry = hit.entry()
        cached = entry is not None
        if entry is None:
            hit, entry, privacy = _rendered(verified, hit, privacy)
        response = respond(hit, entry, privacy, request.environ)
        if images.events.served:
            tell(images.events.served, hit, response, cached)
        return response
    except _ANSWERED as failure:
        if isinstance(failure, ConfigError) and not images.is_built:
            raise  # a wrong value is an error of the application
        error = failure if isinstance(failure, ImagesError) else _of_system(claimed_ref(path, request.args), failure)
        return _refused(path, error, images, None if verified is None else verified.url, privacy)


def _of_system(ref: str, error: Exception) -> Busy:
    """Return the error for the image of *ref*, which *error* keeps from being served. Raise *error* if it stays."""
    if isinstance(error, OSError) and is_passing(error):
        return busy(ref, error)
    raise error


def _rendered(verified: VerifiedUrl, hit: Hit, privacy: Privacy) -> tuple[Hit, Entry, Privacy]:
    """Render *hit* now. If that is not possible, fall back to another cached size, sent with ``no-store``.

    Raises:
        Busy: If the host is too busy, or a quota is used up, and no other size is cached.
        ImagesError: As `Pipeline.entry`.
    """
    pipeline, hit = hit.images.pipeline, verified.to_render(hit)
    try:
        with charged(hit.images, verified.url), take_thread():
            rendition, entry = pipeline.entry(verified.url, hit.rendition)
    except Busy:
        # A callback permits one size, not whatever is in the cache.
        nearest = pipeline.nearest(hit.rendition) if hit.images.authorizer is None else None
        if nearest is None:
            raise
        return hit.showing(nearest), nearest, "no-store"
    if rendition != hit.rendition:  # the source has changed since it was looked up
        hit = verified.renewed(rendition)
    return hit, entry, privacy


def _refused(path: str, error: ImagesError, images: AppImages, url: ImageUrl | None, privacy: Privacy) -> Response:
    """Return the picture to send in spite of *error*. *url* is None if the URL itself is invalid.

    Raises:
        HTTPException: If there is no such picture.
    """
    status, cache_control, reason = status_of(error)
    log_refusal(claimed_ref(path, request.args) if url is None else url.ref, status, error)
    tell(images.events.failed, path, url, status, error)
    if privacy != "public":
        cache_control = cache_control.replace("public", "private")
    reason = f"{reason}\n{error}" if images.app.debug else reason
    data = f"{reason}\n".encode()
    media_type = "text/plain; charset=utf-8"
    instead = stand_in(path, url, error, images, request, privacy)
    if instead is not None:
        data, media_type, cache_control = instead.data, instead.media_type, instead.cache_control
    headers = [("Cache-Control", cache_control), *common_headers(images.pipeline.config)]
    if url is not None:
        headers += tag_headers(images.pipeline.config, url.refs)
    if request.args.get(DECLARED["format"].short, "").lower() == AUTO.name:
        headers.append(VARY)
    if status in (429, 503):
        headers.append(("Retry-After", str(error.retry_after if isinstance(error, Busy) else 1)))
    response = ImageResponse(data, status, headers=headers, content_type=media_type)
    response.content_length = len(data)
    if instead is None:
        raise default_exceptions[status](reason, response)
    return response


def status_of(error: ImagesError) -> tuple[int, str, str]:
    """Return the status, the Cache-Control and the reason of the response that tells of *error*."""
    status, cache_control = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    return status, cache_control, _REASONS[status]


def log_refusal(ref: str, status: int, error: ImagesError) -> None:
    """Log why the image of *ref* is refused. What is wrong with all images is logged once in each process."""
    if isinstance(error, ConfigError):
        _log_once(logging.ERROR, str(error))
        return
    reason = reason_of(error, ref)
    extra = fields("refused", ref, status=status, error=type(error).__name__, reason=reason)
    logger.warning("image %s: %d, %s", shown(ref), status, reason, extra=extra)
    if isinstance(error, WrongSignature):
        _log_once(logging.WARNING, _USUAL_CAUSE)


def _log_once(level: int, message: str) -> None:
    if _said.add(message):
        logger.log(level, "%s", message)


_said = Said()
