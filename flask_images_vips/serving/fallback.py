"""Send another picture in place of a missing one: the site's fallback, or in debug mode a drawing.

The response keeps the status of the error. Browsers display an image sent with status 404, but search engines do not
index it, and monitors and link checkers notice the error.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup, escape
from werkzeug.wrappers import Request

from ..access import Privacy
from ..errors import ImagesError, SourceChanged, SourceError, SourceNotFound
from ..options.options import Options
from ..state import AppImages
from ..urls import ImageUrl

logger = logging.getLogger("flask_images_vips")

_DRAWN_SIZE = (400, 300)  # if the URL has no width or height
_LARGEST_DRAWN = 8192
_FONT_SIZE = 16.0  # pixels
_LETTER_WIDTH = 0.62  # of the font size


class StandIn(NamedTuple):
    """A picture to send in place of another."""

    data: bytes
    media_type: str
    cache_control: str


def stand_in(
    url: ImageUrl, error: ImagesError, images: AppImages, request: Request, privacy: Privacy
) -> StandIn | None:
    """Return the picture to send in place of *url*, which failed with *error*.

    Returns a drawing in debug mode, otherwise ``IMAGES_FALLBACK``. Returns None for errors that do not concern the
    source, or if there is no fallback that the visitor may see. The response is private if either the fallback or the
    requested image (*privacy*) is private.
    """
    if not isinstance(error, SourceError) or isinstance(error, SourceChanged):
        return None
    config = images.pipeline.config
    if images.app.debug and config.placeholder_missing and _is_for_a_page(request):
        state = "missing" if isinstance(error, SourceNotFound) else "unreadable"
        return StandIn(drawing(url.ref, url.options, state).encode(), "image/svg+xml", "no-store")
    if config.fallback is None:
        return None
    other = replace(url, ref=config.fallback, remote=False, version=None, canonical=None)
    try:
        shared = images.permit(other) == privacy == "public"
        rendition, entry = images.pipeline.entry(other)
    except ImagesError as failure:
        logger.warning("IMAGES_FALLBACK = %r cannot be sent: %s", config.fallback, failure)
        return None
    with entry:
        return StandIn(entry.read(), rendition.format.media_type, f"{'public' if shared else 'private'}, max-age=60")


def drawing(ref: str, options: Options, state: str) -> Markup:
    """Return an SVG of the requested size, with *ref*, that size and *state* written in it."""
    width, height = options.width, options.height
    if width is None:
        width = height * _DRAWN_SIZE[0] // _DRAWN_SIZE[1] if height else _DRAWN_SIZE[0]
    if height is None:
        height = width * _DRAWN_SIZE[1] // _DRAWN_SIZE[0]
    width, height = (max(1, min(side, _LARGEST_DRAWN)) for side in (width, height))
    size = f"{options.width or 'any'} × {options.height or 'any'}, {state}"
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in ref)
    lines = [_line(name, width, height, 45), _line(size, width, height, 60)]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" fill="#555" '
        'font-family="sans-serif" text-anchor="middle"><rect width="100%" height="100%" fill="#ddd" stroke="#999" '
        'stroke-dasharray="6"/>{2}</svg>'
    ).format(width, height, Markup().join(lines))


def _line(text: str, width: int, height: int, percent: int) -> Markup:
    """Return an SVG line of *text* at *percent* of the height, in a font that fits, of at most 16 px."""
    size = min(_FONT_SIZE, height / 5, 0.92 * width / (_LETTER_WIDTH * len(text) or 1))
    return Markup('<text x="50%" y="{}%" font-size="{:.1f}">{}</text>').format(percent, size, escape(text))


def _is_for_a_page(request: Request) -> bool:
    """Return whether the image is requested for a page.

    If the URL is opened on its own, the error message is shown instead of a drawing.
    """
    accept = request.headers.get("Accept", "")
    return "image/" in accept and "text/html" not in accept
