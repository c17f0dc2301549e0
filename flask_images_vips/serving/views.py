"""One image request, one answer: the line as HTTP sees it, and the only place that knows what an error's status is."""

from __future__ import annotations

import logging

from flask import Response, request

from ..errors import (
    BadSignature,
    Busy,
    Expired,
    ImagesError,
    InvalidOption,
    InvalidPath,
    LimitExceeded,
    NotAuthorized,
    RemoteFailed,
    SourceChanged,
    SourceNotFound,
    UnreadableSource,
)
from ..formats import AUTO
from ..options.options import DECLARED
from ..state import AppImages, Authorizer, current_images
from ..urls import ImageUrl
from .fallback import StandIn, stand_in
from .responses import VARY, Answer, ImageResponse, common_headers, image_response, present

logger = logging.getLogger("flask_images_vips")

# What the outside is told of each error: the status, and how long a cache may keep it.
_STATUS: dict[type[ImagesError], tuple[int, str]] = {
    BadSignature: (404, "public, max-age=60"),
    SourceNotFound: (404, "public, max-age=60"),
    InvalidPath: (404, "public, max-age=60"),
    RemoteFailed: (502, "no-store"),
    # 410 and not 404: it was right, and will not be again, so whoever keeps a list of URLs may forget it.
    Expired: (410, "public, max-age=60"),
    NotAuthorized: (403, "no-store"),
    InvalidOption: (400, "no-store"),
    LimitExceeded: (422, "no-store"),
    UnreadableSource: (422, "no-store"),
    SourceChanged: (503, "no-store"),
    Busy: (503, "no-store"),
}
_REASONS = {
    400: "An option of this image URL has an impossible value.",
    403: "This image is not for you.",
    404: "There is no such image.",
    410: "This image was here for a time that is over.",
    422: "This image cannot be rendered.",
    502: "The source of this image cannot be fetched.",
    503: "This image cannot be made at this moment. Try again.",
}


def serve(path: str) -> Response:
    """Answer one image URL: verify, find, render at most once, send."""
    images = current_images()
    try:
        return _answered(path, images)
    except tuple(_STATUS) as error:
        return _refused(path, error, images)


def _answered(path: str, images: AppImages) -> Response:
    pipeline = images.pipeline
    known = images.known(path, request.query_string, request.environ.get("HTTP_ACCEPT", ""))
    url = known.url
    private = images.authorizer is not None and _is_private(url, images.authorizer)
    answer, entry = present(known, images)
    if entry is None:
        try:
            rendition, entry = pipeline.entry(known.url, answer.rendition)
        except Busy:
            entry = pipeline.nearest(answer.rendition)
            if entry is None:
                raise
            return image_response(entry, answer, images, request.environ, store=False)
        if rendition != answer.rendition:
            answer = known.answer = Answer(url, rendition, images)
    return image_response(entry, answer, images, request.environ, private=private)


def _is_private(url: ImageUrl, authorizer: Authorizer) -> bool:
    """Whether the image is for this visitor, rather than for all.

    Raises:
        NotAuthorized: it is for neither.
    """
    allowed = authorizer(url.ref, url.options)
    if allowed is None:
        return False
    if not allowed:
        raise NotAuthorized(f"{url.ref!r}: refused by the application")
    return True


def _refused(path: str, error: ImagesError, images: AppImages) -> Response:
    status, cache_control = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    logger.warning("image %r: %d, %s", path, status, error)
    body = f"{_REASONS[status]}\n" + (f"{error}\n" if images.app.debug else "")
    headers = [("Cache-Control", cache_control), *common_headers(images.pipeline.config)]
    if request.args.get(DECLARED["format"].short, "").lower() == AUTO.name:
        headers.append(VARY)
    if status == 503:
        headers.append(("Retry-After", str(error.retry_after if isinstance(error, Busy) else 1)))
    instead = None if isinstance(error, BadSignature) else _instead(path, error, images)
    if instead is not None:
        headers[0] = ("Cache-Control", instead.cache_control)
        response = ImageResponse(instead.data, status, headers=headers, content_type=instead.media_type)
        response.content_length = len(instead.data)
        return response
    response = ImageResponse(body, status, headers=headers, mimetype="text/plain")
    response.content_length = len(body.encode())
    return response


def _instead(path: str, error: ImagesError, images: AppImages) -> StandIn | None:
    try:
        url = images.known(path, request.query_string, request.environ.get("HTTP_ACCEPT", "")).url
    except InvalidOption:
        return None
    return stand_in(url, error, images, request)
