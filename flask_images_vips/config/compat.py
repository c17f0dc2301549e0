"""Accept the configuration of sites that come from Flask-Images. This module does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import checks, places


class Default(str):
    """A default that is put into ``app.config``, because sites read it there. The key still counts as not set."""

    __slots__ = ()


def is_set(name: str, settings: Mapping[str, Any]) -> bool:
    """Return whether the application itself has set the key *name*."""
    return name in settings and not isinstance(settings[name], Default)


def max_age(name: str, value: Any) -> int:
    """Also accept digits, and None for 0."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return checks.whole_seconds(name, value or 0)


def url_prefix(name: str, value: Any) -> str:
    """Also accept an empty string, for images at the root of the application."""
    return "" if value == "" else places.url_prefix(name, value)
