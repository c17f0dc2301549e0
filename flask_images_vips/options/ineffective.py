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
_SIDES = ("width", "height")


def ineffective(query: Mapping[str, str]) -> Iterator[InvalidOption]:
    """Yield an error for each parameter of *query*, which maps short names to strings, that has no effect.

    These are unknown names, among them the long names of options, which `page.compat` uses for invalid values. A width
    or height of 0 is one too if nothing else sets the size: it means "not given", so the picture has its full size.
    """
    for name, value in query.items():
        if name not in _NAMES:
            expected = _expected(name, value) or f"the name of an option{did_you_mean(name, _KEYWORDS)}"
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


def _is_zero(text: str) -> bool:
    with suppress(ParseError):
        return Side.parse(text) is None
    return False
