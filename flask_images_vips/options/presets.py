"""Which renditions does the application itself name? Its presets, and the widths that it keeps to.

This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from ..config.keys import Config
from ..errors import ConfigError, InvalidOption
from .options import DECLARED, Options, write_query
from .parsing import ParseError
from .scalars import Side
from .values import MODES

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Presets:
    """Turns the keywords of templates into those that may be served, and says which URLs may be.

    Raises:
        ConfigError: a preset that cannot be one.
    """

    def __init__(self, config: Config) -> None:
        self._named = dict(config.presets or {})
        self.only = config.only_presets
        self._allowed = [_checked(name, options) for name, options in self._named.items()]
        own = {options.width for options, _ in self._allowed if options.width is not None}
        self._widths = sorted({*config.allowed_widths, *own}) if config.allowed_widths else []
        if self.only and not self._named:
            raise ConfigError("IMAGES_ONLY_PRESETS = True without IMAGES_PRESETS: no image could be served.")

    def __contains__(self, name: object) -> bool:
        return name in self._named

    @property
    def restricting(self) -> bool:
        """Whether `check` refuses anything."""
        return self.only or bool(self._widths)

    def expanded(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """*keywords* beside those of their preset, which they override, at a width that is allowed.

        The width becomes the next larger one, or the largest; the height keeps the shape of the box.

        Raises:
            InvalidOption: there is no such preset.
        """
        given = dict(keywords)
        name = given.pop("preset", None)
        if name is not None and name not in self._named:
            near = get_close_matches(str(name), self._named, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidOption("preset", name, expected=f"one of IMAGES_PRESETS ({self._names()}){hint}")
        given = {**self._named[name], **given} if name is not None else given
        width = _side(given.get("width")) if self._widths else None
        if width is not None and width not in self._widths:
            given["width"] = next((wide for wide in self._widths if wide > width), self._widths[-1])
            if (height := _side(given.get("height"))) is not None:
                given["height"] = max(1, round(height * given["width"] / width))
        return given

    def allowed(self, widths: Iterable[int]) -> list[int]:
        """Those of *widths*, in pixels, that may be served, and for each of the others what `expanded` makes of it."""
        return [self.expanded({"width": width})["width"] for width in widths] if self._widths else list(widths)

    def check(self, options: Options, *, default_quality: bool) -> None:
        """Refuse what may not be served. *default_quality* says that no quality was asked for.

        Raises:
            InvalidOption: no width that is allowed, or not the options of a preset where only those are.
        """
        if self._widths and options.width is not None and options.width not in self._widths:
            widths = ", ".join(map(str, self._widths))
            raise InvalidOption("width", options.width, expected=f"one that IMAGES_ALLOWED_WIDTHS allows ({widths})")
        if not self.only:
            return
        asked = _rendered(options)
        # A focal point is the picture's, and none of a preset's.
        like = asked, replace(asked, focal=None)
        if not any((each, default_quality) in self._allowed for each in like):
            expected = f"those of one of IMAGES_PRESETS ({self._names()}), since IMAGES_ONLY_PRESETS is set"
            raise InvalidOption("options", options.canonical(), expected=expected)

    def _names(self) -> str:
        return ", ".join(self._named) or "which is empty"


def _checked(name: Any, keywords: Mapping[str, Any]) -> tuple[Options, bool]:
    """The options of a preset, and whether it leaves the quality open."""
    what = f"IMAGES_PRESETS[{name!r}]"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{what}: expected a name of letters, digits, - and _.")
    if name in MODES:
        raise ConfigError(f"{what} is named like a mode, which url_for('images.{name}', …) means already.")
    for keyword in keywords:
        if keyword not in DECLARED:
            near = get_close_matches(str(keyword), DECLARED, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{what}: {keyword!r} is no option{hint}")
    query = write_query(keywords)
    try:
        options = Options.parse(query)
    except InvalidOption as error:
        raise ConfigError(f"{what}: {error}.") from None
    return _rendered(options), not query.get(DECLARED["quality"].short)


def _rendered(options: Options) -> Options:
    """*options* less what only says how a rendition travels."""
    return replace(options, download=None, expires=None)


def _side(value: object) -> int | None:
    """Return *value* in pixels, or None if it is not a number of pixels, which serving will refuse."""
    with suppress(ParseError):
        return None if value is None else Side.parse(str(value))
    return None
