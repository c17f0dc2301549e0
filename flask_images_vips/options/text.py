"""Define the text that is drawn over a picture, and the styles that it is drawn in.

A URL says the text and the name of a style. The style is a part of the configuration, so that no URL names a file, and
all cards of a site look alike. This module does no I/O.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from ..config.keys import Config
from ..errors import ConfigError, Faults, InvalidOption, did_you_mean
from .parsing import ParseError, written
from .scalars import Integer, Number
from .values import Colour, Gravity

LONGEST = 500
_LONGEST_QUOTED = 2000
"""The most characters that a helper adds to a URL for a text. Web servers refuse URLs of 4,000 to 8,000 characters, and
a Chinese letter has 9."""
DEFAULT_STYLE = "default"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")
_SPACES = re.compile(r"[^\S\n]+")
_REFUSED = ("Cc", "Cs", "Cn", "Zl", "Zp")
# They turn the direction of what follows, so that a text reads otherwise than it is spelled.
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e")


class Text(NamedTuple):
    """The *content* of a text: 1 to 500 characters. A line feed begins a new line."""

    content: str

    @classmethod
    def parse(cls, text: str) -> Text:
        if not text.strip() or len(text) > LONGEST or not all(map(_is_drawn, text)):
            raise ParseError(f"1 to {LONGEST} characters, without control characters except line feeds")
        return cls(text)

    @staticmethod
    def write(value: object) -> str | None:
        """Tidy up a text of a template, so that no title of a visitor makes a URL that is refused.

        Runs of spaces become one space, control characters are left out, and what is too long ends in an ellipsis. Of
        `Markup`, such as ``{% set title %}…{% endset %}``, the text is taken, without tags and entities.
        """
        plain = value.content if isinstance(value, Text) else str(value)
        if isinstance(value, Markup):
            plain = value.striptags()
        text = _SPACES.sub(" ", unicodedata.normalize("NFC", plain).replace("\r\n", "\n"))
        text = "".join(letter for letter in text if _is_drawn(letter))
        return _shortened(_SPACES.sub(" ", text).strip()) or None

    def __str__(self) -> str:
        return quote(self.content)


def _shortened(text: str) -> str:
    """Return *text*, or as much of it as a URL may have."""
    if len(text) <= LONGEST and len(quote(text)) <= _LONGEST_QUOTED:
        return text
    lengths = list(accumulate(len(quote(letter)) for letter in text[: LONGEST - 1]))
    return text[: bisect_right(lengths, _LONGEST_QUOTED - len(quote("…")))].rstrip() + "…"


def _is_drawn(letter: str) -> bool:
    return letter == "\n" or (unicodedata.category(letter) not in _REFUSED and letter not in _OVERRIDES)


class StyleName:
    """The name of a style in ``IMAGES_TEXT_STYLES``."""

    @staticmethod
    def parse(text: str) -> str:
        if not _NAME.fullmatch(text):
            raise ParseError("the name of one of IMAGES_TEXT_STYLES")
        return text


class _Align:
    @staticmethod
    def parse(text: str) -> str:
        if text not in ("start", "left", "center", "right"):
            raise ParseError("one of start, left, center, right")
        return text


class _Place:
    @staticmethod
    def parse(text: str) -> Gravity:
        try:
            place = Gravity.parse(text)
        except ParseError:
            place = Gravity.FACE
        if place.smart:
            raise ParseError(f"one of {', '.join(each for each in Gravity if not each.smart)}")
        return place


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How a text is drawn.

    All lengths are in pixels of a picture that is *of_width* pixels wide, and are scaled with the picture. *font* is
    the name of one of ``IMAGES_FONTS``. *weight* is that of a variable font. A text that needs more than *lines* lines
    is drawn smaller, down to *min_size*, and ends in an ellipsis if that does not suffice. *width* is the share of the
    picture between its margins that lines may fill. *line_height* is in units of the size. *background* is the colour
    of a box around the text, with *padding* and *radius*. *shade* is the colour of a gradient between picture and text.
    """

    font: str
    size: float = 64
    min_size: float = 0
    weight: int = 0
    color: Colour = Colour(255, 255, 255)
    gravity: Gravity = Gravity.SOUTHWEST
    align: str = "start"
    margin: int = 64
    width: float = 1.0
    lines: int = 3
    line_height: float = 1.2
    background: Colour = Colour(0, 0, 0, 0)
    padding: int = 24
    radius: int = 0
    shade: Colour = Colour(0, 0, 0, 0)
    of_width: int = 1200

    @classmethod
    def read(cls, what: str, given: Mapping[str, Any]) -> TextStyle:
        """Read a style of the configuration. *what* names it in messages.

        Raises:
            ConfigError: If a value is invalid. It lists them all.
        """
        faults, values = Faults(), {}
        for name, value in given.items():
            with faults.catch():
                values[name] = _read(f"{what}[{name!r}]", name, value)
        faults.check()
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the values, in the form that `read` reads."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


