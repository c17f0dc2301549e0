"""Divide the options of a store as obstore wants them: those of the store, and those of its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_OF_CONNECTIONS = frozenset(
    [
        "allow_http",
        "allow_invalid_certificates",
        "default_content_type",
        "default_headers",
        "http1_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "http2_max_frame_size",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "randomize_addresses",
        "read_timeout",
        "root_certificate",
        "user_agent",
    ]
)
_TIMEOUTS = ("timeout", "connect_timeout")


def divided(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the *options* of the store, and those of its connections. An option that is None counts as not given.

    HTTP without TLS is allowed, unless the endpoint is HTTPS: the environment may name another endpoint.

    Raises:
        ValueError: If obstore would crash.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name in _TIMEOUTS:
            raise ValueError(f"set IMAGES_STORE_TIMEOUT instead of {name!r}.")
        if name.endswith(("endpoint", "endpoint_url")) and not _is_url(value):
            raise ValueError(f"{name} = {value!r}: expected a URL, such as 'https://s3.example.org'.")
    endpoint = str(given.get("endpoint", ""))
    connections = {"allow_http": not endpoint.startswith("https://")}
    connections |= {name: value for name, value in given.items() if name in _OF_CONNECTIONS}
    return {name: value for name, value in given.items() if name not in _OF_CONNECTIONS}, connections


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and value.isprintable() and " " not in value
    except (AttributeError, TypeError, ValueError):
        return False
