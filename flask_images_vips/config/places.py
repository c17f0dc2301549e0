"""Check the configuration keys that name places: folders, object stores, Redis, URLs and networks.

Each check is as in `checks`. This module does no I/O.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from ..errors import ConfigError, without_secrets
from ..stores.location import looks_like_url, parse_location
from .checks import text, texts, wrong

_REDIS_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
_BASE_URL = re.compile(r"(?:https?://[^\s/?#\\]+|/)[^\s?#\\]*", re.IGNORECASE)
_NO_PATH = re.compile(r"://|[<>?#\\\x00-\x1f\x7f\ud800-\udfff]")  # a URL, or characters that no rule of Flask takes
_LOCATION = re.compile(r"(?:/[\w.-]+)+/?", re.ASCII)


def url_prefix(name: str, value: Any) -> str:
    """Return the prefix with a leading slash and without a trailing slash."""
    if isinstance(value, str) and _NO_PATH.search(value):
        raise wrong(name, value, "a path, such as '/images'. A host belongs in IMAGES_BASE_URL")
    return "/" + text(name, value).strip("/") if value != "/" else ""


def paths(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of folders, or one folder."""
    given = [value] if isinstance(value, (str, os.PathLike)) else value
    try:
        return tuple(map(_path, given))
    except (TypeError, ValueError):
        raise wrong(name, value, "a list of folders, such as ['static']") from None


def sources(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of folders and places in object stores, or one of these."""
    given = paths(name, value)
    for each in filter(looks_like_url, given):
        _check_location(name, each)
    return given


def folder_or_bucket(name: str, value: Any) -> str | None:
    """Accept a folder, or a place in an object store."""
    if isinstance(value, str) and looks_like_url(value):
        _check_location(name, value)
        return value
    try:
        return optional_path(name, value)
    except ConfigError:
        raise wrong(name, value, "a folder, a place in an object store such as 's3://bucket/prefix', or None") from None


def _check_location(name: str, value: str) -> None:
    try:
        parse_location(value)
    except ValueError:
        raise wrong(name, value, "a folder, or a bucket and a prefix in it, such as 's3://bucket/prefix'") from None


def optional_store_options(name: str, value: Any) -> Mapping[str, Any] | None:
    """Accept a mapping of options, and of the URLs of buckets to options of their own."""
    if value is None:
        return None
    if isinstance(value, Mapping) and all(isinstance(option, str) for option in value):
        return {option: dict(own) if isinstance(own, Mapping) else own for option, own in value.items()}
    raise wrong(name, value, "a dictionary of options of obstore, such as {'endpoint': 'https://s3.example.org'}")


def redis_url(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value.partition("://")[0] in _REDIS_SCHEMES and "://" in value):
        return value
    shown = without_secrets(value) if isinstance(value, str) else value
    raise wrong(name, shown, "the URL of a Redis server, such as 'redis://host:6379/0', or None")


def optional_path(name: str, value: Any) -> str | None:
    try:
        path = None if value is None else _path(value)
    except (TypeError, ValueError):
        raise wrong(name, value, "a folder, or None") from None
    if path is not None and looks_like_url(path):
        raise wrong(name, value, "a folder on the disk of this host, or None")
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
        raise wrong(name, value, "True, False or a folder") from None


def metrics(name: str, value: Any) -> bool | str:
    """Accept the path of a view, True for metrics without a view, and False."""
    if isinstance(value, bool):
        return value
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise wrong(name, value, "True, False or a path, such as '/metrics/images'")
    return value or False


def networks(name: str, value: Any) -> tuple[str, ...]:
    """Accept a list of addresses or networks, or False for an empty list."""
    given = () if value is False else texts(name, value)
    for each in given:
        try:
            ip_network(each)
        except ValueError as error:
            raise wrong(name, value, f"networks such as '10.0.0.0/8' ({error})") from None
    return given


def ports(name: str, value: Any) -> tuple[int, ...]:
    given = (value,) if isinstance(value, int) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(type(port) is int and 0 < port < 65536 for port in given):
        raise wrong(name, value, "a list of ports, such as [80, 443]")
    return given


def schemes(name: str, value: Any) -> tuple[str, ...]:
    given = texts(name, value)
    if not {*given} <= {"http", "https"}:
        raise wrong(name, value, "'http', 'https' or both")
    return given


def base_url(name: str, value: Any) -> str | None:
    """Accept the beginning of an absolute URL, or of its path."""
    if value is not None and not (isinstance(value, str) and _BASE_URL.fullmatch(value)):
        raise wrong(name, value, "the beginning of a URL, such as 'https://cdn.example.com', or None")
    return value


def location(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise wrong(name, value, "an internal location of nginx, such as '/_images/', or None")
    return value


def view_path(name: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _LOCATION.fullmatch(value)):
        raise wrong(name, value, "a path of the application, such as '/health/images', or None")
    return value


def local_path(name: str, value: Any) -> str | None:
    """Accept a path below ``IMAGES_PATH``."""
    if value is not None and not (isinstance(value, str) and _is_inside(value)):
        raise wrong(name, value, "a path in IMAGES_PATH, such as 'missing.png', or None")
    return value


def _is_inside(path: str) -> bool:
    """Return whether *path* is relative, normalised, and neither a URL nor outside of its folder."""
    return posixpath.normpath(path) == path and not f"{path}/".startswith(("/", "./", "../"))