_STYLE: dict[str, Callable[[str], Any]] = {
    "font": str,
    "size": Number(4, 2000).parse,
    "min_size": Number(4, 2000, or_zero=True).parse,
    "weight": Integer(0, 1000).parse,
    "color": Colour.parse,
    "gravity": _Place.parse,
    "align": _Align.parse,
    "margin": Integer(0, 10_000).parse,
    "width": Number(0.1, 1).parse,
    "lines": Integer(1, 20).parse,
    "line_height": Number(0.5, 4).parse,
    "background": Colour.parse,
    "padding": Integer(0, 10_000).parse,
    "radius": Integer(0, 10_000).parse,
    "shade": Colour.parse,
    "of_width": Integer(16, 20_000).parse,
}


def _read(what: str, name: str, value: Any) -> Any:
    if name not in _STYLE:
        raise ConfigError(f"{what}: {name!r} is not a part of a style{did_you_mean(name, _STYLE)}.")
    try:
        return _STYLE[name](Colour.write(value) if _STYLE[name] == Colour.parse else written(value))
    except (ParseError, TypeError, ValueError) as error:
        expected = error.expected if isinstance(error, ParseError) else "another value"
        raise ConfigError(f"{what} is {value!r}, expected {expected}.") from None


def _plain(value: Any) -> Any:
    return Colour.write(value) if isinstance(value, Colour) else str(value) if isinstance(value, Gravity) else value


class TextStyles:
    """The styles of one application, by their names. There is none without fonts.

    Raises:
        ConfigError: If a style is invalid, or there is no font for it.
    """

    def __init__(self, config: Config) -> None:
        self.fonts: Mapping[str, Sequence[str]] = config.fonts or {}
        given = dict(config.text_styles or {})
        if given and not self.fonts:
            raise ConfigError(
                "IMAGES_TEXT_STYLES without IMAGES_FONTS: there is no font to draw with. Name a font file, such as "
                "IMAGES_FONTS = {'title': 'fonts/Inter.ttf'}."
            )
        faults = Faults()
        self._named: dict[str, TextStyle] = {}
        if self.fonts:
            given = {DEFAULT_STYLE: {}, **given}
        for name, values in given.items():
            with faults.catch():
                self._named[name] = self._read(name, values)
        faults.check()

    def _read(self, name: Any, values: Mapping[str, Any]) -> TextStyle:
        what = f"IMAGES_TEXT_STYLES[{name!r}]"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"{what}: expected a name of at most 50 letters, digits, - and _.")
        style = TextStyle.read(what, {"font": next(iter(self.fonts)), **values})
        if style.font not in self.fonts:
            hint = did_you_mean(style.font, self.fonts)
            raise ConfigError(f"{what}: IMAGES_FONTS has no font {style.font!r}{hint}. It has {', '.join(self.fonts)}.")
        return style

    def find(self, name: str) -> TextStyle:
        """Return the style *name*.

        Raises:
            InvalidOption: If there is none.
        """
        if not self.fonts:
            expected = "no text, because IMAGES_FONTS is not set. Set it, such as {'title': 'fonts/Inter.ttf'}"
            raise InvalidOption("text_style", name, expected=expected)
        if name not in self._named:
            expected = f"one of IMAGES_TEXT_STYLES ({', '.join(self._named)}){did_you_mean(name, self._named)}"
            raise InvalidOption("text_style", name, expected=expected)
        return self._named[name]
