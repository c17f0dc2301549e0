"""Evaluate the conditions of a request: what the client has already, and what it insists on (RFC 9110, section 13).

The lists of ETags are parsed here, because a client chooses their length and Werkzeug parses them in quadratic time
before 3.1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.http import parse_date

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def status(environ: WSGIEnvironment, etag: str, last_modified: int | None) -> int:
    """Return 304 if the client has the file, 412 if it requires another file, and 200 otherwise.

    *etag* is in quotes. *last_modified* is in seconds since 1970, or None if the response states no date. Dates in the
    request are ignored then.
    """
    required, known = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    if required is not None:
        if not lists(required, etag, weak=False):
            return 412
    elif "HTTP_IF_UNMODIFIED_SINCE" in environ and last_modified is not None:
        since = _seconds(environ["HTTP_IF_UNMODIFIED_SINCE"])
        if since is not None and last_modified > since:
            return 412
    if known is not None:
        return 304 if known == etag or lists(known, etag, weak=True) else 200
    if "HTTP_IF_MODIFIED_SINCE" in environ and last_modified is not None:
        since = _seconds(environ["HTTP_IF_MODIFIED_SINCE"])
        return 304 if since is not None and last_modified <= since else 200
    return 200


def lists(header: str, etag: str, *, weak: bool) -> bool:
    """Return whether *header* is ``*`` or a list of ETags that contains *etag*, in linear time.

    A strong *etag* equals its weak form only if *weak* is true. What is not an ETag is ignored.
    """
    parts = header.split('"')  # no ETag contains a quote, so every second part is an ETag
    prefixes = ("", "W/") if weak else ("",)
    return header.strip() == "*" or any(
        f'"{tag}"' == etag and before.strip(" \t,") in prefixes
        for before, tag in zip(parts[::2], parts[1::2], strict=False)
    )


def has_same(environ: WSGIEnvironment, etag: str, last_modified: int | None) -> bool:
    """Return whether the client has parts of the same file, so that a range of it may follow.

    True without ``If-Range``. A weak ETag is never the same, because other bytes can have it too.
    """
    header = environ.get("HTTP_IF_RANGE")
    if header is None or header == etag:
        return True
    return last_modified is not None and '"' not in header and _seconds(header) == last_modified


def _seconds(date: str) -> float | None:
    """Return *date* in seconds since 1970, or None if it is not valid."""
    try:
        parsed = parse_date(date)
    except OverflowError:  # raised by Python's parser for numbers that are too large
        return None
    return None if parsed is None else parsed.timestamp()
