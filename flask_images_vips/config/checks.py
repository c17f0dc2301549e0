"""What may a configuration key hold? Each function takes a key's name, for its error, and the value as it was set.

They give the value as the package uses it. This module does no I/O.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from ..errors import ConfigError, InvalidOption
from ..formats import FORMATS, INPUTS, NEGOTIABLE, by_name

Secret = str | bytes


def _wrong(name: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"{name} = {value!r}: expected {expected}.")


def text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text that is not empty")
    return value


def url_prefix(name: str, value: Any) -> str:
    """With a slash before it and none behind it."""
    return "/" + text(name, value).strip("/") if value != "/" else ""


def paths(name: str, value: Any) -> tuple[str, ...]:
    """A list of folders; one folder may stand alone, as a text."""
    if isinstance(value, (str, os.PathLike)):
        value = [value]
    try:
        return tuple(os.fspath(path) for path in value)
    except TypeError:
        raise _wrong(name, value, "a list of folders, such as ['static']") from None


def optional_path(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise _wrong(name, value, "a folder, or None")
    return None if value is None else os.fspath(value)


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts; one may stand alone."""
    given = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(each, str) and each for each in given):
        raise _wrong(name, value, "a list of texts")
    return given


def optional_texts(name: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else texts(name, value)


def networks(name: str, value: Any) -> tuple[str, ...]:
    """Addresses or networks, as ``10.0.0.0/8``; False for none."""
    given = () if value is False else texts(name, value)
    for each in given:
        try:
            ip_network(each)
        except ValueError as error:
            raise _wrong(name, value, f"networks such as '10.0.0.0/8' ({error})") from None
    return given


def ports(name: str, value: Any) -> tuple[int, ...]:
    given = (value,) if isinstance(value, int) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(type(port) is int and 0 < port < 65536 for port in given):
        raise _wrong(name, value, "a list of ports, such as [80, 443]")
    return given


def schemes(name: str, value: Any) -> tuple[str, ...]:
    given = texts(name, value)
    if not {*given} <= {"http", "https"}:
        raise _wrong(name, value, "'http', 'https' or both")
    return given


def seconds(name: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise _wrong(name, value, "seconds (0 and up) or a timedelta")
    return float(value)


def some_seconds(name: str, value: Any) -> float:
    if not (given := seconds(name, value)):
        raise _wrong(name, value, "more than 0 seconds")
    return given


def whole_seconds(name: str, value: Any) -> int:
    return int(seconds(name, value))


def pixels(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(name, value, "a whole number of pixels, at least 1")
    return value


def count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(name, value, "a whole number, at least 1")
    return value


def count_or_none(name: str, value: Any) -> int:
    """As `count`, or 0."""
    return 0 if type(value) is int and value == 0 else count(name, value)


def optional_count(name: str, value: Any) -> int | None:
    return None if value is None else count(name, value)


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kMGT])(i?))?B?", re.IGNORECASE)


def size(name: str, value: Any) -> int:
    """Bytes, as a number or as a text with a unit: of 1000, or with an i of 1024."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        power = " kmgt".index(match[2].lower()) if match[2] else 0
        value = int(float(match[1]) * (1024 if match[3] else 1000) ** power)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "bytes, or a text such as '2GB'")
    return value


def share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise _wrong(name, value, "a share, from 0 to 1")
    return float(value)


def front_door(name: str, value: Any) -> bool | str:
    """True for a folder beside the cache's entries, or the folder."""
    return value if isinstance(value, bool) else optional_path(name, value) or False


def optional_text(name: str, value: Any) -> str | None:
    return None if value is None else text(name, value)


def negotiable(name: str, value: Any) -> tuple[str, ...]:
    """The best format first."""
    if not isinstance(value, (list, tuple)) or any(
        value.count(format) > 1 or format not in NEGOTIABLE for format in value
    ):
        raise _wrong(name, value, f"a list of some of {', '.join(NEGOTIABLE)}, the best first")
    return tuple(value)


def quality(name: str, value: Any) -> int | dict[str, int]:
    """One number for all formats, or numbers by format."""
    numbers = list(value.values()) if isinstance(value, Mapping) else [value]
    if not all(isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 100 for number in numbers):
        raise _wrong(name, value, "1 to 100, or such numbers by format, as in {'jpeg': 75, 'avif': 55}")
    if isinstance(value, int):
        return value
    try:
        named = {by_name(str(format)): number for format, number in value.items()}
    except InvalidOption as error:
        raise ConfigError(f"{name}: {error}.") from None
    if useless := [format.name for format in named if not format.lossy]:
        raise _wrong(name, value, f"formats that have a quality, which {useless[0]} has not")
    return {format.name: number for format, number in named.items()}


def presets(name: str, value: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """Options by name. Whether they can be rendered, `Presets` says."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(options, Mapping) for options in value.values())
    ):
        raise _wrong(name, value, "options by name, as in {'avatar': {'width': 96, 'height': 96, 'mode': 'crop'}}")
    return value


def widths(name: str, value: Any) -> tuple[int, ...]:
    if value is not None and not isinstance(value, (list, tuple, set, frozenset, range)):
        raise _wrong(name, value, "a list of widths in pixels")
    return tuple(sorted(pixels(name, width) for width in value or ()))


def engine(name: str, value: Any) -> str:
    if value not in ("auto", "vips", "pillow"):
        raise _wrong(name, value, "'auto', 'vips' or 'pillow'")
    return str(value)


def input_formats(name: str, value: Any) -> tuple[str, ...]:
    return _formats(name, value, INPUTS)


def output_formats(name: str, value: Any) -> tuple[str, ...]:
    return _formats(name, value, OUTPUTS)


def _formats(name: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the formats *known*, by their names or aliases."""
    try:
        given = tuple(by_name(each).name for each in texts(name, value))
    except InvalidOption:
        given = ()
    if not given or not {*given} <= {*known}:
        raise _wrong(name, value, f"a list of some of {', '.join(known)}")
    return given


def fail_on(name: str, value: Any) -> str:
    if value not in ("none", "truncated", "error", "warning"):
        raise _wrong(name, value, "'none', 'truncated', 'error' or 'warning'")
    return str(value)


def version(name: str, value: Any) -> str:
    if value not in ("mtime", "hash"):
        raise _wrong(name, value, "'mtime' or 'hash'")
    return str(value)


def copies(name: str, value: Any) -> str | None:
    """The format of copies, or None for none."""
    if value in (False, None):
        return None
    if value not in ("tiff", "jpeg"):
        raise _wrong(name, value, "'tiff', 'jpeg', or False")
    return str(value)


def effort(name: str, value: Any) -> str:
    if value not in ("fast", "balanced", "small"):
        raise _wrong(name, value, "'fast', 'balanced' or 'small'")
    return str(value)


def headroom(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 4:
        raise _wrong(name, value, "a number from 1 to 4")
    return float(value)


def secrets(name: str, value: Any) -> tuple[Secret, ...]:
    """No key, one, or several: the first signs, all verify."""
    given = (value,) if isinstance(value, (str, bytes)) else tuple(value or ())
    if not all(isinstance(secret, (str, bytes)) for secret in given):
        raise ConfigError(f"{name}: expected a text, bytes, or a list of them.")
    return tuple(secret for secret in given if secret)


OUTPUTS = tuple(format.name for format in FORMATS)
