"""Write HTML elements, with attribute names that HTML allows and values escaped as Flask-Images escaped them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

logger = logging.getLogger("flask_images_vips")

# https://html.spec.whatwg.org/multipage/syntax.html#attributes-2 forbids these characters in names: controls, the
# space, quotes, ">", "/", "=" and noncharacters. In addition, parsers report "<" as an error, old browsers treated "`"
# as a quote, and a lone surrogate cannot be encoded.
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(rf"[\x00-\x20\x7f-\x9f\"'<=>/`\ud800-\udfff{_NONCHARACTERS}]")
_REMEMBERED_NAMES = 1024


def element(name: str, attributes: Mapping[str, Any]) -> Markup:
    """Return an empty element with *attributes*, sorted and escaped.

    Attributes are omitted if their value is None or False, or if HTML does not allow their name.
    """
    text = "".join(
        f' {attribute}="{_quoted(value)}"'
        for attribute, value in sorted(well_named(attributes).items())
        if value is not None and value is not False
    )
    return Markup(f"<{name}{text}/>")  # noqa: S704 (names are checked and values are escaped above)


def well_named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the *attributes* whose names HTML allows.

    Other names, which could inject further attributes, are dropped and logged.
    """
    if all(map(_is_allowed, attributes)):
        return dict(attributes)
    for name in attributes:
        if not _is_allowed(name):
            _warn_of(name)
    return {name: value for name, value in attributes.items() if _is_allowed(name)}


@lru_cache(_REMEMBERED_NAMES)
def _is_allowed(name: str) -> bool:
    return bool(name) and not _FORBIDDEN.search(name)


@lru_cache(_REMEMBERED_NAMES)
def _warn_of(name: str) -> None:
    """Log *name*, once per process."""
    logger.warning("%r is not a valid name of an HTML attribute: it is omitted from the tag", name)


def _quoted(value: object) -> str:
    """Return the text of an attribute's *value*, without the quotation marks around it. True is empty."""
    if value is True:
        return ""
    if type(value) is int:
        return str(value)
    if type(value) is str:  # the same as `escape`, in a third of its time
        value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;")
        return value.replace('"', "&quot;")
    # Quotes are written as Flask-Images wrote them. `escape` does not change Markup, so replace the quotes in it too;
    # they would end the attribute.
    return str(escape(value)).replace("&#34;", "&quot;").replace('"', "&quot;")
