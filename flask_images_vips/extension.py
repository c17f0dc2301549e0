"""The extension object: joins the parts into one line per application, and registers it with Flask."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import Any

from flask import Blueprint, Flask, current_app, has_request_context
from flask.blueprints import BlueprintSetupState

from . import cli
from .background import Recompressor, threads_run
from .cache.bound import Bound
from .cache.disk import DiskCache
from .cache.slots import Slots
from .compat import LegacyMethods
from .config.keys import Config, read_key, secret_keys
from .engines.engine import Engine
from .errors import ConfigError
from .facts import content_digest
from .geometry import Size
from .nginx.front_door import FrontDoor
from .page import helpers as templating
from .page import tags as markup
from .pipeline import Pipeline
from .rendition import REVISION
from .serving import views
from .serving.early import EarlyHits
from .sharing.copies import Copies
from .sources.guard import Guard
from .sources.http import Client
from .sources.local import HashedSources, LocalSources
from .sources.remote import RemoteSources
from .state import EXTENSION, AppImages, Authorizer, Joined, images_of

logger = logging.getLogger("flask_images_vips")

FocalPoint = Callable[[str], tuple[float, float] | None]


class Images(LegacyMethods):
    """Resizes the images of one application, or of several.

    ``Images(app)``, or ``images = Images()`` and ``images.init_app(app)``. What `init_app` needs of the
    configuration is ``IMAGES_URL`` and ``IMAGES_NAME``; the rest is read at the first image.
    """

    PUBLIC = None
    """What `authorize`'s callback answers of an image that is for everybody."""

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self._authorizer: Authorizer | None = None
        self.find_focal_point: FocalPoint | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the image URLs, ``url_for('images.<mode>', …)`` and the template helpers with *app*.

        Raises:
            ConfigError: done before, or the URL or the name cannot be one.
        """
        if EXTENSION in app.extensions:
            raise ConfigError("This application already has its images: call Images(app) or init_app(app) once.")
        for key in ("IMAGES_URL", "IMAGES_NAME", "IMAGES_PATH", "IMAGES_MAX_AGE"):
            default = read_key(key, {})
            app.config.setdefault(key, list(default) if isinstance(default, tuple) else default)
        url, name = read_key("IMAGES_URL", app.config), read_key("IMAGES_NAME", app.config)

        app.extensions["images"] = self  # the name that sites know from Flask-Images
        images = app.extensions[EXTENSION] = AppImages(app, url, name, _join, lambda: self._authorizer)
        app.wsgi_app = EarlyHits(app.wsgi_app, images)  # type: ignore[method-assign]

        def add_rule(state: BlueprintSetupState) -> None:
            # Bare, and not as a view of the blueprint: the endpoint is IMAGES_NAME, without a prefix.
            state.app.add_url_rule(f"{url}/<path:path>", endpoint=name, view_func=views.serve)

        # A name of its own: the host application may have a blueprint called images.
        blueprint = Blueprint(EXTENSION, __name__)
        blueprint.record(add_rule)
        app.cli.add_command(cli.images)
        app.register_blueprint(blueprint)
        app.url_build_error_handlers.append(self.build_error_handler)  # type: ignore[arg-type]  # may give None
        app.jinja_env.globals.update({helper.__name__: helper for helper in markup.HELPERS})

    @property
    def pipeline(self) -> Pipeline:
        """The line of the current application."""
        app: Flask | None = current_app._get_current_object() if current_app else self.app  # type: ignore[attr-defined]
        if app is None:
            raise RuntimeError("Which application's images? Use them in an application context, or as Images(app).")
        return images_of(app).pipeline

    def focal_point(self, find: FocalPoint) -> FocalPoint:
        """Let *find* say where the subject of a source is: a decorator.

        ``find(ref)`` gets a path below ``IMAGES_PATH``, or a URL, and gives (x, y), parts of 1 of the upright source,
        or None. It is asked as a URL is built that crops and says neither ``gravity`` nor ``focal``, and its answer
        stands there as ``focal``: serving the image asks nobody.
        """
        self.find_focal_point = find
        return find

    def build_url(self, local_path: str, **keywords: Any) -> str:
        """The signed URL of *local_path*, a path below ``IMAGES_PATH`` or a URL, rendered as *keywords* say.

        Raises:
            InvalidPath: not normalised, or of a scheme that is none of images.
            ValueError: keywords that do not go together.
        """
        return templating.build_url(local_path, **keywords)

    def authorize(self, callback: Authorizer) -> Authorizer:
        """Ask *callback*, a function ``(source_ref, options)``, before each image of this object's applications.

        Register it before the first image is served: nginx goes on sending what it sent by itself until then.

        It is called in the request. False refuses: 403. True lets this visitor see the image, which only their browser
        may then keep. `PUBLIC`, which is None, says that it is for everybody: it must not depend on the visitor.

        Raises:
            ConfigError: there is a callback already.
        """
        if self._authorizer is not None:
            raise ConfigError("These images have their authorize callback already: let one function decide.")
        self._authorizer = callback
        return callback

    def build_error_handler(self, error: Exception, endpoint: str, values: dict[str, Any]) -> str | None:
        """Answers ``url_for('images', filename=…)`` and ``url_for('images.<mode>', …)``, which match no rule."""
        return templating.url_for_image(endpoint, values)


def _join(app: Flask, url: str, name: str) -> Joined:
    config = replace(Config.read(app.config), url=url, name=name)
    roots = [os.path.join(app.root_path, path) for path in config.path]
    folder, private = _cache_folder(config, app.root_path)
    remote = _remote(config, os.path.join(folder, "remote"), private)
    recipe = _recipe(config, app)
    copies = _copies(config, os.path.join(folder, "copies"), private, recipe)
    stores = [part.store for part in (remote, copies) if part is not None]
    parts = [store.bound for store in stores if store.bound is not None]
    cache = DiskCache(
        folder,
        bound=Bound(folder, config.cache_max_size, config.cache_min_free, parts),
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
    sources = (
        HashedSources(roots, content_digest(cache, config.max_source_bytes))
        if config.version == "hash"
        else LocalSources(roots)
    )

    def line(config: Config, slots: Slots) -> Pipeline:
        engines = partial(_engines, config)
        return Pipeline(config, sources, remote, cache, slots, engines, recipe, copies=copies, decode=_rgba)

    pipeline = line(config, slots)
    return pipeline, _front_door(config, app, folder, pipeline), _recompressor(config, app, cache, line, slots)


def _remote(config: Config, folder: str, private: str | None) -> RemoteSources | None:
    """What fetches the sources that are URLs, and keeps them in *folder*; None where there are to be none."""
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
    store = _part(config, config.remote_cache_share, folder, private)
    return RemoteSources(
        store, client, max_age_seconds=config.remote_max_age, error_ttl_seconds=config.remote_error_ttl
    )


def _copies(config: Config, folder: str, private: str | None, recipe: str) -> Copies | None:
    if not config.copies:
        return None
    return Copies(_part(config, config.copies_share, folder, private), config.copies, recipe)


def _part(config: Config, share: float, folder: str, private: str | None) -> DiskCache:
    """A cache in *folder* that may take *share* of the whole."""
    return DiskCache(
        folder,
        bound=Bound(folder, int(config.cache_max_size * share), config.cache_min_free),
        lock_timeout=config.lock_timeout,
        temp_max_age=config.temp_max_age,
        private=private,
    )


def _recompressor(
    config: Config, app: Flask, cache: DiskCache, line: Callable[[Config, Slots], Pipeline], slots: Slots
) -> Recompressor | None:
    if not config.recompress_after or config.effort == "small":
        return None
    reasons = {
        # The server that is handed a path opens it after the ETag was written: it must find the same bytes there. nginx
        # writes the ETag of what it opened, so IMAGES_ACCEL_REDIRECT is no reason.
        "USE_X_SENDFILE is set": app.config["USE_X_SENDFILE"],
        "uWSGI runs no threads: start it with --enable-threads": not threads_run(),
        "Windows replaces no open files": os.name != "posix",
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is not None:
        logger.warning("IMAGES_RECOMPRESS_AFTER does nothing: %s.", reason)
        return None
    # One at a time on this host, besides the slot that it takes as any render does.
    folder = os.path.join(os.path.dirname(slots.folder), "small")
    turn = Slots(folder, 1, waiting=1, weight=1, timeout=0, usable=cache.usable)
    render = line(replace(config, effort="small"), slots.at_once()).render
    return Recompressor(config.recompress_after, cache, turn, render)


def _rgba(data: bytes) -> tuple[Size, bytes]:
    from .engines.pillow.engine import rgba  # noqa: PLC0415  (slow to import)

    return rgba(data)


def _recipe(config: Config, app: Flask) -> str:
    """What of the configuration decides pixels, and what tells applications that share a cache apart."""
    pixels = config.engine, config.auto_orient, config.fail_on, config.effort, config.headroom
    return repr((*pixels, app.import_name, config.path))


def _front_door(config: Config, app: Flask, cache: str, pipeline: Pipeline) -> FrontDoor | None:
    if not config.front_door:
        return None
    # Our own folder in the one given: it is emptied now and then.
    own = os.path.join(app.root_path, str(config.front_door), "flask-images-vips")
    # All that a link's picture depends on besides its URL and its source, and whether it is served at all.
    limited = config.only_presets and config.presets, config.allowed_widths
    served = config.formats, config.output_formats, config.quality, config.max_frames, config.max_source_pixels, limited
    restricted = images_of(app).authorizer is not None
    stamp = (secret_keys(app.config)[0], config.url, REVISION, pipeline.recipe, served, restricted)
    door = FrontDoor(os.path.join(cache, "front") if config.front_door is True else own, repr(stamp))
    if has_request_context():  # not in the command line, which may be another user's
        door.open()
    return door


def _cache_folder(config: Config, root_path: str) -> tuple[str, str | None]:
    """The folder of the cache, and the one above it that must be ours alone, if any."""
    if config.cache is not None:
        # Our own folder in the one given: that may belong to root and be open to all, as a volume of Kubernetes.
        return os.path.join(root_path, config.cache, "flask-images-vips"), None
    user = os.geteuid() if hasattr(os, "geteuid") else "user"
    # One folder per application: two of them may have a logo.png of the same size and time.
    application = hashlib.blake2b(root_path.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    parent = os.path.join(tempfile.gettempdir(), f"flask-images-{user}")
    return os.path.join(parent, application), parent


def _engines(config: Config) -> Sequence[Engine]:
    """The engines of *config*, best first. They are imported here, at the first image; pyvips may be missing."""
    from .engines.pillow.engine import PillowEngine  # noqa: PLC0415

    common: dict[str, Any] = {
        "auto_orient": config.auto_orient,
        "timeout": config.render_timeout,
        "effort": config.effort,
    }
    pillow = PillowEngine(inputs=config.input_formats, **common)
    if config.engine == "pillow":
        return (pillow,)
    try:
        from .engines.vips.engine import VipsEngine  # noqa: PLC0415
    except (ImportError, OSError) as error:  # OSError: pyvips is there, libvips is not
        if config.engine == "vips":
            raise ConfigError(
                f"IMAGES_ENGINE = 'vips', but pyvips cannot be imported ({error}). "
                "Install it with: pip install 'flask-images-vips[binary]'"
            ) from error
        logger.warning(
            "pyvips cannot be imported (%s): images are rendered by Pillow, slower and with more memory. "
            "Install it with: pip install 'flask-images-vips[binary]'",
            error,
        )
        return (pillow,)
    inputs = (*config.input_formats, "svg") if config.svg else config.input_formats
    vips = VipsEngine(inputs=inputs, fail_on=config.fail_on, headroom=config.headroom, after_fork=pillow, **common)
    return (vips,) if config.engine == "vips" else (vips, pillow)
