"""Which images belong to the current application? What the package keeps for each one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flask import Flask, current_app

from . import urls
from .config import Secret, secret_keys
from .front import FrontDoor
from .pipeline import Pipeline
from .urls import ImageUrl

EXTENSION = "flask_images_vips"
"""Under this name an application keeps its `AppImages` in ``app.extensions``."""

Joiner = Callable[[Flask, str, str], tuple[Pipeline, FrontDoor | None]]

_REMEMBERED_URLS = 4096
_SECRET_SETTINGS = ("IMAGES_SECRET_KEY", "SECRET_KEY", "SECRET_KEY_FALLBACKS")


class Known:
    """A verified URL, and the `views.Answer` that was last decided for it, if any."""

    __slots__ = ("answer", "url")

    def __init__(self, url: ImageUrl) -> None:
        self.url = url
        self.answer: Any = None


class AppImages:
    """The images of one application: where their URLs begin, the endpoint's name, and the line that makes them.

    *join* makes the line, and the front door if there is one, at the first use, when the application's configuration
    is complete.
    """

    def __init__(self, app: Flask, url: str, name: str, join: Joiner) -> None:
        self.app = app
        self.url = url
        self.name = name
        self._join = join
        self._lock = threading.Lock()
        self._joined: tuple[Pipeline, FrontDoor | None] | None = None
        self._settings: list[object] | None = None
        self._known: Callable[[str, bytes], Known] | None = None

    @property
    def pipeline(self) -> Pipeline:
        return (self._joined or self._join_once())[0]

    @property
    def front_door(self) -> FrontDoor | None:
        return (self._joined or self._join_once())[1]

    def _join_once(self) -> tuple[Pipeline, FrontDoor | None]:
        with self._lock:
            if self._joined is None:
                self._joined = self._join(self.app, self.url, self.name)
        return self._joined

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys of URL signatures, as they are now. The first signs, all verify."""
        return secret_keys(self.app.config)

    def known(self, path: str, query_string: bytes) -> Known:
        """The URL of *path* and *query_string*, verified and parsed: remembered until a secret key changes.

        Raises:
            BadSignature, InvalidOption: as `urls.decode`. Only URLs that were verified are remembered.
        """
        config = self.app.config
        settings = [tuple(v) if isinstance(v := config.get(name), list) else v for name in _SECRET_SETTINGS]
        if self._known is None or settings != self._settings:
            secrets, legacy = self.secrets, self.pipeline.config.legacy_signatures

            @lru_cache(_REMEMBERED_URLS)
            def known(path: str, query_string: bytes) -> Known:
                return Known(urls.decode(path, query_string, secrets, legacy=legacy))

            self._settings, self._known = settings, known
        return self._known(path, query_string)


def images_of(app: Flask) -> AppImages:
    images: AppImages = app.extensions[EXTENSION]
    return images


def current_images() -> AppImages:
    """Those of the current application."""
    return images_of(current_app)
