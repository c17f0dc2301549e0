"""Choose what a browser shows in place of a missing picture: the site's fallback, or in debug mode a drawing.

The response keeps the status of the error. Browsers show the picture of a 404 as well, while search engines leave it
out of their index, and monitors and link checkers notice the error.
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

_DRAWN_SIZE = (400, 300)  # if the URL names no size
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

    Returns None unless the source is missing or unreadable, and a fallback is configured that the visitor may see. The
    fallback is private if it is itself, or if *privacy*, that of *url*, is.
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
    """Return an SVG of the size that *options* name, with *ref*, that size and *state* written in it."""
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
    """A line of *text*, *percent* of the height below the top, in the largest font that fits."""
    size = min(_FONT_SIZE, height / 5, 0.92 * width / (_LETTER_WIDTH * len(text) or 1))
    return Markup('<text x="50%" y="{}%" font-size="{:.1f}">{}</text>').format(percent, size, escape(text))


def _is_for_a_page(request: Request) -> bool:
    """Whether the image is shown in a page. Opened on its own, it should show the error message instead."""
    accept = request.headers.get("Accept", "")
    return "image/" in accept and "text/html" not in accept
