"""Send another picture in place of one that cannot be shown: the site's fallback, or in debug mode a drawing.

The response keeps the status of the error. Browsers display an image sent with status 404, but search engines do not
index it, and monitors and link checkers notice the error.
"""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup, escape
from werkzeug.wrappers import Request

from ..access import Privacy
from ..errors import (
    Forgotten,
    ImagesError,
    InvalidOption,
    LimitExceeded,
    SourceChanged,
    SourceError,
    SourceNotFound,
    printable,
)
from ..options.ineffective import ineffective
from ..options.options import DECLARED, Options
from ..options.parsing import ParseError
from ..options.scalars import Side
from ..state import AppImages
from ..urls import ImageUrl

logger = logging.getLogger("flask_images_vips")

_DRAWN_SIZE = (400, 300)  # if the URL has no width or height
_LARGEST_DRAWN = 8192
_FONT_SIZE = 16.0  # pixels
_LETTER_WIDTH = 0.62  # of the font size
_SHORTEST_LINE = 20  # letters


class StandIn(NamedTuple):
    """A picture to send in place of another."""

    data: bytes
    media_type: str
    cache_control: str


def refuse_ineffective(images: AppImages, request: Request) -> None:
    """Refuse in debug mode a URL in a page that has a parameter without effect, so that a drawing names it.

    Raises:
        InvalidOption: If there is one.
    """
    if _draws(images, request) and (error := next(ineffective(request.args.to_dict()), None)) is not None:
        raise error


def stand_in(
    path: str, url: ImageUrl | None, error: ImagesError, images: AppImages, request: Request, privacy: Privacy
) -> StandIn | None:
    """Return the picture to send in place of *url*, which failed with *error*.

    *url* is None if it has an invalid option; *path* is its path. Returns a drawing in debug mode, otherwise
    ``IMAGES_FALLBACK``. Returns None if *error* concerns neither the source nor, in debug mode, the options. Returns
    None also if there is no fallback that the visitor may see. The response is private if either the fallback or the
    requested image (*privacy*) is private.
    """
    config, state = images.pipeline.config, _state(error)
    if state and _draws(images, request):
        if url is None:
            url = ImageUrl(
                path, Options(width=_side(request.args, "width"), height=_side(request.args, "height")), None
            )
        return StandIn(drawing(url.ref, url.options, state).encode(), "image/svg+xml", "no-store")
    if url is None or not isinstance(error, SourceError) or isinstance(error, SourceChanged):
        return None
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
    texts = [printable(ref), *textwrap.wrap(size, max(_SHORTEST_LINE, int(width / _LETTER_WIDTH / _FONT_SIZE)))]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" fill="#555" '
        'font-family="sans-serif" text-anchor="middle"><rect width="100%" height="100%" fill="#ddd" stroke="#999" '
        'stroke-dasharray="6"/>{2}</svg>'
    ).format(width, height, Markup().join(_lines(texts, width, height)))


def _lines(texts: Sequence[str], width: int, height: int) -> Iterator[Markup]:
    """Yield an SVG line for each of *texts*, in a font that fits, of at most 16 px."""
    percent = min(15, 80 // len(texts))
    first = 52.5 - percent * (len(texts) - 1) / 2
    for index, text in enumerate(texts):
        size = min(_FONT_SIZE, height / max(5, 2 * len(texts)), 0.92 * width / (_LETTER_WIDTH * len(text) or 1))
        line = Markup('<text x="50%" y="{:g}%" font-size="{:.1f}">{}</text>')
        yield line.format(first + index * percent, size, escape(text))


def _state(error: ImagesError) -> str | None:
    """Return what a drawing says of *error*, or None if it is not for the developer of the page."""
    if isinstance(error, (InvalidOption, LimitExceeded)):
        return str(error)
    if not isinstance(error, SourceError) or isinstance(error, SourceChanged):
        return None
    if isinstance(error, Forgotten):
        return "forgotten"
    return "missing" if isinstance(error, SourceNotFound) else "unreadable"


def _side(query: Mapping[str, str], name: str) -> int | None:
    """Return the width or height in *query*, if it is valid."""
    with suppress(ParseError):
        return Side.parse(query.get(DECLARED[name].short, ""))
    return None


def _draws(images: AppImages, request: Request) -> bool:
    return images.app.debug and images.pipeline.config.placeholder_missing and _is_for_a_page(request)


def _is_for_a_page(request: Request) -> bool:
    """Return whether the image is requested for a page.

    If the URL is opened on its own, the error message is shown instead of a drawing.
    """
    accept = request.headers.get("Accept", "")
    return "image/" in accept and "text/html" not in accept
