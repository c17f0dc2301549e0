"""A right set-up of a site, in which tests plant faults."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from flask import Flask
from servers import IN_THREAD
from whole.test_file_systems import Refusing

from flask_images_vips import Images
from flask_images_vips.abilities import Abilities, Library
from flask_images_vips.errors import ConfigError, ImagesError
from flask_images_vips.operating.checking.doctor import configuration_faults, examine
from flask_images_vips.operating.checking.finding import Finding, Level
from flask_images_vips.state import images_of
from flask_images_vips.workers import this_worker

KEY = "0f3c6e1b9d5a48271c0e7b64d2f98a35"


class Ground:
    """A site in *folder* that is set up rightly. Change `config`, or add to `later`, to plant a fault."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.patch = patch
        self.config: dict[str, Any] = {
            "SECRET_KEY": KEY,
            "IMAGES_CACHE": str(folder / "cache"),
            "IMAGES_REMOTE_HOSTS": [],
            "IMAGES_CACHE_MAX_SIZE": "1GB",
            "IMAGES_CACHE_MIN_FREE": 0,
            **IN_THREAD,
        }
        self.later: list[Callable[[Flask], object]] = []
        self.options: dict[str, Any] = {}
        (folder / "static").mkdir()
        self.draw("static/a.png")

    def draw(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        gradient((64, 48)).save(path)
        hour_ago = time.time() - 3600
        os.utime(path, (hour_ago, hour_ago))
        return path

    def make(self) -> Flask:
        app = Flask("site", root_path=str(self.folder))
        app.config.update(self.config)
        Images(app)
        return app

    def examine(self) -> list[Finding]:
        """Make the application and return what is found."""
        app = self.make()
        with app.app_context():
            try:
                for change in self.later:
                    change(app)
                return examine(images_of(app), **self.options)[1]
            except ConfigError as error:
                return configuration_faults(error)

    def libraries(self, vips: Library | None = None, *, refusal: ImagesError | None = None) -> None:
        """Let a renderer answer that its libvips is *vips*, or not answer."""
        outputs = ("jpeg", "png", "webp", "avif", "gif")
        right = {
            "vips": vips or Library("libvips", "8.18.7", inputs=outputs, outputs=outputs),
            "pillow": Library("Pillow", "13.0.0", inputs=(*outputs, "tiff", "bmp", "ico"), outputs=("jpeg", "png")),
        }

        def find(self: Abilities) -> Any:
            if refusal is not None:
                raise refusal
            return right

        self.patch.setattr(Abilities, "find", find)

    def refuse(self, call: str, number: int, wanted: Callable[[str, Any], bool] | None = None) -> None:
        """Let the file system of the cache, which is made before, refuse a *call* with the error *number*."""

        def refuse(app: Flask) -> None:
            cache = images_of(app).pipeline.cache
            cache.usable()
            refusal = Refusing(Path(cache.folder), call, number, wanted)
            self.patch.setattr(refusal.module, refusal.name, refusal)

        self.later.append(refuse)

    def worker(self, *, pid: int | None = None, **changes: Any) -> None:
        """Leave the note of a worker of gunicorn that still runs. It is as it should be, except for *changes*."""

        def leave(app: Flask) -> None:
            cache = images_of(app).pipeline.cache
            cache.usable()
            right = {"server": "gunicorn/25.0", "kind": "gthread", "threads": 64, "timeout_seconds": 30.0, "arenas": ""}
            own = replace(this_worker(app, images_of(app).pipeline.config), **{**right, **changes})
            if pid is not None:
                born = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
                own = replace(own, pid=pid, born=born)
            folder = Path(cache.folder) / "locks" / "workers"
            folder.mkdir(exist_ok=True)
            (folder / f"{own.pid}.json").write_text(json.dumps(asdict(own)))

        self.later.append(leave)


def bad(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is not Level.OK]
