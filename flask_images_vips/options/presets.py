"""Expand presets, and refuse options that the application does not allow.

This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..config.keys import Config
from ..errors import ConfigError, Faults, InvalidOption, did_you_mean
from ..formats import AUTO, Format
from .options import DECLARED, Options, write_query
from .text import DEFAULT_STYLE
from .values import MODES

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Presets:
    """The presets of one application. *writes* returns whether its formats can be written here.

    Raises:
        ConfigError: If a preset has an invalid name or option, or ``IMAGES_ONLY_PRESETS`` is set without presets.
    """

    def __init__(self, config: Config, writes: Callable[[Options], bool] = lambda options: True) -> None:
        self._named = dict(config.presets or {})
        self.only = config.only_presets
        self._writes = writes
        self._options = _checked(self._named, config.output_formats)
        self._allowed = list(self._options.values())
        # A URL may omit the format of a preset, see `expanded`.
        self._allowed += [(replace(options, format=None), default) for options, default in self._allowed]
        if self.only and not self._named:
            raise ConfigError(
                "IMAGES_ONLY_PRESETS = True without IMAGES_PRESETS: every image would be refused. Add your presets to "
                "IMAGES_PRESETS, such as {'avatar': {'width': 96, 'height': 96}}."
            )

    def __contains__(self, name: object) -> bool:
        return name in self._named

    @property
    def widths(self) -> set[int]:
        """The widths of the pictures of those presets that say one, in pixels."""
        return {_outer_width(options.settled()) for options, _ in self._allowed} - {0}

    def include(self, options: Options, *, default_quality: bool) -> bool:
        """Return whether *options* are those of a preset. *default_quality* is true if the URL has no quality."""
        asked = replace(_rendered(options), rights=None)
        # The focal point, the rights and the text depend on the picture, so a URL may add them to a preset: a text to
        # one with a style for it.
        added = [asked, replace(asked, focal=None)]
        if asked.text_style != DEFAULT_STYLE:
            added += [replace(each, text=None) for each in added]
        return any((each, default_quality) in self._allowed for each in added)

    def expanded(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return *keywords* with the options of their preset added.

        *keywords* override the preset. A format that cannot be written here is omitted, so that the picture has the
        format of its path.

        Raises:
            InvalidOption: If there is no such preset.
        """
        given = dict(keywords)
        name = given.pop("preset", None)
        if name is not None and not (isinstance(name, str) and name in self._named):
            expected = f"one of IMAGES_PRESETS ({self._names()}){did_you_mean(name, self._named)}"
            raise InvalidOption("preset", name, expected=expected)
        return {**self._of(name, given), **given} if name is not None else given

    def _of(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the preset *name*, for a picture whose other options are *given*."""
        options, (parsed, _) = dict(self._named[name]), self._options[name]
        if parsed.format is not None and "format" not in given and not self._writes(parsed):
            del options["format"]
        return options

    def check(self, options: Options, *, default_quality: bool) -> None:
        """Refuse *options* that the application does not allow. *default_quality* is true if the URL has no quality.

        Raises:
            InvalidOption: If ``IMAGES_ONLY_PRESETS`` is set and no preset has these options.
        """
        if self.only and not self.include(options, default_quality=default_quality):
            expected = f"the options of one of IMAGES_PRESETS ({self._names()}), because IMAGES_ONLY_PRESETS is set"
            raise InvalidOption("options", options.canonical(), expected=expected)

    def _names(self) -> str:
        return ", ".join(self._named) or "which is empty"


def _checked(presets: Mapping[Any, Mapping[str, Any]], formats: Sequence[str]) -> dict[str, tuple[Options, bool]]:
    """Return the options of each preset, and whether it has no quality. *formats* may be served.

    Raises:
        ConfigError: If names or options are invalid. It lists them all.
    """
    faults, found = Faults(), {}
    for name, keywords in presets.items():
        what = f"IMAGES_PRESETS[{name!r}]"
        with faults.catch():
            _check_name(what, name)
        with faults.catch():
            query = _query(what, keywords)
            options = _options(what, query)
            _check_format(what, options.format, formats)
            found[name] = _rendered(options), not query.get(DECLARED["quality"].short)
    faults.check()
    return found


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{what}: expected a name of letters, digits, - and _.")
    if name in MODES:
        raise ConfigError(f"{what} is named like a mode: url_for('images.{name}', …) already has a meaning. Rename it.")


def _check_format(what: str, format: Format | None, formats: Sequence[str]) -> None:
    if format is not None and format is not AUTO and format.name not in formats:
        raise ConfigError(f"{what}: IMAGES_OUTPUT_FORMATS does not contain {format.name}. Add it there.")


def _query(what: str, keywords: Mapping[str, Any]) -> dict[str, str]:
    unknown = [keyword for keyword in keywords if keyword not in DECLARED]
    if unknown:
        raise ConfigError(*(f"{what}: {name!r} is not an option{did_you_mean(name, DECLARED)}" for name in unknown))
    return write_query(keywords)


def _options(what: str, query: Mapping[str, str]) -> Options:
    faults = Faults()
    for short, value in query.items():  # one by one, because the parser stops at the first invalid value
        with faults.catch():
            _parsed(what, {short: value})
    faults.check()
    return _parsed(what, query)


def _parsed(what: str, query: Mapping[str, str]) -> Options:
    try:
        return Options.parse(query)
    except InvalidOption as error:
        raise ConfigError(f"{what}: {error}.") from None


def _rendered(options: Options) -> Options:
    """Return *options* without those that affect only the delivery, not the rendition."""
    return replace(options, download=None, expires=None, arm=None)


def _outer_width(settled: Options) -> int:
    """Return how wide a picture with these options is with its padding and border; 0 if the source decides that."""
    if settled.width is None:
        return 0
    _, right, _, left = settled.padding
    return left + settled.width + right + 2 * (settled.border.width if settled.border else 0)
