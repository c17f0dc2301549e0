"""Check the values of configuration keys.

Each check takes the name of a key, for the error message, and the value that the application has set. It returns the
value in the form that the package uses, or raises `ConfigError`. This module does no I/O.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from ..errors import ConfigError, InvalidOption, without_secrets
from ..formats import ALIASES, NEGOTIABLE, USUAL_QUALITY, Auto, Raw, by_name
from ..stores.location import looks_like_url, parse_location

Secret = str | bytes

MIN_RENDER_MEMORY = 100_000_000
"""With less memory in bytes, a renderer cannot load its libraries and start their threads."""

_LONGEST_VALUE = 100  # characters of a value in a message
_REDIS_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")


def _wrong(name: str, value: object, expected: str) -> ConfigError:
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}…"
    return ConfigError(
        f"{name} = {shown}: expected {expected}.",
        hint="If such a key is your application's own, rename it.",
    )


# Strings and words


def text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a string that is not empty")
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of strings, or one string."""
    given = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(each, str) and each for each in given):
        raise _wrong(name, value, "a list of strings")
    return given


def optional_texts(name: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else texts(name, value)


def one_of(*words: str) -> Callable[[str, Any], str]:
    """Return a check that accepts only *words*."""
    expected = f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}"

    def check(name: str, value: Any) -> str:
        if value not in words:
            raise _wrong(name, value, expected)
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
            raise _wrong(name, value, f"{', '.join(map(repr, words[:-1]))} or {words[-1]!r}, or a list of these")
        return given

    return check


def copies(name: str, value: Any) -> str | None:
    """Return the format of copies, or None for no copies."""
    if value in (False, None):
        return None
    if value not in ("tiff", "jpeg"):
        raise _wrong(name, value, "'tiff', 'jpeg' or False")
    return str(value)


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def svg(name: str, value: Any) -> bool | str:
    """Accept ``pass``, ``raster``, or a flag. True is ``raster``."""
    if isinstance(value, bool) or value == "pass":
        return bool(value) if isinstance(value, bool) else "pass"
    if value != "raster":
        raise _wrong(name, value, "'pass', 'raster' or False")
    return True


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


# Folders, URLs and networks


_BASE_URL = re.compile(r"(?:https?://[^\s/?#\\]+|/)[^\s?#\\]*", re.IGNORECASE)
_NO_PATH = re.compile(r"://|[<>?#\\\x00-\x1f\x7f\ud800-\udfff]")  # a URL, or characters that no rule of Flask takes
_LOCATION = re.compile(r"(?:/[\w.-]+)+/?", re.ASCII)


def url_prefix(name: str, value: Any) -> str:
    """Return the prefix with a leading slash and without a trailing slash."""
    if isinstance(value, str) and _NO_PATH.search(value):
        raise _wrong(name, value, "a path, such as '/images'. A host belongs in IMAGES_BASE_URL")
    return "/" + text(name, value).strip("/") if value != "/" else ""


