"""Which images belong to the current application? What the package keeps for each one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask import Flask, current_app

from .config import Secret, secret_keys
from .pipeline import Pipeline

EXTENSION = "flask_images_vips"
"""Under this name an application keeps its `AppImages` in ``app.extensions``."""


class AppImages:
    """The images of one application: where their URLs begin, the endpoint's name, and the line that makes them.

    *join* makes the line at the first use, when the application's configuration is complete.
    """

    def __init__(self, app: Flask, url: str, name: str, join: Callable[[Flask, str, str], Pipeline]) -> None:
        self.app = app
        self.url = url
        self.name = name
        self._join = join
        self._lock = threading.Lock()
        self._pipeline: Pipeline | None = None

    @property
    def pipeline(self) -> Pipeline:
        if self._pipeline is None:
            with self._lock:
                if self._pipeline is None:
                    self._pipeline = self._join(self.app, self.url, self.name)
        return self._pipeline

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys of URL signatures, as they are now. The first signs, all verify."""
        return secret_keys(self.app.config)


def images_of(app: Flask) -> AppImages:
    images: AppImages = app.extensions[EXTENSION]
    return images


def current_images() -> AppImages:
    """Those of the current application."""
    return images_of(current_app)
