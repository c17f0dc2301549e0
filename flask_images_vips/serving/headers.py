"""Compose the headers of image responses: the common ones, Content-Disposition and Cache-Control."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from ..access import Privacy
from ..config.keys import Config
from ..formats import EXTENSIONS, Format
from ..urls import ImageUrl

Pairs = list[tuple[str, str]]

NO_STORE = "no-store"
VARY = ("Vary", "Accept")
"""Sent with every response to a URL with ``format=auto``, errors included."""

_YEAR_SECONDS = 31_536_000
IMMUTABLE = f"public, max-age={_YEAR_SECONDS}, immutable"

# For a URL with a version other than the source's, as can happen during a rolling deployment.
_OUTDATED_SECONDS = 60
# A version is a modification time in whole seconds, so a file this new may still change without getting another
# version. A source is called settled once it is older.
SETTLED_SECONDS = 2
_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f"\\/]')
_UNNAMED = "image"  # a URL of a host alone
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


class Freshness:
    """The Cache-Control of the responses to *url*, for one version of the source.

    *mtime* is the modification time of the source, in whole seconds since 1970. *current* is true if the URL's version
    is the version of the source.
    """

    __slots__ = ("_expires", "_settled", "_settled_at", "_short_seconds", "_unsettled")

    def __init__(self, url: ImageUrl, mtime: int, config: Config, *, current: bool) -> None:
        self._expires = url.options.expires
        self._short_seconds = config.max_age
        self._settled_at = mtime + SETTLED_SECONDS
        self._settled = self._unsettled = _lifetime(url, config, current=current)
        if self._settled[1] == _YEAR_SECONDS:
            self._unsettled = outdated()

    @property
    def unspelled(self) -> tuple[str, int]:
        """Cache-Control, and its ``max-age`` in seconds, if it is not known how the URL was spelled."""
        return f"public, max-age={self._short_seconds}", self._short_seconds

    def is_settled(self, now: int) -> bool:
        """Return whether, at the time *now*, the source is old enough for its version to identify its content."""
        return now > self._settled_at

    def at(self, now: int, privacy: Privacy) -> tuple[str, int]:
        """Return the value of Cache-Control at the time *now*, and its ``max-age`` in seconds."""
        cache_control, seconds = lifetime = self._settled if now > self._settled_at else self._unsettled
        if privacy == "public" and self._expires is None:
            return lifetime
        if NO_STORE in (privacy, cache_control):
            return NO_STORE, 0
        if privacy == "private":  # shorter, because the visitor may lose the right to see the image
            seconds = min(seconds, self._short_seconds)
        if self._expires is not None:
            seconds = max(0, min(seconds, self._expires - now))
        return f"{privacy}, max-age={seconds}", seconds


def _lifetime(url: ImageUrl, config: Config, *, current: bool) -> tuple[str, int]:
    """Return Cache-Control and its ``max-age`` in seconds, once the source has settled."""
    if not url.options.cache:
        return NO_STORE, 0
    if url.version is not None:
        return (IMMUTABLE, _YEAR_SECONDS) if current and url.exact else outdated()
    cache_control = f"public, max-age={config.max_age}"
    if config.shared_max_age is not None:
        cache_control += f", s-maxage={config.shared_max_age}"
    if config.max_age or config.shared_max_age:
        if config.stale_while_revalidate:
            cache_control += f", stale-while-revalidate={config.stale_while_revalidate}"
        if config.stale_if_error:
            cache_control += f", stale-if-error={config.stale_if_error}"
    return cache_control, config.max_age


def outdated() -> tuple[str, int]:
    """Return Cache-Control and its ``max-age`` in seconds, for a URL that may soon return another picture."""
    return f"public, max-age={_OUTDATED_SECONDS}", _OUTDATED_SECONDS


def common_headers(config: Config) -> Pairs:
    """Return the headers of every response to an image URL, errors included."""
    headers = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", _POLICY)]
    if config.allow_origin is not None:
        headers.append(("Access-Control-Allow-Origin", config.allow_origin))
    if config.resource_policy is not None:
        headers.append(("Cross-Origin-Resource-Policy", config.resource_policy))
    return headers


def front_headers(config: Config) -> Pairs:
    """Return the headers that nginx adds to images it serves from links. These images never change."""
    return [("Cache-Control", IMMUTABLE), *common_headers(config)]


def disposition(url: ImageUrl, format: Format) -> str:
    """Return the value of Content-Disposition (RFC 6266), with the name under which a browser saves the image."""
    download = url.options.download
    kind = "inline" if download is None else "attachment"
    own = unquote(url.file_name, errors="replace") if url.remote else url.file_name
    name = own if download in (None, "1") else str(download)
    stem, _, extension = name.rpartition(".")
    if not stem or extension.lower() not in EXTENSIONS:
        stem = name or _UNNAMED
    name = _UNSAFE_IN_NAMES.sub("_", stem) + format.suffix
    if name.isascii():
        return f'{kind}; filename="{name}"'
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
