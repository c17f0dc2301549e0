"""Check the pictures that an SVG embeds."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote

from ..errors import ImagesError
from ..formats import by_name, is_file_of
from ..headers.read import read_beginning

_FORMATS = ("png", "jpeg", "webp", "gif")
_DATA = re.compile(r"\s*data:image/(?:png|jpe?g|webp|gif)\s*(?:;[\w.=-]*)?;\s*base64\s*,", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def embedded(link: str, ref: str) -> tuple[str, int] | None:
    """Return the data URL *link* written anew, and the pixels of its picture, or None if it is not allowed.

    It must hold a PNG, a JPEG, a WebP or a GIF whose header is whole. *ref* names the drawing in errors.
    """
    start = _DATA.match(link)
    if start is None:
        return None
    try:
        written = _SPACE.sub("", unquote(link[start.end() :])).rstrip("=")
        data = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    format = next((name for name in _FORMATS if is_file_of(name, data)), None)
    if format is None:
        return None
    try:
        header = read_beginning(data, len(data), ref, auto_orient=False)
    except ImagesError:
        return None
    if header is None:
        return None
    return f"data:{by_name(format).media_type};base64,{base64.b64encode(data).decode()}", header.size.pixels
