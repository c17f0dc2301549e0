"""Build the objects that serve one application's images, from its configuration."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from .abilities import Abilities
from .background_renders import recompressor_of, smaller_jxl_of
from .background_thread import threads_run
from .cache.default_folder import default_folder
from .cache.disk import DiskCache
from .cache.eviction import Bound
from .cache.notices import Notices
from .cache.shared import SharedCache
from .cache.tombstones import Tombstones
from .config.compat import Default, is_set
from .config.keys import Config, secret_keys
from .engines.choice import check_engine
from .events import tell
from .exposure import served_folders, shared_folders
from .facts import Facts
from .hosts import FORGOTTEN, join
from .installed import outdated
from .late_facts import LateFacts
from .monitoring.start import start
from .nginx.front_door import FrontDoor
from .nginx.stamp import stamp_of
from .nginx.switch import CLOSED, FOLDER_NAME
from .oddities import auto_without_scores, boxes_for_visitors, own_numbers
from .originals import remote_sources, sources_of
from .parts import Parts
from .pipeline import Pipeline
from .pool.renderers import make_renderers
from .producer import Producer
from .rendering.limits import Limits
from .rendition import source_folder
from .shared_decode.attempts import SharedDecodes
from .shared_decode.copies import Copies
from .shared_decode.sets import Sets
from .sources.remote import RemoteSources
from .sources.search_path import Originals
from .state import images_of

if TYPE_CHECKING:
    from .rights.record import Rights
    from .rights.signing import Signer

logger = logging.getLogger("flask_images_vips")


def build(app: Flask, url: str, name: str) -> Parts:
    """Read the configuration of *app*, and build the objects that serve its images.

    *url* and *name* are those that `Images.init_app` has already registered; later changes to the keys have no effect.

    Raises:
        ConfigError: If a value is invalid, or if the only engine is not installed.
    """
    config = replace(Config.read(app.config), url=url, name=name)
    check_engine(config.engine)
    _warn(
        *outdated(),
        *own_numbers(config),
        *auto_without_scores(config),
        *boxes_for_visitors(config, tested=app.testing or app.debug),
    )
    folder, private = _cache_folder(config, app.root_path)
    if not is_set("IMAGES_CACHE", app.config):
        app.config["IMAGES_CACHE"] = Default(folder)
    settings, notices = _settings(config), Notices(folder)
    joined = join(config, _tombstones_folder(config, app, folder), partial(tell, images_of(app).events.fetched))
    kept = _Kept(folder, private, notices, joined.tombstones)
    store = partial(_store, config, kept)
    remote = remote_sources(config, store)
    copies = store("copies", config.copies_share) if config.copies else None
    objects = store("objects", config.store_cache_share) if config.stores else None
    stores = [store for store in (remote.store if remote else None, objects, copies) if store is not None]
    cache = _cache(config, kept, stores, joined.cache, readable=_is_readable(config, app))
    renderers = make_renderers(config)
    facts = Facts(cache, settings, Limits(config), renderers)
    signer = _signer(config, app)
    pipeline = Pipeline(
        config,
        sources_of(config, app.root_path, remote, objects, facts, joined.tombstones),
        cache,
        facts,
        Abilities(config, cache, renderers),
        Producer(
            *(facts, renderers, config, images_of(app).events, joined.slots),
            partial(_rights_of, app),
            signer,
        ),
        _shared(config, cache, copies, settings),
    )
    recompressor = recompressor_of(config, pipeline, x_sendfile=app.config["USE_X_SENDFILE"])
    parts = Parts(
        pipeline,
        _front_door(config, app, folder, settings, signer),
        recompressor,
        LateFacts() if threads_run() else None,
        joined.tombstones,
        joined.fleet,
        smaller_jxl=smaller_jxl_of(config, pipeline, waits=recompressor is not None and recompressor.after > 0),
    )
    if parts.fleet is not None:
        from .following import messages_of  # noqa: PLC0415  (only sites of several hosts need it)

        parts = replace(parts, messages=messages_of(app, parts, parts.fleet))
    if (config.cache_store is not None or joined.fleet is not None) and threads_run():
        from .learning import Learner  # noqa: PLC0415

        parts = replace(parts, learner=Learner(parts.learn, os.path.join(folder, "locks", "learnt")))
    _tell_of_lookups(parts.front_door, pipeline.sources.local, remote)
    _warn_of_folders(config, app, parts)
    _follow_events(app, config, parts)
    return parts


def _warn(*sentences: str) -> None:
    for sentence in sentences:
        logger.warning("%s", sentence)


def _tell_of_lookups(door: FrontDoor | None, *senders: Originals | RemoteSources | None) -> None:
    """Let *door* notice each source that is looked up."""
    for sources in senders:
        if door is not None and sources is not None:
            sources.on_lookup = door.notice


def _warn_of_folders(config: Config, app: Flask, parts: Parts) -> None:
    _warn(*shared_folders(config, parts.pipeline, parts.front_door))
    if images_of(app).authorizer is not None:
        _warn(*served_folders(app, parts.pipeline))


def _follow_events(app: Flask, config: Config, parts: Parts) -> None:
    """Let the note of this worker, the monitoring and the record follow the events of *app*.

    They are imported here, because only processes that serve images need them.
    """
    from .recording.recorder import Recorder  # noqa: PLC0415
    from .recording.sightings import journal_of  # noqa: PLC0415
    from .serving.asking_page import asking_page  # noqa: PLC0415
    from .workers import sign_in_at_first_image  # noqa: PLC0415

    images, cache, tombstones = images_of(app), parts.pipeline.cache, parts.tombstones
    sign_in_at_first_image(app, config, cache, images.events)
    start(config, images)
    if config.record:
        journal = journal_of(cache.folder, front_door=parts.front_door is not None)
        page = partial(asking_page, images)
        recorder = Recorder(journal, cache.usable, page, lambda ref: source_folder(ref) in tombstones)
        recorder.attach(images.events, arms=config.by_visitor is not None and config.by_visitor.compares)


class _Kept(NamedTuple):
    """What the caches of one application share: see `DiskCache`."""

    folder: str
    private: str | None
    notices: Notices
    tombstones: Tombstones

    def cache(
        self, config: Config, folder: str, bound: Bound, *, readable: bool = False, shared: SharedCache | None = None
    ) -> DiskCache:
        """Return a cache in *folder*, which stores nothing that was forgotten."""
        return DiskCache(
            folder,
            bound=bound,
            lock_timeout=config.lock_timeout,
            temp_max_age=config.temp_max_age,
            private=self.private,
            readable=readable,
            notices=self.notices,
            bars=self.tombstones.__contains__,
            shared=shared,
        )


def _cache(
    config: Config, kept: _Kept, stores: Sequence[DiskCache], shared: SharedCache | None, *, readable: bool
) -> DiskCache:
    """Return the cache of renditions, in front of the *shared* one. Its limits count what is in *stores* too."""
    inner = [store.bound for store in stores if store.bound is not None]
    bound = Bound(kept.folder, config.cache_max_size, config.cache_min_free, inner)
    return kept.cache(config, kept.folder, bound, readable=readable, shared=shared)


def _tombstones_folder(config: Config, app: Flask, cache: str) -> str:
    """Return the folder that remembers what was forgotten. The system empties its temporary folder now and then."""
    if config.tombstones is not None:
        return os.path.join(app.root_path, config.tombstones)
    if config.cache_folder is None:
        return os.path.join(app.instance_path, "flask-images-vips")
    return os.path.join(cache, FORGOTTEN)


def _is_readable(config: Config, app: Flask) -> bool:
    """Return whether nginx, which is another user, must be able to read every rendition.

    If there is a callback, the front door has links to the public ones only. They are opened up when the link is made.
    """
    has_callback = images_of(app).authorizer is not None
    return config.accel_redirect is not None or bool(config.front_door and not has_callback)


def _store(config: Config, kept: _Kept, name: str, share: float) -> DiskCache:
    """Return a cache called *name* in that of renditions. It may use *share* of ``IMAGES_CACHE_MAX_SIZE``."""
    own = os.path.join(kept.folder, name)
    return kept.cache(config, own, Bound(own, int(config.cache_max_size * share), config.cache_min_free))


def _shared(config: Config, cache: DiskCache, store: DiskCache | None, settings: str) -> SharedDecodes | None:
    if store is None or config.copies is None:
        return None
    return SharedDecodes(Copies(store, config.copies, settings), Sets(store, config.quality_of), cache)


def _rights_of(app: Flask, ref: str) -> Rights | None:
    """Return what the function of *app* says of the source *ref*, in a context of its own, or None without one.

    The file is rendered afterwards, which takes longer, so a connection to a database goes back before that.

    Raises:
        Busy: As `ask_for_file`.
    """
    find = app.extensions["images"].find_rights
    if find is None:
        return None
    from .rights.asking import ask_for_file  # noqa: PLC0415  (few sites use it)

    with app.app_context():
        return ask_for_file(find, ref, app.ensure_sync)


def _signer(config: Config, app: Flask) -> Signer | None:
    """Return what signs renditions, or None without ``IMAGES_C2PA``.

    Raises:
        ConfigError: If it cannot sign.
    """
    if config.c2pa is None:
        return None
    from .rights.signing import Signer  # noqa: PLC0415  (few sites use it)

    return Signer(config.c2pa, app.root_path)


def _settings(config: Config) -> str:
    """Return the settings that affect the pixels."""
    return repr((config.engine, config.auto_orient, config.fail_on, config.effort, config.headroom))


def _front_door(config: Config, app: Flask, cache: str, settings: str, signer: Signer | None) -> FrontDoor:
    """Return the front door: the links that nginx serves images from. If it is turned off, it is one without links."""
    images = images_of(app)
    own = os.path.join(cache, "front")
    lock = os.path.join(cache, "locks", "front.lock")

    def stamp() -> str:
        authorizer = images.authorizer
        decides = authorizer.fingerprint if authorizer else None
        signed = () if signer is None else (signer.digest,)
        return stamp_of(config, secret_keys(app.config), settings, app.root_path, decides, *signed)

    if config.front_door and images.has_own_view:
        logger.warning(
            "IMAGES_FRONT_DOOR does nothing: handle_request of Images is overridden, and nginx would not call it."
        )
    if not config.front_door or images.has_own_view:
        return FrontDoor(own, lambda: CLOSED, started_ns=images.started_ns, lock=lock)
    # Use a subfolder of the configured folder, because its content is deleted when the settings change.
    configured = os.path.join(app.root_path, str(config.front_door), FOLDER_NAME)
    folder = own if config.front_door is True else configured
    return FrontDoor(folder, stamp, started_ns=images.started_ns, lock=lock, record=own)


def _cache_folder(config: Config, root_path: str) -> tuple[str, str | None]:
    """Return the cache folder and the private folder.

    The private folder is the parent of the cache folder, and must not be writable for other users. It is None if the
    configuration names the cache folder.
    """
    if config.cache_folder is not None:
        # Use a subfolder: the configured folder itself may belong to root and be world-writable, as a Kubernetes
        # volume can be.
        return os.path.join(root_path, config.cache_folder, "flask-images-vips"), None
    folder = default_folder(root_path)
    return folder, os.path.dirname(folder)
