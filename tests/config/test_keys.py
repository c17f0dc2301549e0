"""Configuration: defaults, checks, and when it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips import Images
from flask_images_vips.config.keys import Config, odd_keys, secret_keys
from flask_images_vips.errors import ConfigError


def test_the_defaults_are_those_of_flask_images() -> None:
    config = Config.read({})
    assert (config.url, config.name, config.path, config.max_age) == ("/imgsizer", "images", ("static",), 3600)


def test_values_are_checked_and_named_in_the_error() -> None:
    wrong: dict[str, Any] = {
        "IMAGES_URL": 5,
        "IMAGES_NAME": "",
        "IMAGES_PATH": 5,
        "IMAGES_CACHE": 5,
        "IMAGES_MAX_AGE": "an hour",
        "IMAGES_SECRET_KEY": [5],
        "IMAGES_LEGACY_SIGNATURES": "yes",
        "IMAGES_ENGINE": "gd",
        "IMAGES_FORMATS": ["avif", "jpeg"],
        "IMAGES_QUALITY": 0,
        "IMAGES_PRESETS": "avatar",
        "IMAGES_ONLY_PRESETS": "avatar",
        "IMAGES_ALLOWED_WIDTHS": [0],
        "IMAGES_AUTO_ORIENT": 1,
        "IMAGES_VERSION": "size",
        "IMAGES_FALLBACK": 5,
        "IMAGES_PLACEHOLDER_MISSING": 1,
        "IMAGES_EARLY_HINTS": 1,
        "IMAGES_LOCK_TIMEOUT": -1,
        "IMAGES_MAX_SOURCE_PIXELS": 0,
        "IMAGES_MAX_SOURCE_BYTES": "much",
        "IMAGES_INPUT_FORMATS": ["jpeg", "exe"],
        "IMAGES_OUTPUT_FORMATS": [],
        "IMAGES_SVG": "yes",
        "IMAGES_FAIL_ON": "everything",
        "IMAGES_RENDER_TIMEOUT": 0,
    }
    for name, value in wrong.items():
        with pytest.raises(ConfigError, match=name):
            Config.read({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGES_FORMATS", "avif"),
        ("IMAGES_FORMATS", [["avif"]]),
        ("IMAGES_FORMATS", ["webp", "webp"]),
        ("IMAGES_QUALITY", True),
        ("IMAGES_QUALITY", 101),
        ("IMAGES_QUALITY", {"jpeg": "75"}),
        ("IMAGES_QUALITY", {"jpg2": 75}),
        ("IMAGES_QUALITY", {"png": 75}),
    ],
)
def test_odd_formats_and_qualities_are_refused_too(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.read({name: value})


def test_values_are_understood_in_the_forms_people_write() -> None:
    config = Config.read({"IMAGES_URL": "img/", "IMAGES_PATH": "photos", "IMAGES_MAX_AGE": timedelta(hours=2)})
    assert (config.url, config.path, config.max_age) == ("/img", ("photos",), 7200)


def test_a_key_that_nothing_knows_is_named_with_the_nearest() -> None:
    assert [*odd_keys({"IMAGES_MAX_AGES": 5, "OTHER": 1})] == [
        "IMAGES_MAX_AGES is not a configuration key of flask_images_vips; did you mean IMAGES_MAX_AGE?"
    ]


def test_the_own_key_signs_and_fallbacks_verify() -> None:
    assert secret_keys({"SECRET_KEY": "a"}) == ("a",)
    assert secret_keys({"SECRET_KEY": "a", "SECRET_KEY_FALLBACKS": ["b", b"c"]}) == ("a", "b", b"c")
    assert secret_keys({"SECRET_KEY": "a", "IMAGES_SECRET_KEY": "x", "SECRET_KEY_FALLBACKS": ["b"]}) == ("x", "b")
    assert secret_keys({"IMAGES_SECRET_KEY": ["x", "y"]}) == ("x", "y")


def test_without_a_key_the_first_use_says_what_to_set(tmp_path: Any) -> None:
    app = Flask("site", root_path=str(tmp_path))
    Images(app)
    with app.test_request_context(), pytest.raises(ConfigError, match=r"set app\.secret_key .* or IMAGES_SECRET_KEY"):
        app.extensions["images"].build_url("a.jpg")
    app.testing = True
    with pytest.raises(ConfigError, match="No secret key"):
        app.test_client().get("/imgsizer/a.jpg?s=x")


def test_everything_but_url_and_name_may_be_set_after_init_app(tmp_path: Any, draw: Any) -> None:
    draw("a.png")
    app = Flask("site", root_path=str(tmp_path))
    Images(app)
    app.config.update(SECRET_KEY="late", IMAGES_CACHE=str(tmp_path / "late"), IMAGES_MAX_AGE=5)
    assert app.test_client().get(url_of(app, "a.png")).status_code == 200
    assert (tmp_path / "late").is_dir()


def test_a_changed_secret_counts_at_once(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png")
    app.secret_key = "another"
    assert app.test_client().get(url).status_code == 404
    app.config["SECRET_KEY_FALLBACKS"] = ["a secret"]
    assert app.test_client().get(url).status_code == 200
    assert url_of(app, "a.png") != url


def test_relative_folders_lie_below_the_application(make_app: Any, draw: Any, tmp_path: Any) -> None:
    draw("a.png")
    app = make_app(IMAGES_PATH=["nowhere", "static"], IMAGES_CACHE="instance/images")
    assert app.test_client().get(url_of(app, "a.png")).status_code == 200
    assert (tmp_path / "instance" / "images" / "flask-images-vips").is_dir()
    absolute = make_app(IMAGES_PATH=str(tmp_path / "static"))
    assert absolute.test_client().get(url_of(absolute, "a.png")).status_code == 200
