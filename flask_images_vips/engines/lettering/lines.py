"""Arrange parts of a text in lines of a width.

Widths are in units of the size of the letters, so the arrangement is found once for all sizes. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .letters import Part, letters, parts

ELLIPSIS = "…"
_STEP = 0.94  # by which letters become smaller until the text fits
_HALVINGS = 7
_MOST_BALANCED = 6  # lines


@dataclass(frozen=True, slots=True)
class Measured:
    """A part of a text with its *width*, and the width of the *space* that follows it, or 0."""

    part: Part
    width: float
    space: float


Line = list[Measured]
Measure = Callable[[tuple[str, ...]], float]
"""Returns the width of letters on one line, in units of their size."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """The letters of each line, and the *size* in pixels at which they fit."""

    lines: list[list[str]]
    size: float


def arrange(
    text: str, measure: Measure, *, size: float, least: float, width: float, most: Callable[[float], int]
) -> Arranged:
    """Arrange *text* in lines that are at most *width* pixels wide, at *size* or smaller, but not below *least*.

    *most* returns the largest number of lines at a size. What does not fit at *least* is left out, with an ellipsis.
    Lines of one paragraph are made about equally long.
    """
    measure = lru_cache(None)(measure)
    paragraphs = [[_measured(part, measure) for part in parts(each)] for each in text.split("\n")]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    least = min(least or size, size)
    while True:
        available = width / size
        lines = [line for paragraph in paragraphs for line in _filled(_cut(paragraph, available, measure), available)]
        if len(lines) <= most(size):
            break
        if size <= least:
            return Arranged(_shortened(lines, most(size), available, measure), size)
        size = max(size * _STEP, least)
    balanced = [line for paragraph in paragraphs for line in _balanced(_cut(paragraph, available, measure), available)]
    return Arranged([_letters(line) for line in balanced], size)


def _measured(part: Part, measure: Measure) -> Measured:
    return Measured(part, measure(part.letters), measure((" ",)) if part.spaced else 0.0)


def _cut(paragraph: Line, available: float, measure: Measure) -> Iterator[Measured]:
    """Yield the parts of *paragraph*, those that are too long for a line in pieces. One letter is never cut."""
    for each in paragraph:
        if each.width <= available or len(each.part.letters) == 1:
            yield each
            continue
        pieces = list(_pieces(each.part.letters, available, measure))
        for piece in pieces[:-1]:
            yield Measured(Part(piece, spaced=False), measure(piece), 0.0)
        yield Measured(Part(pieces[-1], each.part.spaced), measure(pieces[-1]), each.space)


def _pieces(letters: Sequence[str], available: float, measure: Measure) -> Iterator[tuple[str, ...]]:
    """Yield *letters* in pieces that fit. Their widths are added up: measuring each beginning would take long."""
    piece: list[str] = []
    used = 0.0
    for letter in letters:
        width = measure((letter,))
        if piece and used + width > available:
            yield tuple(piece)
            piece, used = [], 0.0
        piece.append(letter)
        used += width
    yield tuple(piece)


def _filled(paragraph: Iterator[Measured] | Line, available: float) -> list[Line]:
    """Put as many parts on each line as fit."""
    lines: list[Line] = []
    used = 0.0
    for each in paragraph:
        if lines and used + each.width <= available:
            lines[-1].append(each)
            used += each.width + each.space
        else:
            lines.append([each])
            used = each.width + each.space
    return lines


def _balanced(paragraph: Iterator[Measured], available: float) -> list[Line]:
    """Fill lines that are as narrow as the number of lines allows, so that the last one is not a single word."""
    every = list(paragraph)
    lines = _filled(every, available)
    if not 1 < len(lines) <= _MOST_BALANCED:
        return lines
    low, high = available / len(lines) / 2, available
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = _filled(every, middle)
        if len(tried) <= len(lines) and max(_width(line) for line in tried) <= middle:
            high, lines = middle, tried
        else:
            low = middle
    return lines


def _width(line: Line) -> float:
    return sum(each.width + each.space for each in line) - (line[-1].space if line else 0)


def _shortened(lines: list[Line], most: int, available: float, measure: Measure) -> list[list[str]]:
    kept = [_letters(line) for line in lines[:most]]
    last = kept[-1]
    while len(last) > 1 and measure((*last, ELLIPSIS)) > available:
        last.pop()
    while len(last) > 1 and (last[-1].isspace() or last[-1] in ".,;:、，"):
        last.pop()
    last += letters(ELLIPSIS)
    return kept


def _letters(line: Line) -> list[str]:
    found: list[str] = []
    for each in line:
        found += each.part.letters
        if each.space:
            found.append(" ")
    while found and found[-1] == " ":
        found.pop()
    return found
