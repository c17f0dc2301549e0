"""Gather what the checks look at: the application, its parts, and what its image libraries answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from flask import Flask

from ...abilities import Libraries
from ...cache.disk import DiskCache
from ...config.keys import Config
from ...errors import ImagesError
from ...pipeline import Pipeline
from ...state import AppImages
from ...workers import Worker, running_workers
from .finding import Finding
from .users import own_user


@dataclass(frozen=True, slots=True)
class Site:
    """One application, and what is known of it.

    *libraries* is empty if no renderer has answered, which is *problem*. *workers* are the web workers that run now.
    *url* is where the site answers, or None, *picture* a path in ``IMAGES_PATH`` to ask it for, and *nginx* the files
    of nginx' configuration to read.
    """

    app: Flask
    images: AppImages
    libraries: Libraries
    problem: str
    workers: tuple[Worker, ...]
    url: str | None = None
    picture: str | None = None
    nginx: tuple[str, ...] = field(default=())

    @property
    def user(self) -> int:
        """The ID of the user that the site runs as: of its workers, or of its cache, or else of this process."""
        with suppress(OSError):
            return self.workers[0].user if self.workers else os.stat(self.cache.folder).st_uid
        return own_user()

    def url_of(self, ref: str, **options: object) -> str:
        """Return the URL that a template would contain."""
        url: str = self.app.extensions["images"].build_url(ref, **options)
        return url

    @property
    def pipeline(self) -> Pipeline:
        return self.images.pipeline

    @property
    def config(self) -> Config:
        return self.images.pipeline.config

    @property
    def cache(self) -> DiskCache:
        return self.images.pipeline.cache

    @classmethod
    def of(
        cls, images: AppImages, url: str | None = None, picture: str | None = None, nginx: tuple[str, ...] = ()
    ) -> Site:
        """Look at the application of *images*. Its configuration must be valid.

        Raises:
            ConfigError: If it is not.
        """
        libraries: Libraries = {}
        problem, pipeline = "", images.pipeline
        try:
            libraries = pipeline.abilities.find()
        except (ImagesError, OSError) as error:
            problem = str(error)
        workers = tuple(running_workers(images.app, pipeline.cache))
        return cls(images.app, images, libraries, problem, workers, url, picture, nginx)


Check = Callable[[Site], Iterator[Finding]]
"""A check yields at least one finding if it applies to the site. It changes nothing that stays."""
