"""Find the parameters of an image URL that have no effect, although somebody meant them to.

This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from ..errors import InvalidOption, did_you_mean
from .options import DECLARED
from .parsing import ParseError
from .scalars import Side

_NAMES = frozenset({"u", "v", "s", *(declared.short for declared in DECLARED.values())})
_KEYWORDS = (*DECLARED, "preset", "external", "scheme", "version")
_OF_TAGS = dict.fromkeys(("layout", "priority", "placeholder", "widths", "densities", "sizes"), "resized_img_tag")
_OF_TAGS |= dict.fromkeys(("formats", "sources"), "resized_picture_tag")
_SIDES = ("width", "height")


def ineffective(query: Mapping[str, str]) -> Iterator[InvalidOption]:
    """Yield an error for each parameter of *query*, which maps short names to strings, that has no effect.

    These are unknown names, among them the long names of options, which `page.compat` uses for invalid values. A width
    or height of 0 is one too if nothing else sets the size: it means "not given", so the picture has its full size.
    """
    for name, value in query.items():
        if name not in _NAMES:
            expected = _expected(name, value) or f"the name of an option{_hint(name)}"
            yield InvalidOption(name, value, expected=expected)
    texts = {name: text for name in (*_SIDES, "aspect") if (text := query.get(DECLARED[name].short))}
    zeros = [name for name in _SIDES if name in texts and _is_zero(texts[name])]
    if zeros and len(zeros) == len(texts):
        expected = "1 or more, because 0 means that it is not given, so the picture has its full size"
        yield InvalidOption(zeros[0], texts[zeros[0]], expected=expected)


def _expected(name: str, value: str) -> str | None:
    """Return what is expected of the option *name*, if it exists and *value* is invalid."""
    try:
        if name in DECLARED:
            DECLARED[name].parse(value)
    except ParseError as error:
        return error.expected
    return None


def _hint(name: str) -> str:
    """Return a suffix that says what may be meant by *name*, which is not an option. It may be an empty string."""
    if name in _OF_TAGS:
        return f"; {name} is a keyword of {_OF_TAGS[name]}"
    return did_you_mean(name, _KEYWORDS)


def _is_zero(text: str) -> bool:
    with suppress(ParseError):
        return Side.parse(text) is None
    return False
