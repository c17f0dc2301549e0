"""Share an application with an upload door, and uploads of any bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

from flask_images_vips import Images
from flask_images_vips.uploads.accepted import Accepted


def upload(data: bytes, name: str = "picture.jpg", kind: str = "image/jpeg") -> FileStorage:
    return FileStorage(io.BytesIO(data), name, content_type=kind)


class Door:
    """An application that accepts uploads in *folder*, and the files there."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app = app
        self.images: Images = app.extensions["images"]
        self.folder = folder

    def accept(self, data: bytes, name: str = "picture.jpg", kind: str = "image/jpeg", **rules: Any) -> Accepted:
        with self.app.app_context():
            return self.images.accept(upload(data, name, kind), **rules)

    def path(self, accepted: Accepted) -> Path:
        return self.folder.parent / accepted.path

    def stored(self, accepted: Accepted) -> bytes:
        return self.path(accepted).read_bytes()

    @property
    def files(self) -> list[Path]:
        """Everything below the folder that is no folder."""
        return [path for path in self.folder.rglob("*") if not path.is_dir()] if self.folder.exists() else []


@pytest.fixture
def door(make_app: Callable[..., Flask], static: Path) -> Door:
    return Door(make_app(IMAGES_UPLOADS="static/uploads"), static / "uploads")
