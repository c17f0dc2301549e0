"""What RFC 9110 says of conditional requests and ranges (sections 13.2.2 and 14), as a table of requests.

Each header has a few values, whose meaning is written beside them. So the model reads no header.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from werkzeug.http import http_date


class File(NamedTuple):
    """What a server has: *modified* is in seconds since 1970, or None if it states no date."""

    etag: str
    modified: int | None
    data: bytes


class Tags(NamedTuple):
    """A list of ETags: whether it has that of the file, by strong and by weak comparison."""

    text: str
    strong: bool
    weak: bool


class Moment(NamedTuple):
    """A date, in seconds since 1970, or None if it is not valid."""

    text: str
    seconds: int | None


class Same(NamedTuple):
    """A value of If-Range: whether the client has the same file."""

    text: str
    yes: bool


class Part(NamedTuple):
    """A value of Range: the part to send. None is the whole, and an empty part cannot be sent."""

    text: str
    part: slice | None


class Request(NamedTuple):
    method: str
    match: Tags | None
    none_match: Tags | None
    modified: Moment | None
    unmodified: Moment | None
    if_range: Same | None
    range: Part | None

    @property
    def headers(self) -> dict[str, str]:
        names = "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"
        return {name: value.text for name, value in zip(names, self[1:], strict=True) if isinstance(value, tuple)}


class Right(NamedTuple):
    status: int
    body: bytes = b""
    content_range: str | None = None


def right(request: Request, file: File) -> Right:
    """The answer to *request*, by the steps of section 13.2.2."""
    if request.match is not None:  # step 1
        if not request.match.strong:
            return Right(412)
    elif (
        request.unmodified is not None  # step 2
        and None not in (request.unmodified.seconds, file.modified)
        and file.modified > request.unmodified.seconds  # type: ignore[operator]
    ):
        return Right(412)
    if request.none_match is not None:  # step 3
        if request.none_match.weak:
            return Right(304)
    elif (
        request.modified is not None  # step 4
        and None not in (request.modified.seconds, file.modified)
        and file.modified <= request.modified.seconds  # type: ignore[operator]
    ):
        return Right(304)
    same = request.if_range is None or request.if_range.yes
    if request.method == "GET" and request.range is not None and request.range.part is not None and same:  # step 5
        return _partial(request.range.part, file)
    return Right(200, file.data if request.method == "GET" else b"")  # step 6


def _partial(part: slice, file: File) -> Right:
    size = len(file.data)
    if part.start == part.stop:
        return Right(416, content_range=f"bytes */{size}")
    return Right(206, file.data[part], f"bytes {part.start}-{part.stop - 1}/{size}")


def requests(file: File) -> Iterator[Request]:
    """Every combination of the values of all headers."""
    size, now = len(file.data), file.modified or 1_000_000_000
    tags = [
        None,
        Tags(file.etag, strong=True, weak=True),
        Tags(f"W/{file.etag}", strong=False, weak=True),
        Tags('"other"', strong=False, weak=False),
        Tags(f'"a,b" , W/"c",{file.etag}', strong=True, weak=True),
        Tags("*", strong=True, weak=True),
    ]
    moments = [
        None,
        Moment(http_date(now), now),
        Moment(http_date(now - 1), now - 1),
        Moment(http_date(now + 1), now + 1),
        Moment("Thu, 01 Jan 99999999999999 00:00:00 GMT", None),
    ]
    same = [
        None,
        Same(file.etag, yes=True),
        Same(f"W/{file.etag}", yes=False),
        Same('"other"', yes=False),
        Same(http_date(now), yes=file.modified is not None),
        Same(http_date(now + 1), yes=False),
        Same("yesterday", yes=False),
    ]
    parts = [
        None,
        Part("bytes=2-5", slice(2, 6)),
        Part(f"bytes=-{size + 9}", slice(0, size)),
        Part(f"bytes={size}-", slice(size, size)),
        Part("bytes=-0", slice(size, size)),
        Part("bytes=0-1,4-5", None),  # several ranges may be ignored, section 14.2
        Part("items=0-1", None),
        Part("bytes=5-2", None),
    ]
    for values in itertools.product(("GET", "HEAD"), tags, tags, moments, moments, same, parts):
        yield Request(*values)
