"""Define `Images`, the Flask extension, which registers the image URLs and the template helpers."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flask import Blueprint, Flask, Response
from flask.blueprints import BlueprintSetupState

from . import startup
from .access import PUBLIC, Authorizer, Callback
from .compat import ORIGINALS, LegacyMethods, put_defaults
from .config.keys import read_key
from .errors import ConfigError, Faults
from .exposure import served_folders
from .monitoring.start import add_view
from .operating.cli import add_commands
from .page import links
from .page.endpoints import add_endpoints
from .page.helpers import HELPERS
from .pipeline import Pipeline
from .scripts import ScriptMethods
from .serving import views
from .serving.early_hits import EarlyHits
from .signals import send_signals
from .state import EXTENSION, AppImages
from .tenants import TenantMethods
from .uploads.methods import UploadMethods, add_answers
from .urls import INFO_SUFFIX
from .wiring import build

if TYPE_CHECKING:
    from .description import FocalPoint
    from .rights.asking import FindRights

logger = logging.getLogger("flask_images_vips")

C = TypeVar("C", bound=Callback)


def _host(app: Flask) -> str | None:
    """Return the host that serves images: that of static files, if the application's URL rules name hosts.

    Raises:
        ConfigError: If it has no static files.
    """
    if not app.url_map.host_matching:
        return None
    try:
        return next(app.url_map.iter_rules("static")).host
    except KeyError:
        raise ConfigError("With host_matching, images are served by static_host. Pass static_host to Flask.") from None


def _serve_info(path: str) -> Response:
    from .serving.info import serve_info  # noqa: PLC0415  (few sites use it)

    return serve_info(path)


def _add_health(images: AppImages, host: str | None) -> None:
    """Add the view of ``IMAGES_HEALTH``, if that is set."""
    health = read_key("IMAGES_HEALTH", images.app.config)
    if health is not None:
        from .health import add_health  # noqa: PLC0415  (few sites use it)

        add_health(images, health, host)


class Images(ScriptMethods, UploadMethods, LegacyMethods, TenantMethods):
    """Resizes the images of one or several applications.

    Call ``Images(app)``, or ``images = Images()`` and later ``images.init_app(app)``. `init_app` reads ``IMAGES_URL``,
    ``IMAGES_NAME``, ``IMAGES_HEALTH`` and the path in ``IMAGES_METRICS``. The secret keys are read at each use. All
    other configuration is read when the first image URL is built or the first image is requested. It is checked
    earlier: what is set by then in `init_app`, and the whole of it before the first request is answered.
    """

    PUBLIC: Final = PUBLIC
    """The value that the callback of `authorize` returns for an image that everybody may see."""

    def __init__(self, app: Flask | None = None) -> None:
        TenantMethods.__init__(self)
        self.app = app
        self._authorizer: Authorizer | None = None
        self._applications: list[AppImages] = []
        self.find_focal_point: FocalPoint | None = None
        self.find_rights: FindRights | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the image URLs, ``url_for('images.<mode>', …)`` and the template helpers with *app*.

        If this object is already registered with *app*, nothing happens.

        Raises:
            ConfigError: If another object is already registered with *app*, if the keys that are set by now cannot
                work, or if the URL rules of *app* name hosts, but none for static files. It lists all faults.
        """
        if EXTENSION in app.extensions:
            if app.extensions["images"] is self:  # Images(app), then init_app(app)
                return
            raise ConfigError(
                "Flask-Images-VIPS is already initialised for this application, with another Images object. Create "
                "only one, by Images(app) or by Images() and init_app(app)."
            )
        put_defaults(app)
        faults, host = Faults(), None
        with faults.catch():
            startup.check_values(app.config)
        with faults.catch():
            host = _host(app)
        faults.check()
        url, name = read_key("IMAGES_URL", app.config), read_key("IMAGES_NAME", app.config)

        self.warn_of_overriding()
        app.extensions["images"] = self  # the name that Flask-Images uses
        images = app.extensions[EXTENSION] = AppImages(app, url, name, startup.check, build, lambda: self._authorizer)
        self._applications.append(images)
        send_signals(app, images.events)
        app.wsgi_app = EarlyHits(app.wsgi_app, images)  # type: ignore[method-assign]

        blueprint = self._blueprint(images, host)
        add_view(app, blueprint, host)
        add_commands(app)
        app.register_blueprint(blueprint)
        add_endpoints(app, url, name, host)
        add_answers(app)
        _add_health(images, host)
        app.url_build_error_handlers.append(self.build_error_handler)  # type: ignore[arg-type]  # may return None
        app.jinja_env.globals.update({helper.__name__: helper for helper in HELPERS})

    def _blueprint(self, images: AppImages, host: str | None) -> Blueprint:
        """Return the blueprint that adds the URLs of *images* at *host*."""

        def add_rule(state: BlueprintSetupState) -> None:
            # Add the rule to the application, not to the blueprint: the endpoint must be IMAGES_NAME, without a prefix.
            view = views.view_of(self.handle_request)
            state.app.add_url_rule(f"{images.url}/<path:path>", endpoint=images.name, view_func=view, host=host)
            info = views.view_of(_serve_info)
            state.app.add_url_rule(
                f"{images.url or '/'}{INFO_SUFFIX}/<path:path>",
                endpoint=f"{EXTENSION}.info",
                view_func=info,
                host=host,
            )

        # Do not name the blueprint "images", because the application may have one of that name.
        blueprint = Blueprint(EXTENSION, __name__)
        blueprint.record(add_rule)
        return blueprint

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the current application."""
        return self._images.pipeline

    def focal_point(self, find: FocalPoint) -> FocalPoint:
        """Decorate a function that returns the position of the subject of a picture.

        ``find(ref)`` receives a path below ``IMAGES_PATH``, or a URL. It returns (x, y) as fractions of the upright
        picture's width and height, or None. It is called when a URL is built with ``mode='crop'`` and without
        ``gravity`` and ``focal``. The result becomes the URL's ``focal``, so the function is not called again when the
        image is served.
        """
        self.find_focal_point = find
        return find

    def rights(self, find: FindRights) -> FindRights:
        """Decorate a function that says who made a picture, who may use it, and what it shows.

        ``find(ref)`` receives a path below ``IMAGES_PATH``, or a URL. It returns `Rights`, or None. It may be a
        coroutine function. It is called:

        - when a URL with ``keep='rights'`` is built, which contains a digest of the record;
        - when such an image is rendered, in an application context of its own. The file gets what the record says, and
          for everything else what the source states. Cached images are sent without a call;
        - by `resized_img_json_ld`, and by tags without ``alt``.

        Raises:
            ConfigError: If a function is already registered.
        """
        if self.find_rights is not None:
            raise ConfigError("A function for rights is already registered. Register only one.")
        self.find_rights = find
        return find

    def build_url(self, local_path: str | os.PathLike[str], **keywords: Any) -> str:
        """Build the signed URL of a picture.

        *local_path* is a path below ``IMAGES_PATH``, or a URL. *keywords* are the options of the rendition, ``preset``,
        and for an absolute URL, ``external=True`` and ``scheme``. The values of options are checked when the image is
        requested, not here.

        Raises:
            InvalidPath: If no image can have this path or URL.
            InvalidOption: If there is no such preset.
            ValueError: If ``scheme`` is given without ``external``, or if ``_anchor`` or ``_method`` is given.
            RuntimeError: If ``external`` is given outside of a request, and ``SERVER_NAME`` and ``IMAGES_BASE_URL`` are
                not set.
        """
        return links.build_url(local_path, **keywords)

    def authorize(self, callback: C) -> C:
        """Decorate a function ``(source_ref, options)`` that decides who may see an image.

        Register it before the first image is served or its URL is built. Otherwise, with ``IMAGES_FRONT_DOOR``, nginx
        may already serve images without asking the function.

        Flask serves ``static/`` without asking the function. Keep the sources of private images in another folder, and
        name it in ``IMAGES_PATH``. If ``IMAGES_PATH`` or the cache is in a folder that Flask serves, a warning is
        logged.

        The function is called during the request, once for each source that the picture shows: the picture's own
        source, its watermark, and ``IMAGES_FALLBACK`` if that is sent instead. The strictest answer counts.

        - False refuses the image with status 403.
        - True allows this visitor to see the image. Only their browser may store it.
        - `PUBLIC` allows everybody to see the image, and every cache to store it. Return it only if the answer does not
          depend on the visitor.

        With ``IMAGES_FRONT_DOOR``, the function is called once more before nginx may send a public image by itself.
        nginx then sends it without asking, until the file that defines the function changes and the site is restarted.
        If an image stops being public for another reason, such as a change in a database or in a module that the
        function uses, run ``flask images purge`` with the path of its source. ``flask images purge --front`` does the
        same for all images.

        Any other value refuses the image too. If it is None or truthy, such as a user object or a response, it is taken
        for a mistake, and a warning is logged once. The function itself may be a coroutine function. It is then called
        through the application's ``ensure_sync``.

        Raises:
            ConfigError: If a callback is already registered, or if ``IMAGES_FRONT_DOOR`` is set and an image has
                already been served or its URL built.
        """
        if self._authorizer is not None:
            raise ConfigError("An authorize callback is already registered. Register only one.")
        if any(images.has_open_door for images in self._applications):
            raise ConfigError(
                "The authorize callback is registered too late: with IMAGES_FRONT_DOOR, nginx may already send images "
                "by itself. Register it before the first image is served or its URL is built."
            )
        self._authorizer = Authorizer(callback)
        for images in self._applications:
            if images.is_built:  # otherwise this is checked when the configuration is read
                for sentence in served_folders(images.app, images.pipeline):
                    logger.warning("%s", sentence)
        return callback

    def build_error_handler(self, error: Exception, endpoint: str, values: dict[str, Any]) -> str | None:
        """Build the URLs for ``url_for('images', filename=…)``, ``url_for('images.<mode>', …)`` and so on.

        Flask calls this if it cannot build the URL from a rule: that of ``images`` has no ``filename``, and those of
        ``images.<mode>`` and ``images.<preset>`` build nothing. Returns None for other endpoints.
        """
        return links.url_for(endpoint, values, self.build_url)


ORIGINALS["build_url"] = Images.build_url
