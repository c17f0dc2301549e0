"""``IMAGES_UPLOADS`` is in ``IMAGES_PATH``, or the application does not start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from flask import Flask
from headers.containers import saved

from flask_images_vips.config.keys import Config
from flask_images_vips.errors import ConfigError
from flask_images_vips.uploads.places import check_place
from uploads.conftest import Door


@pytest.mark.parametrize(
    ("uploads", "path"),
    [
        ("static/uploads", "static"),
        ("static", ["photos", "static/"]),
        ("./static/../static/a/b", "static"),
        ("/srv/photos/new", ["static", "/srv/photos"]),
        ("s3://bucket/a/b", ["static", "s3://bucket/a"]),
        ("s3://bucket", "s3://bucket"),
        (None, "static"),
    ],
)
def test_a_place_in_the_path_is_right(uploads: str | None, path: Any) -> None:
    check_place(Config(uploads=uploads, path=(path,) if isinstance(path, str) else tuple(path)), "/srv/site")


@pytest.mark.parametrize(
    ("uploads", "path"),
    [
        ("uploads", "static"),
        ("static2", "static"),
        ("static/../uploads", "static"),
        ("/etc", "static"),
        ("s3://bucket/ab", "s3://bucket/a"),
        ("s3://other/a", "s3://bucket/a"),
        ("s3://bucket/a", "static"),
    ],
)
def test_a_place_elsewhere_ends_the_start(uploads: str, path: str) -> None:
    with pytest.raises(ConfigError, match=f"IMAGES_UPLOADS='{uploads}': expected a folder in IMAGES_PATH"):
        check_place(Config(uploads=uploads, path=(path,)), "/srv/site")


def test_the_start_says_so(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="IMAGES_UPLOADS='elsewhere'"):
        make_app(IMAGES_UPLOADS="elsewhere").extensions["images"].pipeline  # noqa: B018


@pytest.mark.parametrize(
    ("uploads", "begin"), [("static", ""), ("static/new", "new/"), ("photos", ""), ("static/a/b", "a/b/")]
)
def test_paths_begin_where_the_path_begins(
    make_app: Callable[..., Flask], tmp_path: Path, uploads: str, begin: str
) -> None:
    (tmp_path / "photos").mkdir()
    door = Door(make_app(IMAGES_PATH=["static", "photos"], IMAGES_UPLOADS=uploads), tmp_path / uploads)
    accepted = door.accept(saved(gradient((64, 48)), "PNG"))
    (path,) = door.files
    assert accepted.path == begin + path.name
    with door.app.app_context():
        assert door.images.remove_upload(accepted.path)
    assert door.files == []
