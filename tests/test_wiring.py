"""The parts of an application follow from its configuration."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch
from flask import Flask
from PIL import Image
from servers import IN_THREAD

from flask_images_vips import Images
from flask_images_vips.errors import ConfigError, SourceNotFound
from flask_images_vips.parts import Parts
from flask_images_vips.sources.local import HashedSources, LocalSources
from flask_images_vips.wiring import build


def parts(tmp_path: Path, **config: Any) -> Parts:
    app = Flask("site", root_path=str(tmp_path))
    app.config.update({"SECRET_KEY": "a secret", "IMAGES_CACHE": "cache", **config})
    Images(app)
    return build(app, "/imgsizer", "images")


def test_the_url_and_the_name_are_those_that_the_url_map_holds(tmp_path: Path) -> None:
    config = parts(tmp_path, IMAGES_URL="/late", IMAGES_NAME="late").pipeline.config
    assert (config.url, config.name) == ("/imgsizer", "images")


def test_everything_lies_in_a_folder_of_its_own_below_the_configured_one(tmp_path: Path) -> None:
    pipeline = parts(tmp_path).pipeline
    own = tmp_path / "cache" / "flask-images-vips"
    assert Path(pipeline.cache.folder) == own
    assert pipeline.shared is not None
    assert Path(pipeline.shared.copies.store.folder) == own / "copies"
    assert pipeline.sources.remote is not None
    assert Path(pipeline.sources.remote.store.folder) == own / "remote"
    assert not (tmp_path / "cache").exists()  # made by the first image


def test_without_a_writable_temporary_folder_images_are_not_cached_and_one_warning_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise FileNotFoundError("no usable temporary directory")

    (tmp_path / "static").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "static" / "a.png")
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.gettempdir", fail)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    app = Flask("site", root_path=str(tmp_path))
    app.config.update(SECRET_KEY="a secret", **IN_THREAD)
    Images(app)
    for width in (4, 4, 2):
        assert fetch(app, "a.png", width=width).width == width
    (message,) = (message for message in caplog.messages if "image cache" in message)
    assert message.startswith(f"The image cache in {tmp_path / 'file'}")


def test_what_copies_and_remote_sources_hold_counts_for_the_whole(tmp_path: Path) -> None:
    pipeline = parts(tmp_path, IMAGES_CACHE_MAX_SIZE=1000, IMAGES_COPIES_SHARE=0.1).pipeline
    assert pipeline.cache.bound is not None
    assert pipeline.cache.bound.max_bytes == 1000
    assert [part.max_bytes for part in pipeline.cache.bound.parts] == [250, 100]


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"IMAGES_COPIES": False}, "shared"),
        ({"IMAGES_REMOTE_HOSTS": []}, "remote"),
    ],
)
def test_parts_that_are_switched_off_are_none(tmp_path: Path, config: dict[str, Any], missing: str) -> None:
    pipeline = parts(tmp_path, **config).pipeline
    found = {"shared": pipeline.shared, "remote": pipeline.sources.remote}
    assert [name for name, part in found.items() if part is None] == [missing]


def test_the_door_and_the_second_encoding_are_off_by_default(tmp_path: Path) -> None:
    made = parts(tmp_path)
    assert made.front_door is None
    assert made.background is None or made.background.after == 0
    made = parts(tmp_path, IMAGES_FRONT_DOOR="door", IMAGES_RECOMPRESS_AFTER=2)
    assert made.front_door is not None
    assert Path(made.front_door.folder) == tmp_path / "door" / "flask-images-vips"
    assert (made.background is not None) == (os.name == "posix")


def test_a_second_encoding_that_cannot_work_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert parts(tmp_path, IMAGES_RECOMPRESS_AFTER=2, USE_X_SENDFILE=True).background is None
    assert "IMAGES_RECOMPRESS_AFTER does nothing: USE_X_SENDFILE is set" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
@pytest.mark.parametrize("version", ["mtime", "hash"])
def test_links_at_the_start_are_followed_or_not(tmp_path: Path, version: str) -> None:
    for name in ("static", "uploads"):
        (tmp_path / name).mkdir()
    (tmp_path / "uploads" / "a.jpg").write_bytes(b"a picture")
    (tmp_path / "static" / "uploads").symlink_to("../uploads")
    followed, ignored = (
        parts(tmp_path, IMAGES_VERSION=version, IMAGES_FOLLOW_LINKS=follow).pipeline.sources.local
        for follow in (True, False)
    )
    assert followed.find("uploads/a.jpg").root == str(tmp_path / "uploads")
    with pytest.raises(SourceNotFound):
        ignored.find("uploads/a.jpg")


def test_versions_are_by_time_or_by_content(tmp_path: Path) -> None:
    assert type(parts(tmp_path).pipeline.sources.local) is LocalSources
    assert type(parts(tmp_path, IMAGES_VERSION="hash").pipeline.sources.local) is HashedSources


def test_applications_that_render_otherwise_share_no_settings(tmp_path: Path) -> None:
    configs: list[dict[str, Any]] = [{}, {"IMAGES_ENGINE": "pillow"}, {"IMAGES_EFFORT": "fast"}]
    assert len({parts(tmp_path, **config).pipeline.facts.settings for config in configs}) == len(configs)
    assert parts(tmp_path).pipeline.facts.settings == parts(tmp_path, IMAGES_MAX_AGE=1).pipeline.facts.settings


def test_settings_do_not_say_whose_they_are(tmp_path: Path) -> None:
    plain, other = parts(tmp_path), parts(tmp_path / "other", IMAGES_PATH=["static", "more"])
    assert plain.pipeline.facts.settings == other.pipeline.facts.settings


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links")
def test_applications_share_the_renditions_of_the_same_file_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_images_vips")

    def colour_and_renders(name: str, root: str, **config: Any) -> tuple[Any, int]:
        app = Flask(name, root_path=str(tmp_path / root))
        app.config.update({"SECRET_KEY": "a secret", "IMAGES_CACHE": str(tmp_path / "cache"), **IN_THREAD, **config})
        Images(app)
        caplog.clear()
        picture = fetch(app, "a.png", width=4)
        return picture.getpixel((0, 0)), sum(message.startswith("rendered") for message in caplog.messages)

    for root, colour in (("one", "red"), ("two", "blue")):
        (tmp_path / root / "static").mkdir(parents=True)
        (tmp_path / root / "more").mkdir()
        Image.new("RGB", (8, 8), colour).save(tmp_path / root / "static" / "a.png", compress_level=0)
        os.utime(tmp_path / root / "static" / "a.png", (0, 0))
    (tmp_path / "current").symlink_to("one")
    red, blue = (255, 0, 0), (0, 0, 255)
    assert colour_and_renders("app", "one") == (red, 1)
    assert colour_and_renders("app", "two") == (blue, 1)
    assert colour_and_renders("other", "one") == (red, 0)
    assert colour_and_renders("app", "one", IMAGES_PATH=["more", "static"]) == (red, 0)
    assert colour_and_renders("app", "current") == (red, 0)
    # A deployment that copies the files into another folder renders nothing again.
    assert colour_and_renders("app", "one", IMAGES_VERSION="hash") == (red, 1)
    shutil.copytree(tmp_path / "one", tmp_path / "three")
    assert colour_and_renders("app", "three", IMAGES_VERSION="hash") == (red, 0)


def test_a_wrong_value_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="IMAGES_MAX_FRAMES"):
        parts(tmp_path, IMAGES_MAX_FRAMES=0)
