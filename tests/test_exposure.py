"""Folders that others can load or replace files in are named in the log."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Blueprint, Flask
from servers import IN_THREAD

from flask_images_vips import Images
from flask_images_vips.exposure import shared_folder

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: modes and links")


@pytest.fixture
def site(tmp_path: Path, static: Path) -> Path:
    for name in ("pictures", "shop/static", "uploads"):
        (tmp_path / name).mkdir(parents=True)
    if os.name == "posix":
        (static / "uploads").symlink_to("../uploads")
    return tmp_path


def start(site: Path, *, late: bool = False, protect: bool = True, **config: Any) -> None:
    """Build the first URL of an application with a callback, registered before or after it."""
    app = Flask("site", root_path=str(site))
    app.config.update(SECRET_KEY="a secret", **{"IMAGES_CACHE": "cache", **config}, **IN_THREAD)
    images = Images(app)
    app.register_blueprint(Blueprint("shop", __name__, root_path=str(site / "shop"), static_folder="static"))
    for registered in (False, True):
        if protect and registered == late:
            images.authorize(lambda ref, options: True)
        if not registered:
            url_of(app, "a.png")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("config", "served", "key"),
    [
        ({}, "static", "IMAGES_PATH"),
        ({"IMAGES_PATH": ["pictures", "static/members"]}, "static", "IMAGES_PATH"),
        ({"IMAGES_PATH": ["shop"]}, "shop/static", "IMAGES_PATH"),
        pytest.param({"IMAGES_PATH": ["uploads"]}, "static", "IMAGES_PATH", marks=posix),
        ({"IMAGES_PATH": ["pictures"], "IMAGES_CACHE": "static/cache"}, "static", "IMAGES_CACHE"),
        ({"IMAGES_PATH": ["pictures"]}, None, None),
        ({"IMAGES_PATH": ["pictures", "static-members"]}, None, None),
    ],
)
def test_folders_that_flask_serves_beside_a_callback_are_named(
    site: Path, config: dict[str, Any], served: str | None, key: str | None, late: bool, caplog: Any
) -> None:
    start(site, late=late, **config)
    found = [message for message in caplog.messages if "authorize callback" in message]
    assert len(found) == (served is not None)
    for message in found:
        assert f"Flask serves the folder {site / str(served)} to everybody" in message
        assert str(key) in message


def test_without_a_callback_everything_is_public(site: Path, caplog: Any) -> None:
    start(site, protect=False)
    assert "authorize callback" not in caplog.text


@posix
@pytest.mark.parametrize(
    ("modes", "named"),
    [
        ({}, None),
        ({"volume": 0o777}, "volume"),
        ({"volume": 0o1777}, None),
        ({"volume": 0o775}, None),
        ({"volume/cache": 0o770}, "volume/cache"),
        ({"volume": 0o777, "volume/cache": 0o700}, "volume"),
    ],
)
def test_a_folder_that_others_can_write_is_named(tmp_path: Path, modes: dict[str, int], named: str | None) -> None:
    (tmp_path / "volume").mkdir()
    for name, mode in modes.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name).chmod(mode)
    sentences = shared_folder("IMAGES_CACHE", str(tmp_path / "volume" / "cache"))
    found = [sentence.partition(", so")[0] for sentence in sentences]
    expected = f"IMAGES_CACHE: other users of this host can write to {tmp_path / str(named)}"
    assert found == ([expected] if named else [])


@posix
def test_a_folder_of_another_user_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    if folder.stat().st_uid == 0:
        os.chown(folder, 54321, -1)
    (sentence,) = shared_folder("IMAGES_FRONT_DOOR", str(folder))
    assert f"IMAGES_FRONT_DOOR: other users of this host can write to {folder}" in sentence


@posix
def test_configured_folders_are_checked_and_no_umask_opens_them(site: Path, draw: Any, caplog: Any) -> None:
    (site / "volume").mkdir()
    (site / "volume").chmod(0o777)
    caplog.set_level(logging.WARNING)
    draw("a.png")
    os.utime(site / "static" / "a.png", (1_600_000_000,) * 2)
    app = Flask("site", root_path=str(site))
    folders = {"IMAGES_CACHE": "volume/new/cache", "IMAGES_FRONT_DOOR": "volume/new/door"}
    app.config.update(SECRET_KEY="a secret", **folders, **IN_THREAD)
    Images(app)
    before = os.umask(0)
    try:
        assert app.test_client().get(url_of(app, "a.png", width=9)).status_code == 200
    finally:
        os.umask(before)
    assert all(f"{key}: other users" in caplog.text for key in folders)
    made = [path for path in (site / "volume").rglob("*") if not path.is_symlink()]
    assert any(path.is_file() for path in made)
    assert any(path.is_symlink() for path in (site / "volume" / "new" / "door").rglob("*"))
    assert not [path for path in made if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]
