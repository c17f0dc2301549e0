"""Build what finds the sources of one application, from its configuration: folders, object stores and URLs."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import groupby

from .background_thread import BackgroundThread, threads_run
from .cache.disk import DiskCache
from .cache.tombstones import Tombstones
from .config.keys import Config
from .facts import Facts
from .rendition import source_folder
from .sources.finder import Sources
from .sources.fonts import fonts_of
from .sources.guard import Guard
from .sources.http import Client
from .sources.links import LinkedFolders
from .sources.local import HashedSources, LocalSources
from .sources.objects import ObjectSources
from .sources.remote import RemoteSources
from .sources.search_path import Originals, Part, SearchPath
from .stores.location import Location, is_location, parse_location
from .stores.store import ObjectStore

_MOST_REVALIDATED = 1000  # objects that wait for the background thread


def sources_of(
    config: Config,
    root_path: str,
    remote: RemoteSources | None,
    objects: DiskCache | None,
    facts: Facts,
    tombstones: Tombstones,
) -> Sources:
    """Return all sources of one application, whose root path is *root_path*.

    *objects* is the cache for the files of objects. It is None if ``IMAGES_PATH`` names no object store.

    Raises:
        ConfigError: If it is certain that an object store cannot be used, or if a font is missing.
    """
    return Sources(
        _originals(config, root_path, objects, facts),
        remote,
        facts.check_fetched,
        lambda ref: source_folder(ref) in tombstones,
        tombstones.may_have_any,
        fonts_of(config, root_path),
    )


def _originals(config: Config, root_path: str, objects: DiskCache | None, facts: Facts) -> Originals:
    links = LinkedFolders([os.path.join(root_path, path) for path in config.folders], follow=config.follow_links)

    def local(paths: list[str]) -> LocalSources:
        roots = [os.path.join(root_path, path) for path in paths]
        by_content = config.version == "hash"
        return (
            HashedSources(roots, facts.content_digest, links=links) if by_content else LocalSources(roots, links=links)
        )

    if objects is None:
        return local(list(config.path))
    parts: list[Part] = []
    for in_store, paths in groupby(config.path, is_location):
        if in_store:
            parts += [_objects(config, parse_location(path), objects, facts) for path in paths]
        else:
            parts.append(local(list(paths)))
    return SearchPath(parts)


def store_at(location: Location, config: Config) -> ObjectStore:
    """Return the object store at *location*, with the options that *config* has for it. Nothing is sent.

    Raises:
        ConfigError: If it is certain that it cannot be used.
    """
    store = ObjectStore(location, config.options_of(location), timeout=config.store_timeout)
    store.check()
    return store


def _objects(config: Config, location: Location, objects: DiskCache, facts: Facts) -> ObjectSources:
    store = store_at(location, config)
    found = ObjectSources(store, facts.cache, objects, facts.read_beginning, max_age_seconds=config.store_max_age)
    if threads_run():
        thread = BackgroundThread("flask-images-vips-objects", found.revalidate, _MOST_REVALIDATED)
        found.revalidate_later = thread.offer
    return found


def remote_sources(config: Config, store: Callable[[str, float], DiskCache]) -> RemoteSources | None:
    """Return the remote sources, or None if the configuration allows no remote host. *store* makes a cache for them."""
    if config.remote_hosts == ():
        return None
    client = Client(
        guard_of(config),
        timeout_seconds=config.remote_timeout,
        connect_timeout_seconds=config.remote_connect_timeout,
        max_bytes=config.remote_max_bytes,
        max_redirects=config.remote_max_redirects,
    )
    return RemoteSources(
        store("remote", config.remote_cache_share),
        client,
        max_age_seconds=config.remote_max_age,
        error_ttl_seconds=config.remote_error_ttl,
    )


def guard_of(config: Config) -> Guard:
    """Return the rules for remote hosts.

    Raises:
        ConfigError: If a host is invalid.
    """
    return Guard(config.remote_hosts, config.remote_schemes, config.remote_ports, config.remote_allow_private)
