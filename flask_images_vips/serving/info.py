"""Answer requests for information about a picture, with JSON."""

from __future__ import annotations

import json

from flask import Response, request
from werkzeug.exceptions import default_exceptions

from .. import urls
from ..access import Privacy
from ..cache_tags import tag_headers
from ..description import describe
from ..errors import ImagesError, reason_of
from ..state import current_images
from ..system_errors import busy, is_passing
from .headers import common_headers
from .responses import ImageResponse
from .views import log_refusal, status_of

_MEDIA_TYPE = "application/json"


def serve_info(path: str) -> Response:
    """Return the response to the current request for information about the picture at *path*.

    The site's ``authorize`` callback is asked as for an image.

    Raises:
        HTTPException: If the request is refused. Its ``response`` is the response to send.
    """
    images = current_images()
    privacy: Privacy = "public"
    ref = urls.claimed_ref(path, request.args)
    try:
        url = urls.decode_info(path, request.query_string, images.secrets)
        privacy = images.permit(url)
        info = describe(url, images.pipeline, images.app.extensions["images"].find_focal_point)
    except ImagesError as error:
        raise _refusal(ref, error, privacy) from None
    except OSError as error:
        if not is_passing(error):
            raise
        raise _refusal(ref, busy(ref, error), privacy) from None
    headers = [*common_headers(images.pipeline.config), *tag_headers(images.pipeline.config, url.refs)]
    response = ImageResponse(json.dumps(info.to_json()), headers=headers, mimetype=_MEDIA_TYPE)
    # The function of the site that finds the subject may give another answer tomorrow, so this is never immutable.
    response.headers["Cache-Control"] = f"{privacy}, max-age={images.pipeline.config.max_age}"
    response.add_etag()
    response.make_conditional(request)
    return response


def _refusal(ref: str, error: ImagesError, privacy: Privacy) -> Exception:
    """Return the exception with the response to send because of *error*."""
    images = current_images()
    status, cache_control, reason = status_of(error)
    log_refusal(ref, status, error)
    if privacy != "public":
        cache_control = cache_control.replace("public", "private")
    told = f"{reason} {reason_of(error, ref)}" if images.app.debug else reason
    headers = [("Cache-Control", cache_control), *common_headers(images.pipeline.config)]
    response = ImageResponse(json.dumps({"error": told}), status, headers=headers, mimetype=_MEDIA_TYPE)
    if status == 503:
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    return default_exceptions[status](told, response)
