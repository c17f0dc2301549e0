"""Parse the Range header of a request (RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*", re.ASCII | re.IGNORECASE)
_LONGEST = 100  # characters; Python refuses to convert numbers with thousands of digits


def wanted(header: str, size_bytes: int) -> slice | None:
    """Return the part of a file of *size_bytes* that *header* asks for, or None for the whole file.

    The whole file is the response to several ranges, to another unit, and to an invalid range. The result is empty if
    the range begins after the end of the file.
    """
    match = _RANGE.fullmatch(header) if len(header) <= _LONGEST else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return slice(max(size_bytes - int(suffix), 0), size_bytes)
    if last and int(last) < int(first):
        return None
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    return slice(min(int(first), size_bytes), end)
