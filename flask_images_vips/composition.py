"""Build the parts of one application from its configuration."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import replace
from hashlib import blake2b
from ipaddress import ip_network

from flask import Flask, has_request_context

from .background import Recompressor, threads_run
from .cache.bound import Bound
from .cache.disk import DiskCache
from .cache.slots import Slots
from .config.keys import Config, secret_keys
from .engines.choice import make_engines
from .facts import Facts
from .formats import JPEG
from .nginx.front_door import FrontDoor, LinkConditions
from .pipeline import Pipeline
from .producer import Producer
from .rendering.limits import Limits
from .rendition import Rendition
from .sharing.copies import Copies
from .sharing.decoding import SharedDecodes
from .sharing.sets import Sets
from .sources.finder import Sources
from .sources.guard import Guard
from .sources.http import Client
from .sources.local import HashedSources, LocalSources
from .sources.remote import RemoteSources
from .state import Parts, images_of

logger = logging.getLogger("flask_images_vips")


def build(app: Flask, url: str, name: str) -> Parts:
    """Read the configuration of *app*, and build what its images need.

    *url* and *name* were read by `Images.init_app`, and the URL map holds them: they do not change any more.

    Raises:
        ConfigError: If a value cannot work.
    """
    config = replace(Config.read(app.config), url=url, name=name)
    folder, private = _cache_folder(config, app.root_path)
    settings = _settings(config, app)
    remote = _remote(config, os.path.join(folder, "remote"), private)
    copies = _store(config, config.copies_share, os.path.join(folder, "copies"), private) if config.copies else None
    stores = [store for store in (remote.store if remote else None, copies) if store is not None]
    cache = DiskCache(
        folder,
        bound=Bound(
            folder,
            config.cache_max_size,
            config.cache_min_free,
            [store.bound for store in stores if store.bound is not None],
        ),
        lock_timeout=config.lock_timeout,
        temp_max_age=config.temp_max_age,
        private=private,
        readable=bool(config.front_door or config.accel_redirect),
    )
    slots = Slots(
        cache.slots_folder,
        config.max_renders or os.cpu_count() or 1,
        waiting=config.max_waiting,
        weight=config.max_inflight_pixels,
        timeout=config.lock_timeout,
        usable=cache.usable,
    )
    facts = Facts(cache, settings, make_engines(config), Limits(config), slots)
    pipeline = Pipeline(
        config,
        _sources(config, app, remote, facts),
        cache,
        facts,
        Producer(facts, slots),
        _shared(config, cache, copies, settings),
    )
    front_door = _front_door(config, app, folder, settings)
    return Parts(pipeline, front_door, _recompressor(config, app, pipeline))


def _sources(config: Config, app: Flask, remote: RemoteSources | None, facts: Facts) -> Sources:
    roots = [os.path.join(app.root_path, path) for path in config.path]
    by_content = config.version == "hash"
    local = HashedSources(roots, facts.content_digest) if by_content else LocalSources(roots)
    return Sources(local, remote, facts.check_image)


def _remote(config: Config, folder: str, private: str | None) -> RemoteSources | None:
    """The sources that are URLs, kept in *folder*; None if there may be none."""
    if config.remote_hosts == ():
        return None
    guard = Guard(
        config.remote_hosts,
        config.remote_schemes,
        config.remote_ports,
        tuple(ip_network(network) for network in config.remote_allow_private),
    )
    client = Client(
        guard,
        timeout_seconds=config.remote_timeout,
        connect_timeout_seconds=config.remote_connect_timeout,
        max_bytes=config.remote_max_bytes,
        max_redirects=config.remote_max_redirects,
    )
    return RemoteSources(
        _store(config, config.remote_cache_share, folder, private),
        client,
        max_age_seconds=config.remote_max_age,
        error_ttl_seconds=config.remote_error_ttl,
    )


def _store(config: Config, share: float, folder: str, private: str | None) -> DiskCache:
    """A cache in *folder* that may take *share* of ``IMAGES_CACHE_MAX_SIZE``."""
    return DiskCache(
        folder,
        bound=Bound(folder, int(config.cache_max_size * share), config.cache_min_free),
        lock_timeout=config.lock_timeout,
        temp_max_age=config.temp_max_age,
        private=private,
    )


def _shared(config: Config, cache: DiskCache, store: DiskCache | None, settings: str) -> SharedDecodes | None:
    if store is None or config.copies is None:
        return None
    return SharedDecodes(Copies(store, config.copies, settings), Sets(store, config.quality_of(JPEG.name)), cache)


def _recompressor(config: Config, app: Flask, pipeline: Pipeline) -> Recompressor | None:
    """What encodes popular renditions again; None if it is off, and with a warning if it cannot work here."""
    if not config.recompress_after or config.effort == "small":
        return None
    reasons = {
        # A server that is handed a path opens it after the ETag was written, and must find the same bytes there. nginx
        # writes the ETag of the file that it opened, so IMAGES_ACCEL_REDIRECT is no reason.
        "USE_X_SENDFILE is set": app.config["USE_X_SENDFILE"],
        "uWSGI runs no threads: start it with --enable-threads": not threads_run(),
        "Windows cannot replace open files": os.name != "posix",
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is not None:
        logger.warning("IMAGES_RECOMPRESS_AFTER does nothing: %s.", reason)
        return None
    cache, slots = pipeline.cache, pipeline.producer.slots
    # One at a time on this host, besides the render slot that every render takes.
    folder = os.path.join(os.path.dirname(slots.folder), "small")
    turn = Slots(folder, 1, waiting=1, weight=1, timeout=0, usable=cache.usable)
    producer = Producer(pipeline.facts, slots, make_engines(replace(config, effort="small")))

    def render(rendition: Rendition, since: float) -> bytes:
        return pipeline.render(rendition, since, producer)

    return Recompressor(config.recompress_after, cache, turn, render)


def _settings(config: Config, app: Flask) -> str:
    """The settings that decide pixels, and that tell applications apart which share a cache."""
    pixels = config.engine, config.auto_orient, config.fail_on, config.effort, config.headroom
    return repr((*pixels, app.import_name, config.path))


def _front_door(config: Config, app: Flask, cache: str, settings: str) -> FrontDoor | None:
    if not config.front_door:
        return None
    # A folder of our own below the configured one, since it is emptied now and then.
    own = os.path.join(app.root_path, str(config.front_door), "flask-images-vips")
    authorizer = images_of(app).authorizer
    conditions = LinkConditions.of(
        config, secret_keys(app.config)[0], settings, authorizer=authorizer.name if authorizer else False
    )
    door = FrontDoor(os.path.join(cache, "front") if config.front_door is True else own, conditions.stamp())
    if has_request_context():  # not in the command line, which may run as another user
        door.open()
    return door


def _cache_folder(config: Config, root_path: str) -> tuple[str, str | None]:
    """The folder of the cache, and the folder that nobody else may write to: itself or one above it, or None."""
    if config.cache is not None:
        # A folder of our own below the configured one, which may belong to root and be open to all, such as a volume
        # of Kubernetes.
        return os.path.join(root_path, config.cache, "flask-images-vips"), None
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    # One folder per application: two of them may have a logo.png of the same size and time.
    application = blake2b(root_path.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    parent = os.path.join(tempfile.gettempdir(), f"flask-images-{user}")
    return os.path.join(parent, application), parent
