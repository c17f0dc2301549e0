"""Hold the state of the extension for one application: its parts, URL prefix and endpoint."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from flask import Flask, current_app, has_request_context

from .access import Authorizer, Privacy
from .cache.per_process import PerProcess
from .cache.tombstones import Tombstones
from .config.checks import Secret
from .config.keys import secret_keys
from .events import Events
from .nginx.front_door import FrontDoor
from .parts import Parts
from .pipeline import Pipeline
from .recompression import Recompressor
from .smaller_jxl import SmallerJxl
from .tenants import Tenants
from .urls import ImageUrl

if TYPE_CHECKING:
    from .fleet.fleet import Fleet

EXTENSION = "flask_images_vips"
"""The key of an application's `AppImages` in ``app.extensions``."""

T = TypeVar("T")

Builder = Callable[[Flask, str, str], Parts]
"""Builds `Parts` from an application, `AppImages.url` and `AppImages.name`."""

Check = Callable[[Flask], None]
"""Checks the complete configuration of an application, and raises a `ConfigError` if it cannot work."""


class AppImages:
    """The state of one application. *url* is the prefix of the image URLs, *name* their endpoint.

    *check* and *build* are called at first use, because the configuration is complete only then. *authorizer* returns
    the callback that `Images.authorize` registered, or None. *started_ns* is when the state was created, in nanoseconds
    since 1970: a later one has a newer configuration.
    """

    def __init__(
        self,
        app: Flask,
        url: str,
        name: str,
        check: Check,
        build: Builder,
        authorizer: Callable[[], Authorizer | None],
    ) -> None:
        self.app = app
        self.url = url
        self.name = name
        self._check = check
        self._checked = False
        self._build = build
        self._authorizer = authorizer
        self.started_ns = time.time_ns()
        self.events = Events()
        self._lock = PerProcess(_new_lock)
        self._parts: Parts | None = None
        self._opened: Parts | None = None
        self._instances: dict[Callable[[AppImages], Any], Any] = {}
        _all.add(self)

    @property
    def parts(self) -> Parts:
        """The objects that serve the images of this application."""
        return self._opened or self._built()

    @property
    def pipeline(self) -> Pipeline:
        return (self._opened or self._built()).pipeline

    @property
    def front_door(self) -> FrontDoor | None:
        return (self._opened or self._built()).front_door

    @property
    def links(self) -> FrontDoor:
        """The front door, also if it is turned off: then it only removes links."""
        return (self._opened or self._built()).links

    @property
    def tombstones(self) -> Tombstones:
        """What remembers the sources that were forgotten."""
        return (self._opened or self._built()).tombstones

    @property
    def fleet(self) -> Fleet | None:
        """What joins the hosts of the site, or None without ``IMAGES_REDIS``."""
        return (self._opened or self._built()).fleet

    @property
    def recompressor(self) -> Recompressor | None:
        return (self._opened or self._built()).background

    @property
    def smaller_jxl(self) -> SmallerJxl | None:
        return (self._opened or self._built()).smaller_jxl

    def find_later(self, fact: Hashable, find: Callable[[], object]) -> None:
        """Call *find*, which finds the *fact*, in the background, if there are background threads."""
        later = (self._opened or self._built()).later
        if later is not None:
            later.find(fact, find)

    @property
    def early_hits(self) -> bool:
        """Whether cached images are served by the WSGI middleware, without Flask.

        False if only Flask's routing knows which hosts serve images, or if the site has a view of its own. Also false
        until the configuration is read, which happens when the first image URL is built or the first image is
        requested.
        """
        wanted = self._parts is not None and self._parts.pipeline.config.early_hits
        return wanted and not self.of_one_host and not self.has_own_view

    @property
    def has_own_view(self) -> bool:
        """Whether the site has replaced ``Images.handle_request``, which may refuse visitors or change responses."""
        return self.app.extensions["images"].overriding("handle_request") is not None

    @property
    def of_one_host(self) -> bool:
        """Whether the host or the subdomain of a request decides if a URL is that of an image."""
        return self.app.url_map.host_matching or self.app.subdomain_matching

    def check_configuration(self) -> None:
        """Check the configuration, which must be complete now. Once it is found to be valid, later calls do nothing.

        Raises:
            ConfigError: It lists all faults.
        """
        if self._checked:
            return
        with self._lock.get():
            if not self._checked:
                self._check(self.app)
                self._checked = True

    def _built(self) -> Parts:
        self.check_configuration()
        with self._lock.get():
            if self._parts is None:
                self._parts = self._build(self.app, self.url, self.name)
            # A command may run as another user, or with another configuration than the site.
            if self._opened is None and has_request_context():
                self._parts.open()
                self._opened = self._parts
            return self._parts

    @property
    def is_built(self) -> bool:
        """Whether the configuration has been read, and is valid."""
        return self._parts is not None

    @property
    def has_open_door(self) -> bool:
        """Whether nginx may already serve images by itself. False until the configuration is read."""
        return self._parts is not None and self._parts.front_door is not None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys of URL signatures, as currently configured: see `secret_keys`."""
        return secret_keys(self.app.config)

    @property
    def authorizer(self) -> Authorizer | None:
        return self._authorizer()

    @property
    def tenants(self) -> Tenants:
        """The callbacks that tell the tenant of an image, and its quota."""
        tenants: Tenants = self.app.extensions["images"].tenants
        return tenants

    def permit(self, url: ImageUrl) -> Privacy:
        """Ask the application's callback, if any, whether the current visitor may see the image of *url*.

        Raises:
            NotAuthorized: If the visitor may not see it.
        """
        authorizer = self._authorizer()
        return "public" if authorizer is None else authorizer.permit(url, self.app.ensure_sync)

    def instance(self, make: Callable[[AppImages], T]) -> T:
        """Return the result of ``make(self)``, which is created at the first call and then kept for the application."""
        found: T | None = self._instances.get(make)
        return self._instances.setdefault(make, make(self)) if found is None else found


_all: WeakSet[AppImages] = WeakSet()


def _open_again() -> None:
    """Let a forked child do for itself what each process must do before it serves images."""
    for images in _all:
        images._opened = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_again)


def images_of(app: Flask) -> AppImages:
    """Return the state of *app*."""
    images: AppImages = app.extensions[EXTENSION]
    return images


def current_images() -> AppImages:
    """Return the state of the current application."""
    # Reading an attribute of the proxy itself takes four times as long.
    return images_of(current_app._get_current_object())  # type: ignore[attr-defined]


def _new_lock() -> threading.Lock:
    """Return a lock that lets other greenlets run meanwhile. Under --preload, gevent brings it only after the fork."""
    return threading.Lock()
