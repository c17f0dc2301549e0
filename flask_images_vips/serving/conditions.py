"""Evaluate the conditions of a request: what the client has already, and what it insists on (RFC 9110, section 13).

The lists of ETags are parsed here, because a client chooses their length and Werkzeug parses them in quadratic time
before 3.1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.http import parse_date

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_OF_THE_WHOLE = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")


def status(environ: WSGIEnvironment, etag: str, last_modified: int) -> int:
    """Return 304 if the client has the file, 412 if ``If-Match`` names only other files, and 200 otherwise.

    *etag* is in quotes. *last_modified* is in seconds since 1970.
    """
    required, known = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    if required is not None and not lists(required, etag, weak=False):
        return 412
    if known is not None:
        return 304 if known == etag or lists(known, etag, weak=True) else 200
    if "HTTP_IF_MODIFIED_SINCE" in environ:
        since = parse_date(environ["HTTP_IF_MODIFIED_SINCE"])
        return 304 if since is not None and last_modified <= since.timestamp() else 200
    return 200


def lists(header: str, etag: str, *, weak: bool) -> bool:
    """Return whether *header* is ``*`` or a list of ETags that contains *etag*, in linear time.

    A strong *etag* equals its weak form only if *weak* is true. What is not in quotes is ignored.
    """
    parts = header.split('"')  # no ETag contains a quote, so every second part is an ETag
    between, tags = parts[::2], parts[1::2]
    return header.strip() == "*" or any(
        f'"{tag}"' == etag and (weak or not before.endswith("W/")) for before, tag in zip(between, tags, strict=False)
    )


def of_range(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Return *environ* without the conditions that `status` has evaluated: only those of a range are left."""
    return {name: value for name, value in environ.items() if name not in _OF_THE_WHOLE}
