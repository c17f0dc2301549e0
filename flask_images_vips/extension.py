"""The extension object that a site creates: registers the image URLs and the template helpers with Flask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Blueprint, Flask, current_app
from flask.blueprints import BlueprintSetupState

from . import cli
from .access import PUBLIC, Authorizer, Callback
from .compat import LegacyMethods
from .composition import build
from .config.keys import read_key
from .errors import ConfigError
from .page import links
from .page.helpers import HELPERS
from .pipeline import Pipeline
from .serving import views
from .serving.early import EarlyHits
from .state import EXTENSION, AppImages, images_of

FocalPoint = Callable[[str], tuple[float, float] | None]
"""Returns where the subject of a source is, as fractions of its width and height, or None."""

C = TypeVar("C", bound=Callback)


class Images(LegacyMethods):
    """Resizes the images of one or several applications.

    Call ``Images(app)``, or ``images = Images()`` and later ``images.init_app(app)``. `init_app` reads ``IMAGES_URL``
    and ``IMAGES_NAME``. All other configuration is read when the first image is needed.
    """

    PUBLIC: Final = PUBLIC
    """What the callback of `authorize` returns for an image that everybody may see."""

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self._authorizer: Authorizer | None = None
        self._applications: list[AppImages] = []
        self.find_focal_point: FocalPoint | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the image URLs, ``url_for('images.<mode>', …)`` and the template helpers with *app*.

        Raises:
            ConfigError: If *app* has its images already, or if ``IMAGES_URL`` or ``IMAGES_NAME`` is invalid.
        """
        if EXTENSION in app.extensions:
            raise ConfigError("This application already has its images: call Images(app) or init_app(app) once.")
        for key in ("IMAGES_URL", "IMAGES_NAME", "IMAGES_PATH", "IMAGES_MAX_AGE"):
            default = read_key(key, {})
            app.config.setdefault(key, list(default) if isinstance(default, tuple) else default)
        url, name = read_key("IMAGES_URL", app.config), read_key("IMAGES_NAME", app.config)

        app.extensions["images"] = self  # the name that Flask-Images uses
        images = app.extensions[EXTENSION] = AppImages(app, url, name, build, lambda: self._authorizer)
        self._applications.append(images)
        app.wsgi_app = EarlyHits(app.wsgi_app, images)  # type: ignore[method-assign]

        def add_rule(state: BlueprintSetupState) -> None:
            # On the application, not the blueprint: the endpoint must be IMAGES_NAME, without a prefix.
            state.app.add_url_rule(f"{url}/<path:path>", endpoint=name, view_func=views.serve)

        # The blueprint's name is private: an application may have a blueprint called images.
        blueprint = Blueprint(EXTENSION, __name__)
        blueprint.record(add_rule)
        app.cli.add_command(cli.images)
        app.register_blueprint(blueprint)
        app.url_build_error_handlers.append(self.build_error_handler)  # type: ignore[arg-type]  # may give None
        app.jinja_env.globals.update({helper.__name__: helper for helper in HELPERS})

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the current application."""
        app: Flask | None = current_app._get_current_object() if current_app else self.app  # type: ignore[attr-defined]
        if app is None:
            raise RuntimeError(
                "No application: use images within an application context, or create them with Images(app)."
            )
        return images_of(app).pipeline

    def focal_point(self, find: FocalPoint) -> FocalPoint:
        """Decorate a function that tells where the subject of a picture is.

        ``find(ref)`` gets a path below ``IMAGES_PATH``, or a URL. It returns (x, y) as fractions of the upright
        picture's width and height, or None. It is called when a URL is built that crops and has neither ``gravity`` nor
        ``focal``. Its result becomes the URL's ``focal``, so serving the image does not call it.
        """
        self.find_focal_point = find
        return find

    def build_url(self, local_path: str, **keywords: Any) -> str:
        """Build the signed URL of a picture.

        *local_path* is a path below ``IMAGES_PATH``, or a URL. *keywords* are the options of the rendition.

        Raises:
            InvalidPath: If *local_path* is not normalised, or has a scheme other than http, https or ftp.
            ValueError: If the keywords contradict each other.
        """
        return links.build_url(local_path, **keywords)

    def authorize(self, callback: C) -> C:
        """Decorate a function ``(source_ref, options)`` that decides who may see an image.

        Register it before the first image: until then, nginx may send images by itself.

        The function runs in the request, once for each source that the picture shows: its own, its watermark, and
        ``IMAGES_FALLBACK`` if that is sent instead. The strictest answer counts.

        If it returns False, the response is 403. If it returns True, this visitor sees the image, which only their
        browser may keep. If it returns `PUBLIC`, everybody may see and keep the image, so this answer must not depend
        on the visitor. Other values count as true or false, but None, coroutines, generators, functions and responses
        refuse the image and are logged once. A coroutine function runs through the application's ``ensure_sync``.

        Raises:
            ConfigError: If there is a callback already, or if an image was served or its URL built already and
                ``IMAGES_FRONT_DOOR`` is set.
        """
        if self._authorizer is not None:
            raise ConfigError("These images already have an authorize callback: let one function decide.")
        if any(images.has_open_door for images in self._applications):
            raise ConfigError(
                "The authorize callback is registered too late: with IMAGES_FRONT_DOOR, nginx may already send images "
                "by itself. Register it before the first image is served or its URL is built."
            )
        self._authorizer = Authorizer(callback)
        return callback

    def build_error_handler(self, error: Exception, endpoint: str, values: dict[str, Any]) -> str | None:
        """Build the URLs of ``url_for('images', filename=…)`` and ``url_for('images.<mode>', …)``.

        Flask calls this because these endpoints match no URL rule. Returns None for other endpoints.
        """
        return links.url_for(endpoint, values)
