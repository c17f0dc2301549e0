"""Define the methods of `Images` for Python code: scripts, task queues, hooks of a database.

They work outside of a request. Without an application context, they use the application that `Images` was created with.
They do not ask the ``authorize`` callback: there is no visitor.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Flask, current_app

from . import forgetting
from .forgetting import Receipt
from .state import AppImages, images_of
from .urls import checked_path

Path = str | os.PathLike[str]
"""The path of a picture below ``IMAGES_PATH``, or a URL."""


class ScriptMethods:
    """Methods of `Images` for Python code."""

    if TYPE_CHECKING:
        app: Flask | None

    @property
    def _images(self) -> AppImages:
        app: Flask | None = current_app._get_current_object() if current_app else self.app  # type: ignore[attr-defined]
        if app is None:
            raise RuntimeError(
                "No current application: use this within an application context, or pass the application to "
                "Images(app)."
            )
        return images_of(app)

    def purge(self, path: Path) -> int:
        """Remove everything that is cached for the picture *path* on this host, and return the number of files.

        It is made again when it is requested. Also removed are renditions of other pictures that show it as a
        watermark. Browsers and CDNs keep their copies.

        Raises:
            InvalidPath: If *path* is invalid.
            OSError: If a file cannot be removed.
        """
        return forgetting.purge(self._images, checked_path(path))

    def forget(self, path: Path, *, source: bool = False) -> Receipt:
        """Take the picture *path* down for good on this host, and return a receipt of what was removed.

        That is everything that `purge` removes, and nginx' links. From then on, its URLs answer 410, and so do those of
        pictures that show it as a watermark, until `allow` is called. Its original is removed only if *source* is set
        and *path* is not a URL.

        You may call this in a hook that runs after a transaction, and while the picture is rendered. It does no harm
        if there is no such picture, or to call this again.

        Raises:
            InvalidPath: If *path* is invalid.
            NotForgotten: If something could not be done, so that the picture may still be shown. Everything else is
                done nevertheless.
        """
        return forgetting.forget(self._images, checked_path(path), source=source)

    def allow(self, path: Path) -> bool:
        """Serve the picture *path* again, after `forget`. Returns False if it was not forgotten.

        Call this when another picture is stored under the path of a forgotten one.

        Raises:
            InvalidPath: If *path* is invalid.
            NotForgotten: If that is not possible.
        """
        return forgetting.allow(self._images, checked_path(path))