def paths(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of folders, or one folder."""
    given = [value] if isinstance(value, (str, os.PathLike)) else value
    try:
        return tuple(map(_path, given))
    except (TypeError, ValueError):
        raise _wrong(name, value, "a list of folders, such as ['static']") from None


def sources(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of folders and places in object stores, or one of these."""
    given = paths(name, value)
    for each in filter(looks_like_url, given):
        _check_location(name, each)
    return given


def cache(name: str, value: Any) -> str | None:
    """Accept a folder, or a place in an object store."""
    if isinstance(value, str) and looks_like_url(value):
        _check_location(name, value)
        return value
    return optional_path(name, value)


def uploads(name: str, value: Any) -> str | None:
    """Accept a folder, or a place in an object store."""
    return cache(name, value)


def _check_location(name: str, value: str) -> None:
    try:
        parse_location(value)
    except ValueError:
        raise _wrong(name, value, "a folder, or a bucket and a prefix in it, such as 's3://bucket/prefix'") from None


def optional_store_options(name: str, value: Any) -> Mapping[str, Any] | None:
    """Accept a mapping of options, and of the URLs of buckets to options of their own."""
    if value is None:
        return None
    if isinstance(value, Mapping) and all(isinstance(option, str) for option in value):
        return {option: dict(own) if isinstance(own, Mapping) else own for option, own in value.items()}
    raise _wrong(name, value, "a dictionary of options of obstore, such as {'endpoint': 'https://s3.example.org'}")


def redis_url(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value.partition("://")[0] in _REDIS_SCHEMES and "://" in value):
        return value
    shown = without_secrets(value) if isinstance(value, str) else value
    raise _wrong(name, shown, "the URL of a Redis server, such as 'redis://host:6379/0', or None")


def optional_path(name: str, value: Any) -> str | None:
    try:
        path = None if value is None else _path(value)
    except (TypeError, ValueError):
        raise _wrong(name, value, "a folder, or None") from None
    if path is not None and looks_like_url(path):
        raise _wrong(name, value, "a folder on the disk of this host, or None")
    return path


def _path(value: str | os.PathLike[str]) -> str:
    """Return *value* as a string. Raises TypeError or ValueError if no file system takes it."""
    path = os.fspath(value)
    if "\0" in path or os.fsdecode(os.fsencode(path)) != path:
        raise ValueError(path)
    return path


def front_door(name: str, value: Any) -> bool | str:
    """Accept a folder, or True for a folder inside the cache."""
    try:
        return value if isinstance(value, bool) else optional_path(name, value) or False
    except ConfigError:
        raise _wrong(name, value, "True, False or a folder") from None


def metrics(name: str, value: Any) -> bool | str:
    """Accept the path of a view, True for metrics without a view, and False."""
    if isinstance(value, bool):
        return value
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise _wrong(name, value, "True, False or a path, such as '/metrics/images'")
    return value or False


def networks(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of addresses or networks, or False for an empty list."""
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


def base_url(name: str, value: Any) -> str | None:
    """Accept the beginning of an absolute URL, or of its path."""
    if value is not None and not (isinstance(value, str) and _BASE_URL.fullmatch(value)):
        raise _wrong(name, value, "the beginning of a URL, such as 'https://cdn.example.com', or None")
    return value


def location(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise _wrong(name, value, "an internal location of nginx, such as '/_images/', or None")
    return value


def view_path(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise _wrong(name, value, "a path of the application, such as '/health/images', or None")
    return value


def local_path(name: str, value: Any) -> str | None:
    """Accept a path below ``IMAGES_PATH``."""
    if value is not None and not (isinstance(value, str) and _is_inside(value)):
        raise _wrong(name, value, "a path in IMAGES_PATH, such as 'missing.png', or None")
    return value


def _is_inside(path: str) -> bool:
    """Return whether *path* is relative, normalised, and neither a URL nor outside of its folder."""
    return posixpath.normpath(path) == path and not f"{path}/".startswith(("/", "./", "../"))


def header_value(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and value.isascii() and value.strip() and value.isprintable()):
        raise _wrong(name, value, "the value of an HTTP header, such as '*', or None")
    return value


# Numbers


def count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(name, value, "a whole number, at least 1")
    return value


def count_from_zero(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "a whole number, at least 0")
    return value


def optional_count(name: str, value: Any) -> int | None:
    return None if value is None else count(name, value)


def optional_count_from_zero(name: str, value: Any) -> int | None:
    return None if value is None else count_from_zero(name, value)


def widths(name: str, value: Any) -> tuple[int, ...]:
    """Return widths in pixels, in ascending order. None allows all widths, and returns an empty tuple.

    An empty list is refused, because it could mean that no width is allowed.
    """
    if value is None:
        return ()
    is_list = isinstance(value, (list, tuple, set, frozenset, range))
    if not is_list or not value or not all(type(width) is int and width > 0 for width in value):
        raise _wrong(name, value, "a list of widths in pixels, such as [320, 640], or None for all widths")
    return tuple(sorted(value))


_FOREVER = 1e15  # seconds; more than any timedelta, and less than the largest float


def seconds(name: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _FOREVER:
        raise _wrong(name, value, "seconds (0 and up) or a timedelta")
    return float(value)


def some_seconds(name: str, value: Any) -> float:
    if not (given := seconds(name, value)):
        raise _wrong(name, value, "more than 0 seconds")
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
        raise _wrong(name, value, "a whole number of bytes, or a string such as '2GB'")
    return value


def optional_size(name: str, value: Any) -> int | None:
    return None if value is None else size(name, value)


def optional_render_memory(name: str, value: Any) -> int | None:
    read = optional_size(name, value)
    if read is not None and read < MIN_RENDER_MEMORY:
        raise _wrong(name, value, f"None, or at least '{MIN_RENDER_MEMORY // 1_000_000}MB'")
    return read


def share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise _wrong(name, value, "a share such as 0.25, from 0 to less than 1")
    return float(value)


def headroom(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 4:
        raise _wrong(name, value, "a number from 1 to 4")
    return float(value)


# Formats and options


def some_formats(known: tuple[str, ...]) -> Callable[[str, Any], tuple[str, ...]]:
    """Return a check that accepts some of the formats *known*, by their names or aliases."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = tuple(ALIASES.get(each.lower(), each.lower()) for each in texts(name, value))
        if not given or not {*given} <= {*known}:
            raise _wrong(name, value, f"a list of some of {', '.join(known)}")
        return given

    return check


def negotiable(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or any(
        value.count(format) > 1 or format not in NEGOTIABLE for format in value
    ):
        raise _wrong(name, value, f"a list of some of {', '.join(NEGOTIABLE)}, the best first, such as ['webp']")
    return tuple(value)


def quality(name: str, value: Any) -> int | dict[str, int | Raw]:
    """Accept one number for all formats, or numbers by format, which may be `Raw`. Either may be ``auto``."""
    if value == "auto":
        return Auto(USUAL_QUALITY)
    if isinstance(value, Mapping):
        value = {format: Auto(USUAL_QUALITY) if number == "auto" else number for format, number in value.items()}
    numbers = [n for n in value.values() if not isinstance(n, Raw)] if isinstance(value, Mapping) else [value]
    if not all(isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 100 for number in numbers):
        raise _wrong(
            name,
            value,
            "a number from 1 to 100, 'auto', or these by format, as in {'jpeg': 80, 'avif': raw(60)}",
        )
    if isinstance(value, int):
        return value
    try:
        named = {by_name(str(format)): number for format, number in value.items()}
    except InvalidOption as error:
        raise ConfigError(f"{name}: {error}.") from None
    if useless := [format.name for format in named if not format.lossy]:
        raise _wrong(name, value, f"only formats that have a quality; {useless[0]} has none")
    return {format.name: number for format, number in named.items()}


def score(name: str, value: Any) -> float:
    if not _is_number(value) or not 30 <= value <= 95:
        raise _wrong(name, value, "a SSIMULACRA2 score from 30 to 95, such as 70")
    return float(value)


def dpr_quality(name: str, value: Any) -> tuple[tuple[float, int], ...]:
    """Accept qualities by density. Returns pairs of a density and a quality, in ascending order."""
    given = {} if value is None else value
    if not isinstance(given, Mapping) or not all(
        _is_number(density) and 1 <= density <= 4 and type(quality) is int and 1 <= quality <= 100
        for density, quality in given.items()
    ):
        raise _wrong(name, value, "qualities (1 to 100) by density (1 to 4), such as {2: 55, 3: 45}, or None")
    return tuple(sorted((float(density), quality) for density, quality in given.items()))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def presets(name: str, value: Any) -> Mapping[str, Mapping[str, Any]] | None:
    """Accept named sets of options. `Presets` checks the options."""
    if value is not None and not (
        isinstance(value, Mapping) and all(isinstance(options, Mapping) for options in value.values())
    ):
        raise _wrong(name, value, "options by name, as in {'avatar': {'width': 96, 'height': 96, 'mode': 'crop'}}")
    return value
