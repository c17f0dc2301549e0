"""Write the query of an image URL, parse it, and report what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from flask import current_app

from ..abilities import Abilities
from ..errors import InvalidOption, shown
from ..formats import AUTO, Format
from ..options.ineffective import ineffective
from ..options.options import DECLARED, Options, write_query
from ..state import current_images
from .calls import URL_KEYWORDS, advise
from .compat import without_effect

logger = logging.getLogger("flask_images_vips")

_NOT_IN_URL = URL_KEYWORDS - DECLARED.keys()
FORMAT, QUALITY = DECLARED["format"].short, DECLARED["quality"].short
_REPORTED_NAMES = 1024
_REMEMBERED_QUERIES = 1024


def query_of(keywords: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of a URL: short names and their values. Unknown keywords are kept."""
    return without_effect(write_query(keywords))


def in_url(query: Mapping[str, str]) -> dict[str, str]:
    """Return *query* without keywords that say how to build the URL."""
    return {name: value for name, value in query.items() if name not in _NOT_IN_URL}


def replaced_in(query: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Return *query* with its values overridden by *options*. None removes an option."""
    replaced = {**query, **write_query(options)}
    for name, value in options.items():
        if value is None:
            replaced.pop(DECLARED[name].short, None)
    return replaced


def options_of(keywords: Mapping[str, Any]) -> Options:
    """Return the parsed options of a URL with *keywords*.

    Raises:
        InvalidOption: If an option has an invalid value.
    """
    return parsed(query_of(keywords))


def parsed(query: Mapping[str, str]) -> Options:
    """Return the parsed options of *query*.

    Raises:
        InvalidOption: If an option has an invalid value.
    """
    return _parsed(tuple(query.items()))


@lru_cache(_REMEMBERED_QUERIES)
def _parsed(query: tuple[tuple[str, str], ...]) -> Options:
    return Options.parse(dict(query))


def report(query: Mapping[str, str]) -> None:
    """Log the parameters of *query* that have no effect, see `advise`."""
    for name, reason in _ineffective(tuple(query.items())):
        advise(name, reason)


@lru_cache(_REMEMBERED_QUERIES)
def _ineffective(query: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Return the name of each parameter of *query* that has no effect, and the reason."""
    errors = ineffective(in_url(dict(query)))
    return [(each.name, f"{each.name}={each.value!r} has no effect: expected {each.expected}") for each in errors]


def refusal_of(query: Mapping[str, str]) -> InvalidOption | None:
    """Return why the application refuses the URL of *query*, because it allows presets only, or None."""
    presets = current_images().pipeline.presets
    if presets.only:
        try:
            presets.check(Options.parse(query), default_quality=not query.get(QUALITY))
        except InvalidOption as error:
            return error
    return None


def report_format(abilities: Abilities, ref: str, name: str) -> None:
    """Log a warning if the format called *name* cannot be written here: once, or once per picture in debug mode."""
    with suppress(InvalidOption):  # reported when the image is requested
        format = Format.parse(name)
        refusal = None if format is AUTO else abilities.refusal(format)
        if refusal is not None:
            _log_format(format.name, refusal.expected, ref if current_app.debug else "")


@lru_cache(_REPORTED_NAMES)
def _log_format(name: str, expected: str, ref: str) -> None:
    url = f"The URL of {shown(ref)}" if ref else "A URL"
    logger.warning("%s with format=%r will not be served. Expected %s", url, name, expected)
