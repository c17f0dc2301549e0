"""Purge the caches in front of the site, as ``IMAGES_CDN`` describes them: CDNs, Varnish, nginx.

The caller waits for them. Failures that are usually short are tried again for some seconds, but not in the background:
a command ends, a web worker may be killed, and nobody would know whether the picture is gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .background_thread import threads_run
from .cache_tags import EVERY, tag_of
from .cdn.backend import CdnFailed, Wanted
from .cdn.tag_headers import TAG_HEADERS
from .config.keys import Config
from .errors import ConfigError, NotPurged
from .urls import INFO_SUFFIX, REMOTE, is_remote, quoted, quoted_prefix

if TYPE_CHECKING:
    from .state import AppImages

logger = logging.getLogger("flask_images_vips")

AGAIN_SECONDS = 2.0
"""The time between two purges of the same source."""


class CachesInFront:
    """The caches in front of one application."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        self._lock = threading.Lock()
        self._again: dict[str, bool] = {}

    @property
    def _config(self) -> Config:
        return self._images.pipeline.config

    def purge(self, refs: Sequence[str], *, soft: bool) -> tuple[str, ...]:
        """Purge all images of the sources *refs*, and return which caches have confirmed that.

        With *soft*, a cache may send its old copy once more while it asks the site, unless there is an ``authorize``
        callback: a picture may have stopped being public.

        The same is purged again two seconds later. A response may have been on its way to the cache. And a CDN purges
        its data centers in any order, so one may have fetched the old picture from another.

        Raises:
            NotPurged: If a cache does not confirm it. All others are purged.
        """
        if not (self._config.cdn and refs):
            return ()
        soft = soft and self._images.authorizer is None
        try:
            return _purge(self._config, _wanted(self._config, refs), soft=soft)
        finally:
            self.purge_again(refs, soft=soft)

    def purge_all(self) -> tuple[str, ...]:
        """Purge the images of all sources. Pages and other files of the site stay.

        Raises:
            NotPurged: As `purge`.
        """
        paths = tuple(f"{prefix}/" for prefix in _prefixes(self._config))
        return _purge(self._config, Wanted((EVERY,), paths), soft=self._images.authorizer is None)

    def purge_again(self, refs: Sequence[str], *, soft: bool) -> None:
        """Purge *refs* soon, with all others that are purged until then. Failures are logged."""
        if not threads_run():
            return
        with self._lock:
            is_first = not self._again
            for ref in refs:
                self._again[ref] = soft and self._again.get(ref, True)
        if is_first:
            with suppress(RuntimeError):  # no thread can be started; it was purged once
                # It is no daemon, so a command ends after it.
                threading.Timer(AGAIN_SECONDS, self._run).start()

    def _run(self) -> None:
        with self._lock:
            again, self._again = self._again, {}
        for soft in (True, False):
            refs = [ref for ref, is_soft in again.items() if is_soft is soft]
            try:
                _purge(self._config, _wanted(self._config, refs), soft=soft)
            except NotPurged as error:
                logger.warning("%s", error)


def check_tags(config: Config) -> None:
    """Check that images are tagged as the caches in front need it.

    Raises:
        ConfigError: If they are not.
    """
    written = {TAG_HEADERS[kind].name for kind in config.cache_tags}
    for cache in config.cdn:
        if cache.tag_header is not None and cache.tag_header not in written:
            raise ConfigError(
                f"IMAGES_CDN: {cache.kind} is purged by tags in the header {cache.tag_header}, which images do not "
                f"have. Add {cache.kind!r} to IMAGES_CACHE_TAGS."
            )


def _purge(config: Config, wanted: Wanted, *, soft: bool) -> tuple[str, ...]:
    confirmed, failed = [], []
    for cache in config.cdn if wanted.tags else ():
        try:
            cache.purge(wanted, soft=soft)
            confirmed.append(cache.kind)
        except CdnFailed as error:
            failed.append(f"{cache.kind} ({error})")
    if failed:
        raise NotPurged(*failed)
    return tuple(confirmed)


def _wanted(config: Config, refs: Sequence[str]) -> Wanted:
    names = dict.fromkeys(REMOTE if is_remote(ref) else quoted(ref) for ref in refs)
    return Wanted(tuple(map(tag_of, refs)), tuple(f"{prefix}/{name}" for prefix in _prefixes(config) for name in names))


def _prefixes(config: Config) -> tuple[str, str]:
    """Return what the paths of image URLs begin with, and those of URLs of information."""
    base = urlsplit(config.base_url or "").path.rstrip("/")
    prefix = quoted_prefix(config.url)
    return base + prefix, f"{base}{prefix or '/'}{INFO_SUFFIX}"
