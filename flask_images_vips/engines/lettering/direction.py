"""Put the letters of a line in the order in which they are seen, if parts of it run from right to left.

These are the rules of UAX #9 without explicit embeddings. This module does no I/O.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

_LEFT, _RIGHT, _NUMBER, _NEUTRAL = "L", "R", "N", "-"
_CLOSING = {
    "(": ")",
    "[": "]",
    "{": "}",
    "⟨": "⟩",
    "（": "）",
    "「": "」",
    "『": "』",
    "【": "】",
    "《": "》",
    "〈": "〉",
}
_KINDS = {"L": _LEFT, "R": _RIGHT, "AL": _RIGHT, "EN": _NUMBER, "AN": _NUMBER}


class Stretch(NamedTuple):
    """The letters from *begin* to *end* of a line, which run in one direction."""

    begin: int
    end: int
    right_to_left: bool


def runs_left(text: str) -> bool:
    """Return whether *text* as a whole runs from right to left: its first letter with a direction decides."""
    kinds = (_KINDS.get(unicodedata.bidirectional(character)) for character in text)
    return next((kind for kind in kinds if kind in (_LEFT, _RIGHT)), _LEFT) == _RIGHT


def stretches(line: Sequence[str], *, right_to_left: bool) -> list[Stretch]:
    """Return the parts of *line*, a list of letters, from left to right as they are seen."""
    levels = _levels(line, right_to_left=right_to_left)
    found = []
    index = 0
    for level, group in groupby(levels):
        count = len(list(group))
        found.append((level, Stretch(index, index + count, bool(level % 2))))
        index += count
    for least in range(max(levels, default=0), 0, -1):
        found = _reversed(found, least)
    return [stretch for _, stretch in found]


def _reversed(found: list[tuple[int, Stretch]], least: int) -> list[tuple[int, Stretch]]:
    """Return *found* with each sequence of levels of at least *least* reversed."""
    turned: list[tuple[int, Stretch]] = []
    for high, group in groupby(found, lambda each: each[0] >= least):
        every = list(group)
        turned += reversed(every) if high else every
    return turned


def _levels(line: Sequence[str], *, right_to_left: bool) -> list[int]:
    base = _RIGHT if right_to_left else _LEFT
    kinds = _resolved([_KINDS.get(unicodedata.bidirectional(letter[0]), _NEUTRAL) for letter in line], line, base)
    level = {_RIGHT: 1, _NUMBER: 2, _LEFT: 2 if right_to_left else 0}
    return [level[kind] for kind in kinds]


def _resolved(kinds: list[str], line: Sequence[str], base: str) -> list[str]:
    """Return *kinds* without neutral ones: numbers join what is around them, and the others their neighbours."""
    strong = base
    for index, kind in enumerate(kinds):
        if kind in (_LEFT, _RIGHT):
            strong = kind
        elif kind == _NUMBER and strong == _LEFT:
            kinds[index] = _LEFT
        elif kind == _NEUTRAL and _is_in_number(kinds, line, index):
            kinds[index] = kinds[index - 1]
    for begin, end in _brackets(line):
        kinds[begin] = kinds[end] = _of_brackets(kinds, begin, end, base)
    index = 0
    while index < len(kinds):
        if kinds[index] != _NEUTRAL:
            index += 1
            continue
        end = next((other for other in range(index, len(kinds)) if kinds[other] != _NEUTRAL), len(kinds))
        before = _side(kinds[index - 1]) if index else base
        after = _side(kinds[end]) if end < len(kinds) else base
        kinds[index:end] = [before if before == after else base] * (end - index)
        index = end
    return kinds


def _brackets(line: Sequence[str]) -> list[tuple[int, int]]:
    """Return where brackets of one pair are, in the order in which they open."""
    found: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for index, letter in enumerate(line):
        if letter in _CLOSING:
            opened.append((_CLOSING[letter], index))
        elif any(letter == closing for closing, _ in opened):
            while True:
                closing, begin = opened.pop()
                if closing == letter:
                    found.append((begin, index))
                    break
    return sorted(found)


def _of_brackets(kinds: Sequence[str], begin: int, end: int, base: str) -> str:
    """Return the kind of the brackets at *begin* and *end*: both run as what is in them, or as what is before them."""
    inside = {_side(kind) for kind in kinds[begin + 1 : end] if kind != _NEUTRAL}
    if not inside or base in inside:
        return base if inside else _NEUTRAL
    before = next((_side(kind) for kind in reversed(kinds[:begin]) if kind != _NEUTRAL), base)
    return before if before in inside else base


def _side(kind: str) -> str:
    return _RIGHT if kind == _NUMBER else kind


def _is_in_number(kinds: Sequence[str], line: Sequence[str], index: int) -> bool:
    """Return whether the letter at *index* is a separator in a number, or a sign such as % after it."""
    if not index or kinds[index - 1] != _NUMBER:
        return False
    kind = unicodedata.bidirectional(line[index][0])
    separates = kind in ("CS", "ES") and index + 1 < len(kinds) and kinds[index + 1] == _NUMBER
    return separates or kind == "ET"
