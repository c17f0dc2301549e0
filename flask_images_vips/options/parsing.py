"""Read numbers from the text of a URL, and write what a template passed as text.

This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_INTEGER = re.compile(r"(\d{1,10})(?:\.0*)?\Z", re.ASCII)
_FLOAT = re.compile(r"(?:\d{1,10}(?:\.\d{0,40})?|\.\d{1,40})\Z", re.ASCII)  # Fraction refuses very long numbers
_MOST_PIXELS = 10_000


class ParseError(ValueError):
    """A string is not a value of its type. *expected* describes a valid one."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected


def integer(text: str, *, least: int = 0, most: int | None = None, expected: str) -> int:
    """Return a whole number. ``50.0`` counts as one.

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
    """Return *count* numbers that a comma or a space separates.

    Raises:
        ParseError: If there are not *count* of them, or one is not a number from 0 to *most*.
    """
    values = re.split(r"[, ]", text)
    if len(values) != count:
        raise ParseError(expected)
    return [number(value, most=most, expected=expected) for value in values]


def pixels(text: str, *, expected: str) -> int:
    """Return a number of pixels.

    Raises:
        ParseError: If *text* is not a whole number from 0 to 10,000. A larger padding could make a huge canvas.
    """
    return integer(text, most=_MOST_PIXELS, expected=expected)


def joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def written(value: object) -> str:
    """Return *value*, which a template passed, as it stands in a URL: sequences are joined by commas."""
    if isinstance(value, str):  # str(value) would name the class of an enum's member
        return value
    return joined(value) if isinstance(value, Iterable) else str(value)
