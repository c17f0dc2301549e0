"""Check the form of what is read back from a cache.

A crash of the host may damage a file, and another version or somebody else may have written it. So its content is
checked like any other input, and whatever has another form counts as missing. It is removed, so that it is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from .entry import Entry

T = TypeVar("T")

MAX_BYTES = 1 << 20
"""The size of the largest file that is parsed."""

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def parsed(entry: Entry, parse: Callable[[bytes], T]) -> T | None:
    """Return the result of *parse* for the content of *entry*, or None if it is damaged. Then the file is removed.

    If *parse* raises an error of the kinds that malformed data causes, such as ValueError, the content is damaged.

    Raises:
        Busy: If the file cannot be read at the moment.
    """
    if entry.size_bytes <= MAX_BYTES:
        try:
            return parse(entry.read())
        except _MALFORMED:
            pass
    entry.discard()
    return None


def text(data: bytes, valid: Callable[[str], bool]) -> str:
    """Return *data* as a string, which must be *valid*.

    Raises:
        ValueError: If it is not.
    """
    found = data.decode("ascii")
    if not valid(found):
        raise ValueError(f"{found[:40]!r} has another form")
    return found


def json_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object *data*.

    Raises:
        ValueError, RecursionError: If it is something else.
    """
    found = json.loads(data, parse_constant=_refuse)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _refuse(name: str) -> float:
    """Refuse the numbers ``Infinity`` and ``NaN``, which are not JSON, although Python reads them."""
    raise ValueError(name)
