"""Evaluate media queries and the ``sizes`` attribute for a window of a given width.

Only what such attributes usually contain is understood. The result is None for everything else. This module does no
I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

_PIXELS = {"px": 1.0, "em": 16.0, "rem": 16.0, "": 0.0, "in": 96.0, "pt": 4 / 3}  # a browser's default font size
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<unit>[a-z%]*)|(?P<function>[a-z]*)\(|(?P<sign>[-+*/),]))"
)
_FEATURE = re.compile(r"(?P<bound>min|max)-width\s*:\s*(?P<length>.+)")
_RANGE = re.compile(r"width\s*(?P<relation>[<>]=?)\s*(?P<length>.+)")
_REMEMBERED = 4096
_LONGEST = 2000  # characters of an attribute
_MOST_NESTED = 20


class _NotUnderstood(Exception):
    """The text is not an expression of the kinds that this module knows."""


@lru_cache(_REMEMBERED)
def slot(sizes: str, window: int) -> float | None:
    """Return the width that *sizes* states for a window, both in CSS pixels, or None if it is not understood.

    ``auto`` at the beginning is left out: what follows is for browsers that do not know it.
    """
    for entry in split(sizes[:_LONGEST], ","):
        *condition, length = list(split(entry, " ")) or [""]
        if length == "auto":
            continue
        applies = matches(" ".join(condition), window) if condition else True
        if applies is None:
            return None
        if applies:
            return width_of(length, window)
    return float(window)  # as browsers do


@lru_cache(_REMEMBERED)
def matches(query: str, window: int) -> bool | None:
    """Return whether a window of this width matches the media *query*, or None if it is not understood."""
    found = [_all_match(part, window) for part in split(query.lower()[:_LONGEST], ",")]
    if True in found or not found:
        return True
    return None if None in found else False


def width_of(length: str, window: int) -> float | None:
    """Return *length*, such as ``50vw`` or ``calc(100vw - 2rem)``, in CSS pixels, or None if it is not understood."""
    try:
        return _Expression(length.lower(), window).value()
    except (_NotUnderstood, ZeroDivisionError):
        return None


def breakpoints(text: str) -> Iterator[int]:
    """Yield the widths in CSS pixels that *text*, which contains media queries or sizes, names."""
    for token in _TOKEN.finditer(text.lower()[:_LONGEST]):
        if token["number"] and _PIXELS.get(token["unit"]):
            yield round(float(token["number"]) * _PIXELS[token["unit"]])


def split(text: str, separator: str) -> Iterator[str]:
    """Yield the parts of *text* between the *separator*, except within parentheses. Empty parts are omitted."""
    begin = depth = 0
    for index, letter in enumerate([*text, separator]):
        depth += (letter == "(") - (letter == ")" and depth > 0)
        if letter == separator and (depth == 0 or index == len(text)):
            if part := text[begin:index].strip():
                yield part
            begin = index + 1


def _all_match(query: str, window: int) -> bool | None:
    """Return whether all parts of *query*, which are joined by ``and``, match."""
    words = list(split(query, " "))
    negated = bool(words) and words[0] == "not"
    found = [_matches_one(word, window) for word in words[negated:] if word not in ("and", "only")]
    if "or" in words:
        return None
    result = False if False in found else None if None in found else True
    return result if result is None or not negated else not result


def _matches_one(word: str, window: int) -> bool | None:
    if word in ("screen", "all", "print"):
        return word != "print"
    feature = word.removeprefix("(").removesuffix(")").strip()
    if (bound := _FEATURE.fullmatch(feature)) is not None:
        length = width_of(bound["length"], window)
        return None if length is None else (window >= length if bound["bound"] == "min" else window <= length)
    if (compared := _RANGE.fullmatch(feature)) is not None:
        length = width_of(compared["length"], window)
        relations: dict[str, Callable[[float], bool]] = {
            "<": lambda length: window < length,
            "<=": lambda length: window <= length,
            ">": lambda length: window > length,
            ">=": lambda length: window >= length,
        }
        return None if length is None else relations[compared["relation"]](length)
    return None


class _Expression:
    """A length, or an expression of lengths with ``calc``, ``min``, ``max`` and ``clamp``."""

    def __init__(self, text: str, window: int) -> None:
        self._window = window
        self._tokens = list(self._read(text.strip()))
        self._next = 0
        self._depth = 0

    def value(self) -> float:
        result = self._sum()
        if self._next != len(self._tokens):
            raise _NotUnderstood
        return result

    def _read(self, text: str) -> Iterator[re.Match[str]]:
        end = 0
        while end < len(text):
            token = _TOKEN.match(text, end)
            if token is None:
                raise _NotUnderstood
            yield token
            end = token.end()

    def _sign(self) -> str:
        """Return the next token if it is a sign, and otherwise an empty string."""
        return self._tokens[self._next]["sign"] or "" if self._next < len(self._tokens) else ""

    def _sum(self) -> float:
        result = self._product()
        while (sign := self._sign()) in ("+", "-"):
            self._next += 1
            other = self._product()
            result = result + other if sign == "+" else result - other
        return result

    def _product(self) -> float:
        result = self._atom()
        while (sign := self._sign()) in ("*", "/"):
            self._next += 1
            other = self._atom()
            result = result * other if sign == "*" else result / other
        return result

    def _atom(self) -> float:
        if self._next >= len(self._tokens):
            raise _NotUnderstood
        token = self._tokens[self._next]
        self._next += 1
        if token["sign"] == "-":
            return -self._atom()
        if token["number"] is not None:
            return self._in_pixels(float(token["number"]), token["unit"])
        if token["function"] is None:
            raise _NotUnderstood
        return self._call(token["function"])

    def _in_pixels(self, number: float, unit: str) -> float:
        if unit in ("vw", "%"):
            return number * self._window / 100
        if unit not in _PIXELS:
            raise _NotUnderstood
        return number * (_PIXELS[unit] or 1)  # a plain number is a factor

    def _call(self, function: str) -> float:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise _NotUnderstood
        values = [self._sum()]
        while self._sign() == ",":
            self._next += 1
            values.append(self._sum())
        if self._sign() != ")":
            raise _NotUnderstood
        self._next += 1
        self._depth -= 1
        if function in ("calc", "") and len(values) == 1:
            return values[0]
        if function in ("min", "max"):
            return min(values) if function == "min" else max(values)
        if function == "clamp" and len(values) == 3:
            return max(values[0], min(values[1], values[2]))
        raise _NotUnderstood
