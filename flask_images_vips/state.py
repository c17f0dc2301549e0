"""Keep what one application's images share: its parts, made at first use, and where its URLs begin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app

from .access import Authorizer, Privacy
from .background import Recompressor
from .config.checks import Secret
from .config.keys import secret_keys
from .nginx.front_door import FrontDoor
from .pipeline import Pipeline
from .urls import ImageUrl

EXTENSION = "flask_images_vips"
"""The key of an application's `AppImages` in ``app.extensions``."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one application, made from its configuration.

    *front_door* and *background* are None if the configuration turns them off.
    """

    pipeline: Pipeline
    front_door: FrontDoor | None = None
    background: Recompressor | None = None


Joiner = Callable[[Flask, str, str], Parts]
"""Makes the parts of an application from the application, `AppImages.url` and `AppImages.name`."""


class AppImages:
    """The images of one application. *url* is the prefix of their URLs, *name* their endpoint.

    *join* makes the parts at first use, because the configuration is complete only then. *authorizer* returns the
    callback that `Images.authorize` registered, or None.
    """

    def __init__(
        self, app: Flask, url: str, name: str, join: Joiner, authorizer: Callable[[], Authorizer | None]
    ) -> None:
        self.app = app
        self.url = url
        self.name = name
        self._join = join
        self._authorizer = authorizer
        self._lock = threading.Lock()
        self._parts: Parts | None = None
        self._instances: dict[Callable[[AppImages], Any], Any] = {}

    @property
    def pipeline(self) -> Pipeline:
        return (self._parts or self._joined()).pipeline

    @property
    def front_door(self) -> FrontDoor | None:
        return (self._parts or self._joined()).front_door

    @property
    def recompressor(self) -> Recompressor | None:
        return (self._parts or self._joined()).background

    @property
    def early_hits(self) -> bool:
        """Whether hits are answered before Flask. False until the first image, when the configuration is read."""
        return self._parts is not None and self._parts.pipeline.config.early_hits

    def _joined(self) -> Parts:
        with self._lock:
            if self._parts is None:
                self._parts = self._join(self.app, self.url, self.name)
        return self._parts

    @property
    def has_open_door(self) -> bool:
        """Whether nginx may already be sending images by itself. False until the configuration is read."""
        return self._parts is not None and self._parts.front_door is not None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys of URL signatures, as currently configured. The first one signs, all of them verify."""
        return secret_keys(self.app.config)

    @property
    def authorizer(self) -> Authorizer | None:
        return self._authorizer()

    def permit(self, url: ImageUrl) -> Privacy:
        """Ask the application's callback, if there is one, whether the current visitor may see *url*.

        Raises:
            NotAuthorized: If the visitor may not.
        """
        authorizer = self._authorizer()
        return "public" if authorizer is None else authorizer.permit(url, self.app.ensure_sync)

    def instance(self, make: Callable[[AppImages], T]) -> T:
        """Return what ``make(self)`` returned at its first call, so that there is one per application."""
        found: T | None = self._instances.get(make)
        return self._instances.setdefault(make, make(self)) if found is None else found


def images_of(app: Flask) -> AppImages:
    """The images of *app*."""
    images: AppImages = app.extensions[EXTENSION]
    return images


def current_images() -> AppImages:
    """The images of the current application."""
    return images_of(current_app)
