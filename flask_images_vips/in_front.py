"""Purge the caches in front of the site, as ``IMAGES_CDN`` describes them: CDNs, Varnish, nginx.

They are asked here and now, and what may pass soon is tried again for some seconds. Nothing is tried later in the
background: a command ends, a web worker may be killed, and nobody would know whether the picture is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from .cache_tags import EVERY, tag_of
from .cdn.backend import CdnFailed, Wanted
from .cdn.tag_headers import TAG_HEADERS
from .config.keys import Config
from .errors import ConfigError, NotPurged
from .urls import INFO_SUFFIX, REMOTE, is_remote, quoted, quoted_prefix


def purge_in_front(config: Config, refs: Sequence[str], *, soft: bool) -> tuple[str, ...]:
    """Purge all images of the sources *refs* in every cache in front, and return which caches have confirmed that.

    With *soft*, a cache may send what it has once more, while it asks the site.

    Raises:
        NotPurged: If a cache does not confirm it. All others are purged.
    """
    paths = (f"{prefix}/{REMOTE if is_remote(ref) else quoted(ref)}" for prefix in _prefixes(config) for ref in refs)
    return _purge(config, Wanted(tuple(map(tag_of, refs)), tuple(dict.fromkeys(paths))), soft=soft)


def purge_all_in_front(config: Config) -> tuple[str, ...]:
    """Do as `purge_in_front` for all sources. Pages and other files of the site stay."""
    return _purge(config, Wanted((EVERY,), tuple(f"{prefix}/" for prefix in _prefixes(config))), soft=True)


def check_tags(config: Config) -> None:
    """Check that images are tagged as the caches in front need it.

    Raises:
        ConfigError: If they are not.
    """
    written = None if config.cache_tags is None else TAG_HEADERS[config.cache_tags].name
    for cache in config.cdn:
        if cache.tag_header not in (None, written):
            raise ConfigError(
                f"IMAGES_CDN: {cache.kind} is purged by tags in the header {cache.tag_header}, which images do not "
                f"have. Set IMAGES_CACHE_TAGS = {cache.kind!r}."
            )


def _purge(config: Config, wanted: Wanted, *, soft: bool) -> tuple[str, ...]:
    confirmed, failed = [], []
    for cache in config.cdn:
        try:
            cache.purge(wanted, soft=soft)
            confirmed.append(cache.kind)
        except CdnFailed as error:
            failed.append(f"{cache.kind} ({error})")
    if failed:
        raise NotPurged(*failed)
    return tuple(confirmed)


def _prefixes(config: Config) -> tuple[str, str]:
    """Return what the paths of image URLs begin with, and those of URLs of information."""
    base = urlsplit(config.base_url or "").path.rstrip("/")
    prefix = quoted_prefix(config.url)
    return base + prefix, f"{base}{prefix or '/'}{INFO_SUFFIX}"
