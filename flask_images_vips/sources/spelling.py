"""Return one spelling of all URLs that name the same remote picture (RFC 3986, sections 6.2.2 and 6.2.3).

Otherwise, a picture that was taken down, or purged, would still be there under another spelling of its URL.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urlsplit

from ..urls import is_remote
from .guard import DEFAULT_PORTS, LONGEST_URL, PRINTABLE, Target, host_and_port, is_ambiguous

_REMEMBERED = 1024
_QUOTED = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


@lru_cache(_REMEMBERED)
def plain_ref(ref: str) -> str:
    """Return the plain spelling of *ref* if it is a URL that can be fetched. Any other ref is returned as it is.

    The host is in lower case. There is no fragment, no default port and no dot segment, and nothing is quoted that need
    not be. These URLs are equivalent, so every server answers them with the same picture.
    """
    try:
        if not is_remote(ref) or len(ref) > LONGEST_URL:
            return ref
        url = ref.strip(" ").replace(" ", "%20")
        parts = urlsplit(url)
        if is_ambiguous(url) or parts.scheme not in DEFAULT_PORTS:
            return ref
        host, port = host_and_port(parts)
        path = _without_dots(_unquoted(quote(parts.path or "/", safe=PRINTABLE)))
        query = f"?{_unquoted(quote(parts.query, safe=PRINTABLE))}" if parts.query else ""
    except ValueError:  # such as of an invalid host; the error is reported when the URL is fetched
        return ref
    return Target(parts.scheme, host, port, path + query).url


def _unquoted(text: str) -> str:
    """Return *text* with unreserved characters unquoted, and others quoted in upper case."""

    def plain(found: re.Match[str]) -> str:
        character = chr(int(found[0][1:], 16))
        return character if character in _UNRESERVED else found[0].upper()

    return _QUOTED.sub(plain, text)


def _without_dots(path: str) -> str:
    """Return *path*, which begins with a slash, without the segments ``.`` and ``..``."""
    first, *segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join([first, *kept])
