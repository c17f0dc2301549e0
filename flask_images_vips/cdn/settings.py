"""Read ``IMAGES_CDN``, which describes the caches in front of the site. No message shows a value: it may be secret."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from ..errors import ConfigError, did_you_mean
from .backend import Backend
from .cloudflare import Cloudflare
from .cloudfront import CloudFront, check_botocore
from .fastly import Fastly
from .http import check_urllib3
from .servers import Nginx, Varnish

KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (Cloudflare, CloudFront, Fastly, Varnish, Nginx)}

_EXAMPLE = "{'cdn': 'varnish', 'urls': ['http://127.0.0.1:6081/']}"
_WORD = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4096}", re.ASCII)
_URL = re.compile(r"https?://[^\s?#\\/][^\s?#\\]{0,1000}", re.IGNORECASE)
_LONGEST_SECONDS = 60


def backends(name: str, value: Any) -> tuple[Backend, ...]:
    """Accept a dictionary that describes a cache in front, or a list of them, or None."""
    if value is None:
        return ()
    given = [value] if isinstance(value, Mapping) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, Mapping) for each in given):
        raise ConfigError(f"{name}: expected a dictionary such as {_EXAMPLE}, or a list of them.")
    return tuple(_backend(name, each) for each in given)


def check_installed(caches: tuple[Backend, ...]) -> None:
    """Check cheaply whether what *caches* need is installed.

    Raises:
        ConfigError: If it is not.
    """
    for cache in caches:
        (check_botocore if isinstance(cache, CloudFront) else check_urllib3)()


def _backend(name: str, given: Mapping[str, Any]) -> Backend:
    kind = given.get("cdn")
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
        raise ConfigError(f"{name}: 'cdn' names no cache, expected one of {', '.join(KINDS)}{hint or '.'}")
    made = KINDS[kind]
    known = {field.name: field for field in fields(made)}
    for each in given:
        if each != "cdn" and each not in known:
            hint = did_you_mean(each, known)
            raise ConfigError(f"{name}: {kind} has no {each!r}, expected some of {', '.join(known)}{hint or '.'}")
    values = {}
    for each, field in known.items():
        variable = made.variables.get(each)
        value = given.get(each, os.environ.get(variable) if variable else None)
        if value is not None:
            values[each] = _checked(f"{name}: {each!r} of {kind}", each, value)
        elif field.default is MISSING and field.default_factory is MISSING:
            otherwise = f", or set {variable} in the environment" if variable else ""
            raise ConfigError(f"{name}: {kind} needs {each!r}. Add it{otherwise}.")
    backend: Backend = made(**values)
    return backend


def _checked(what: str, field: str, value: Any) -> Any:
    accept, expected = _FIELDS[field]
    accepted = accept(value)
    if accepted is None:
        raise ConfigError(f"{what}: expected {expected}.")
    return accepted


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _token(value: Any) -> str | None:
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _url(value: Any) -> str | None:
    return value if isinstance(value, str) and _URL.fullmatch(value) else None


def _urls(value: Any) -> tuple[str, ...] | None:
    given = [value] if isinstance(value, str) else value
    right = isinstance(given, (list, tuple)) and given and all(map(_url, given))
    return tuple(given) if right else None


def _headers(value: Any) -> dict[str, str] | None:
    right = isinstance(value, Mapping) and all(
        isinstance(header, str)
        and isinstance(text, str)
        and _HEADER_NAME.fullmatch(header)
        and _HEADER_VALUE.fullmatch(text)
        for header, text in value.items()
    )
    return dict(value) if right else None


def _seconds(value: Any) -> float | None:
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST_SECONDS
    return float(value) if right else None


_ID = _word, "an ID of letters, digits, hyphens and underscores"
_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "zone": _ID,
    "service": _ID,
    "distribution": _ID,
    "token": (_token, "a string without spaces"),
    "url": (_url, "a URL, such as 'https://api.example.com'"),
    "urls": (_urls, "a list of URLs, such as ['http://127.0.0.1:6081/']"),
    "headers": (_headers, "a dictionary of headers, such as {'X-Purge-Key': '…'}"),
    "tags": (lambda value: value if isinstance(value, bool) else None, "True or False"),
    "timeout": (_seconds, f"seconds, more than 0 and up to {_LONGEST_SECONDS}"),
}
