"""Check the values of configuration keys: strings, words and numbers. `places` and `pictures` have further checks.

Each check takes the name of a key, for the error message, and the value that the application has set. It returns the
value in the form that the package uses, or raises `ConfigError`. This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from ..errors import ConfigError

Secret = str | bytes

MIN_RENDER_MEMORY = 100_000_000
"""With less memory in bytes, a renderer cannot load its libraries and start their threads."""

_LONGEST_VALUE = 100  # characters of a value in a message


def wrong(name: str, value: object, expected: str) -> ConfigError:
    """Return the error for the key *name*, whose *value* is not what was *expected*."""
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}…"
    return ConfigError(
        f"{name} = {shown}: expected {expected}.",
        hint="If such a key is your application's own, rename it.",
    )


# Strings and words


def text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise wrong(name, value, "a string that is not empty")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of strings, or one string."""
    given = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(each, str) and each for each in given):
        raise wrong(name, value, "a list of strings")
    return given


def optional_texts(name: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else texts(name, value)


def one_of(*words: str) -> Callable[[str, Any], str]:
    """Return a check that accepts only *words*."""
    expected = f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}"

    def check(name: str, value: Any) -> str:
        if value not in words:
            raise wrong(name, value, expected)
        return str(value)

    return check


def optionally_one_of(*words: str) -> Callable[[str, Any], str | None]:
    """Return a check that accepts only *words*, and None."""
    check = one_of(*words)
    return lambda name, value: None if value is None else check(name, value)


def some_of(*words: str) -> Callable[[str, Any], tuple[str, ...]]:
    """Return a check that accepts None, one of *words*, or a list of them."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = () if value is None else tuple(dict.fromkeys(texts(name, value)))
        if not {*given} <= {*words}:
            raise wrong(name, value, f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}, or a list of these")
        return given

    return check


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, value, "True or False")
    return value


def secrets(name: str, value: Any) -> tuple[Secret, ...]:
    """Accept no key, one key, or a list of keys. The error message does not contain the value."""
    if not value:
        return ()
    given = (value,) if isinstance(value, (str, bytes)) else tuple(value) if isinstance(value, Iterable) else (None,)
    try:
        for secret in given:
            if not isinstance(secret, bytes):
                secret.encode()
    except (AttributeError, ValueError):  # ValueError: a lone surrogate
        raise ConfigError(f"{name}: expected a string, bytes, or a list of them.") from None
    return tuple(secret for secret in given if secret)


def header_value(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and value.isascii() and value.strip() and value.isprintable()):
        raise wrong(name, value, "the value of an HTTP header, such as '*', or None")
    return value


# Numbers


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(name, value, "a whole number, at least 1")
    return value


def count_from_zero(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(name, value, "a whole number, at least 0")
    return value


def optional_count(name: str, value: Any) -> int | None:
    return None if value is None else count(name, value)


def optional_count_from_zero(name: str, value: Any) -> int | None:
    return None if value is None else count_from_zero(name, value)


_FOREVER = 1e15  # seconds; more than any timedelta, and less than the largest float


def seconds(name: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not is_number(value) or not 0 <= value < _FOREVER:
        raise wrong(name, value, "seconds (0 and up) or a timedelta")
    return float(value)


def some_seconds(name: str, value: Any) -> float:
    if not (given := seconds(name, value)):
        raise wrong(name, value, "more than 0 seconds")
    return given


def whole_seconds(name: str, value: Any) -> int:
    return int(seconds(name, value))


def optional_whole_seconds(name: str, value: Any) -> int | None:
    return None if value is None else whole_seconds(name, value)


_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*(?:([kMGT])(i?))?B?", re.IGNORECASE)


def size(name: str, value: Any) -> int:
    """Accept bytes as a number, or as a string with a unit. ``kB`` is 1000 bytes, ``KiB`` is 1024."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        power = " kmgt".index(match[2].lower()) if match[2] else 0
        value = int(float(match[1]) * (1024 if match[3] else 1000) ** power)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(name, value, "a whole number of bytes, or a string such as '2GB'")
    return value


def optional_size(name: str, value: Any) -> int | None:
    return None if value is None else size(name, value)


def optional_render_memory(name: str, value: Any) -> int | None:
    read = optional_size(name, value)
    if read is not None and read < MIN_RENDER_MEMORY:
        raise wrong(name, value, f"None, or at least '{MIN_RENDER_MEMORY // 1_000_000}MB'")
    return read


def share(name: str, value: Any) -> float:
    if not is_number(value) or not 0 <= value < 1:
        raise wrong(name, value, "a share such as 0.25, from 0 to less than 1")
    return float(value)
