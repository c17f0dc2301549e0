"""Divide a text into letters as a reader sees them, and into parts that must stay on one line.

A letter may be several characters: with accents, or an emoji of a family. The rules are those of UAX #29 and UAX #14
that matter for titles, in short. This module does no I/O.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_BREAKS_AFTER = frozenset("-\u2010\u2012\u2013\u2014\u200b\u00ad/")
# Marks and small letters that must not begin a line in Chinese and Japanese, besides closing punctuation.
_NOT_FIRST = frozenset(
    "、。，．・：；？！‐–〜゠ー々〻ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"
    "ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ!%),.:;?]}¢°·’”†‡›℃∶～￠"
)
_NOT_LAST = frozenset("$(£¥[{‘“‹«〈《「『【〔〖〘〝（［｛￡￥")


class Part(NamedTuple):
    """Letters that stay on one line, unless they are longer than one. *spaced* is true if a space follows."""

    letters: tuple[str, ...]
    spaced: bool

    @property
    def text(self) -> str:
        return "".join(self.letters)


def letters(text: str) -> list[str]:
    """Return the letters of *text*."""
    found: list[str] = []
    for character in text:
        if found and _continues(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _continues(letter: str, character: str) -> bool:
    last = letter[-1]
    if last.isspace():
        return False
    if character in (_JOINER, _NON_JOINER) or last == _JOINER or unicodedata.combining(character):
        return True
    if unicodedata.category(character) in ("Mn", "Mc", "Me") or _is_modifier(character):
        return True
    if _is_flag_letter(character):
        return len(letter) == 1 and _is_flag_letter(letter)
    return _is_jamo(last) and "\u1160" <= character <= "\u11ff"


def _is_modifier(character: str) -> bool:
    """Return whether *character* is a tone of skin, or a tag of a flag."""
    return "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f"


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_jamo(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff"


def is_emoji(letter: str) -> bool:
    """Return whether *letter* is to be drawn in colour."""
    first = letter[0]
    if "\ufe0f" in letter:
        return True
    wide = unicodedata.east_asian_width(first) == "W" and unicodedata.category(first) == "So"
    return "\ufe0e" not in letter and (_is_flag_letter(first) or (wide and first >= "\u231a"))


def parts(paragraph: str) -> Iterator[Part]:
    """Yield the parts of *paragraph*, which has no line feed. A line may end after each."""
    found: list[str] = []
    everything = letters(paragraph.strip())
    for index, letter in enumerate(everything):
        if _is_space(letter):
            continue
        found.append(letter)
        following = everything[index + 1] if index + 1 < len(everything) else ""
        if not following or _is_space(following) or _may_break(letter, following):
            yield Part(tuple(found), spaced=bool(following) and _is_space(following))
            found = []


def _is_space(letter: str) -> bool:
    return letter.isspace() and letter not in "\u00a0\u202f\u2007"


def _may_break(letter: str, following: str) -> bool:
    first, second = letter[0], following[0]
    if first in _NOT_LAST or second in _NOT_FIRST or unicodedata.category(second) in ("Pe", "Pf", "Cf"):
        return False
    if letter[-1] in "\u00a0\u202f\u2007\u2060" or second in "\u00a0\u202f\u2007\u2060":
        return False
    if letter[-1] in _BREAKS_AFTER:
        return second.isalpha()
    return _is_ideographic(letter) or _is_ideographic(following)


def _is_ideographic(letter: str) -> bool:
    """Return whether a line may end before and after *letter*. Korean breaks at spaces only."""
    first = letter[0]
    if "\u1100" <= first <= "\u11ff" or "\uac00" <= first <= "\ud7a3":
        return False
    return unicodedata.east_asian_width(first) in "WF" or is_emoji(letter)
