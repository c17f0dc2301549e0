"""Which images belong to the current application? What the package keeps for each one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from flask import Flask, current_app

from . import urls
from .background import Recompressor
from .config.checks import Secret
from .config.keys import secret_keys
from .formats import AUTO, Format
from .nginx.front_door import FrontDoor
from .options.options import Options
from .pipeline import Pipeline
from .urls import ImageUrl

EXTENSION = "flask_images_vips"
"""Under this name an application keeps its `AppImages` in ``app.extensions``."""

Authorizer = Callable[[str, Options], bool | None]
"""What an application registers by `Images.authorize`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the configuration of one application is built into."""

    pipeline: Pipeline
    front_door: FrontDoor | None
    background: Recompressor | None


Joiner = Callable[[Flask, str, str], Parts]

_REMEMBERED_URLS = 4096
_SECRET_SETTINGS = ("IMAGES_SECRET_KEY", "SECRET_KEY", "SECRET_KEY_FALLBACKS")


class Known:
    """A verified URL, and the `responses.Answer` that was last decided for it, if any."""

    __slots__ = ("_chosen", "answer", "url")

    def __init__(self, url: ImageUrl) -> None:
        self.url = url
        self.answer: Any = None
        self._chosen: dict[str, Known] = {}

    def of(self, format: Format) -> Known:
        """The same URL once its format, which it leaves open, is chosen. Each choice has an answer of its own."""
        known = self._chosen.get(format.name)
        if known is None:
            url = replace(self.url, options=replace(self.url.options, format=format), negotiated=True)
            known = self._chosen.setdefault(format.name, Known(url))
        return known


class AppImages:
    """The images of one application: where their URLs begin, the endpoint's name, and the line that makes them.

    *join* makes the line, and the front door and the recompressor where there is to be one, at the first use, when the
    application's configuration is complete. *authorizer* gives what the application registered by `Images.authorize`,
    if anything.
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
        self._joined: Parts | None = None
        self._settings: list[object] | None = None
        self._known: Callable[[str, bytes], Known] | None = None

    @property
    def pipeline(self) -> Pipeline:
        return (self._joined or self._join_once()).pipeline

    @property
    def front_door(self) -> FrontDoor | None:
        return (self._joined or self._join_once()).front_door

    @property
    def recompressor(self) -> Recompressor | None:
        return (self._joined or self._join_once()).background

    @property
    def early_hits(self) -> bool:
        """Whether hits are answered before Flask: not before the configuration was read, at the first image."""
        return self._joined is not None and self._joined.pipeline.config.early_hits

    def _join_once(self) -> Parts:
        with self._lock:
            if self._joined is None:
                self._joined = self._join(self.app, self.url, self.name)
        return self._joined

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys of URL signatures, as they are now. The first signs, all verify."""
        return secret_keys(self.app.config)

    @property
    def authorizer(self) -> Authorizer | None:
        return self._authorizer()

    def known(self, path: str, query_string: bytes, accept: str) -> Known:
        """The URL of *path* and *query_string*, verified and parsed: remembered until a secret key changes.

        Where it leaves the format to the client, that which the client's header *accept* chooses.

        Raises:
            BadSignature, InvalidOption: as `urls.decode` and `Presets.check`. Only URLs that passed are remembered.
        """
        config = self.app.config
        settings = [tuple(v) if isinstance(v := config.get(name), list) else v for name in _SECRET_SETTINGS]
        if self._known is None or settings != self._settings:
            secrets, legacy = self.secrets, self.pipeline.config.legacy_signatures

            @lru_cache(_REMEMBERED_URLS)
            def known(path: str, query_string: bytes) -> Known:
                url = urls.decode(path, query_string, secrets, legacy=legacy)
                self.pipeline.presets.check(url.options, default_quality=url.default_quality)
                return Known(url)

            self._settings, self._known = settings, known
        found = self._known(path, query_string)
        return found.of(self.pipeline.format_for(found.url, accept)) if found.url.options.format is AUTO else found


def images_of(app: Flask) -> AppImages:
    images: AppImages = app.extensions[EXTENSION]
    return images


def current_images() -> AppImages:
    """Those of the current application."""
    return images_of(current_app)
