"""What cannot work fails when an application starts, in one message; what may be a mistake is logged once."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import sample
from flask import Flask, render_template_string

from flask_images_vips import Images, resized_img_src
from flask_images_vips.config.keys import KEYS
from flask_images_vips.errors import ConfigError
from flask_images_vips.sources import connection

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 10**30, 1.5, float("nan"), float("inf"), timedelta(-1), timedelta.max, object()),
    *("", "x", "a\nb", "\0", "ü", "..", "\ud800", "9" * 400, "true", "http://x", "0/0", "[", "JPEG", b"x"),
    *([], ["x"], [1], [None], [b"x"], [[]], ["\0"], ["*."], ["0.0.0.0/0"], {}, {"x": 1}, {1: 2}, {"a": {1: 2}}),
    {"a": {"format": "jxs"}},
]


def site(tmp_path: Path, **config: Any) -> Flask:
    app = Flask("site", root_path=str(tmp_path))
    app.config.update({"SECRET_KEY": "a secret", "IMAGES_CACHE": str(tmp_path / "cache"), **config})
    app.add_url_rule("/", view_func=lambda: "a page without images")
    return app


def test_init_app_lists_all_faults_of_the_keys_that_are_set(tmp_path: Path) -> None:
    app = site(
        tmp_path,
        IMAGES_FORMATS="JPEG",
        IMAGES_QUALITY={"jpeg": 101},
        IMAGES_PRESETS={"crop": {"widht": 5, "widthh": 5}, "avatar": {"width": "wide", "format": "jxs"}},
        IMAGES_REMOTE_HOSTS=["http://a.example", "b.example:80"],
        IMAGES_ONLY_PRESETS=True,
    )
    with pytest.raises(ConfigError) as caught:
        Images(app)
    starts = [
        "IMAGES_FORMATS = 'JPEG': expected a list of some of jxl, avif, webp",
        "IMAGES_QUALITY = {'jpeg': 101}: expected a number from 1 to 100",
        "IMAGES_PRESETS['crop'] is named like a mode",
        "IMAGES_PRESETS['crop']: 'widht' is not an option; did you mean width?",
        "IMAGES_PRESETS['crop']: 'widthh' is not an option; did you mean width?",
        "IMAGES_PRESETS['avatar']: format='jxs': expected one of",
        "IMAGES_PRESETS['avatar']: width='wide': expected a whole number of pixels",
        "IMAGES_REMOTE_HOSTS contains 'http://a.example'",
        "IMAGES_REMOTE_HOSTS contains 'b.example:80'",
    ]
    assert [
        fault[: len(start)] for fault, start in zip(sorted(caught.value.faults), sorted(starts), strict=True)
    ] == sorted(starts)
    first, *lines = str(caught.value).splitlines()
    assert first == f"The configuration of flask_images_vips has {len(starts)} faults:"
    assert [line[:2] for line in lines] == ["- "] * len(starts) + ["If"]


def test_what_is_set_later_fails_before_the_first_page(tmp_path: Path) -> None:
    app = site(tmp_path)
    Images(app)
    app.config.update(SECRET_KEY=None, IMAGES_ONLY_PRESETS=True, IMAGES_COPIES="png")
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            app.test_client().get("/")
        assert [fault.partition(" ")[0] for fault in caught.value.faults] == [
            "IMAGES_COPIES",
            "No",  # secret key
            "IMAGES_ONLY_PRESETS",
        ]
    with app.test_request_context(), pytest.raises(ConfigError, match="has 3 faults"):
        resized_img_src("a.png")
    app.config.update(SECRET_KEY="late", IMAGES_ONLY_PRESETS=False, IMAGES_COPIES="jpeg")
    assert app.test_client().get("/").status_code == 200


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"IMAGES_SVG": True, "IMAGES_ENGINE": "pillow"}, "IMAGES_SVG = True needs libvips"),
        (
            {"IMAGES_PRESETS": {"a": {"format": "webp"}}, "IMAGES_OUTPUT_FORMATS": ["jpeg"]},
            r"IMAGES_PRESETS\['a'\]: IMAGES_OUTPUT_FORMATS does not contain webp",
        ),
        ({"IMAGES_REMOTE_HOSTS": ["img.example.com"]}, "pip install 'urllib3>=2.0.2'"),
    ],
)
def test_keys_that_contradict_each_other_or_the_host_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], fault: str
) -> None:
    monkeypatch.setattr(connection.importlib.util, "find_spec", lambda name: None)
    Images(site(tmp_path))  # remote sources are allowed by default: that needs no urllib3
    with pytest.raises(ConfigError, match=fault):
        Images(site(tmp_path, **config))


def test_no_value_of_a_key_lets_the_application_start_and_then_breaks_its_pages(make_app: Any, draw: Any) -> None:
    draw("a.png", (8, 8))
    for name, value in sample(((name, value) for name in sorted(KEYS) for value in JUNK), 20):
        try:
            app = make_app(**{name: value})
        except ConfigError:
            continue
        app.testing = True
        app.add_url_rule("/", view_func=lambda: render_template_string("{{ resized_img_src('a.png', width=4) }}"))
        # These two depend on other keys, which may be set later.
        if (name, value) != ("IMAGES_ONLY_PRESETS", True) and name != "IMAGES_UPLOADS":
            page = app.test_client().get("/")
            assert app.test_client().get(page.text.replace("&amp;", "&")).status_code < 500, (name, value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"IMAGES_PATH": ["static", "statik"]},
            "IMAGES_PATH names folders that cannot be used: {}/statik (does",
        ),
        ({"IMAGES_PATH": ["a.txt", "b"]}, "{}/a.txt (is not a folder), {}/b (does not exist). Images in them"),
        ({"IMAGES_FALLBACK": "gone.png"}, "IMAGES_FALLBACK = 'gone.png' is not a file in IMAGES_PATH ({}/static)"),
        ({"IMAGES_PATHS": ["static"]}, "IMAGES_PATHS is not a configuration key of flask_images_vips; did you mean"),
        ({"IMAGES_MAX_WAITING": 5}, "IMAGES_MAX_WAITING: ignored"),
        ({}, None),
    ],
)
def test_a_likely_mistake_is_logged_once(
    tmp_path: Path, static: Path, caplog: pytest.LogCaptureFixture, config: dict[str, Any], said: str | None
) -> None:
    (tmp_path / "a.txt").write_text("a file")
    app = site(tmp_path, **config)
    Images(app)
    assert not caplog.messages  # it may be put right before the first page
    for _ in range(2):
        app.test_client().get("/")
        with app.test_request_context():
            resized_img_src("a.png")
    assert len(caplog.messages) == (said is not None)
    if said is not None:
        assert said.replace("{}", str(tmp_path)) in caplog.messages[0]
    assert static.is_dir()


def test_what_an_object_store_lacks_is_found_before_the_first_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = {"IMAGES_CACHE": "s3://bucket/cache", "IMAGES_PATH": ["gs://bucket/originals"]}
    app = site(tmp_path, **stores, IMAGES_STORE_OPTIONS={"s3://bucket": {"regin": "eu-1"}})
    Images(app)
    with pytest.raises(ConfigError, match=r"IMAGES_STORE_OPTIONS of s3://bucket/cache: .*regin"):
        app.test_client().get("/")
    monkeypatch.setitem(sys.modules, "obstore", None)
    app = site(tmp_path, **stores)
    Images(app)
    with pytest.raises(ConfigError, match=r"flask-images-vips\[s3\]") as caught:
        app.test_client().get("/")
    assert len(caught.value.faults) == 2


def test_a_local_cache_without_an_object_store_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = site(tmp_path, IMAGES_CACHE_LOCAL="disk")
    Images(app)
    app.test_client().get("/")
    assert "IMAGES_CACHE_LOCAL = 'disk' does nothing" in caplog.text
