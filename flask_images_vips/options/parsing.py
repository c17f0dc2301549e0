"""Parse numbers from a URL, and convert values from templates to strings.

This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_INTEGER = re.compile(r"(\d{1,10})(?:\.0*)?\Z", re.ASCII)
_FLOAT = re.compile(
    r"(?:\d{1,10}(?:\.\d{0,40})?|\.\d{1,40})\Z", re.ASCII
)  # bounded, because Fraction refuses very long numbers
_MAX_PIXELS = 10_000


class ParseError(ValueError):
    """A string is not a valid value of an option. *expected* describes a valid one."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected


def integer(text: str, *, least: int = 0, most: int | None = None, expected: str) -> int:
    """Return a whole number. ``50.0`` is accepted as one.

    Raises:
        ParseError: If *text* is not a whole number from *least* to *most*.
    """
    match = _INTEGER.match(text)
    if match is None or int(match[1]) < least or (most is not None and int(match[1]) > most):
        raise ParseError(expected)
    return int(match[1])


def number(text: str, *, least: float = 0, most: float, expected: str) -> float:
    """Return a number.

    Raises:
        ParseError: If *text* is not a number from *least* to *most*.
    """
    if not _FLOAT.match(text) or not least <= float(text) <= most:
        raise ParseError(expected)
    return float(text)


def numbers(text: str, *, count: int, most: float, expected: str) -> list[float]:
    """Return *count* numbers, separated by commas or spaces.

    Raises:
        ParseError: If there are more or fewer numbers, or if one is not from 0 to *most*.
    """
    values = re.split(r"[, ]", text)
    if len(values) != count:
        raise ParseError(expected)
    return [number(value, most=most, expected=expected) for value in values]


def pixels(text: str, *, expected: str) -> int:
    """Return a number of pixels.

    Raises:
        ParseError: If *text* is not a whole number from 0 to 10,000. The limit prevents a huge canvas.
    """
    return integer(text, most=_MAX_PIXELS, expected=expected)


def joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def written(value: object) -> str:
    """Convert a value from a template to its form in a URL. Sequences are joined with commas."""
    if isinstance(value, str):  # str() of a (str, Enum) member would be 'Class.MEMBER'
        return value
    if isinstance(value, int):  # so that the most frequent values need no slow check for an Iterable
        return str(value)
    return joined(value) if isinstance(value, Iterable) else str(value)
