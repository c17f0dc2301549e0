"""A format that cannot be written here is offered nowhere, and asking for it says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import lack, signed, url_of
from flask import Flask, render_template_string
from operating.test_cli import run

from flask_images_vips import resized_img_attrs, resized_img_preload, resized_picture_tag
from flask_images_vips.page.queries import _log_format

BROWSER = {"Accept": "image/avif,image/webp,*/*"}
LINE = (
    "AVIF cannot be written here, so it is not offered to browsers: libvips 8.1 and Pillow 9.8 have no encoder for it."
)


@pytest.fixture(autouse=True)
def nothing_is_logged_yet() -> None:
    _log_format.cache_clear()


@pytest.fixture
def site(make_app: Callable[..., Flask], draw: Callable[..., Path]) -> Callable[..., Flask]:
    """A function that makes an application whose libraries lack formats."""

    def make(*formats: str, **config: Any) -> Flask:
        for name in ("a.jpg", "b.avif", "c.webp"):
            draw(name, (64, 48))
        app = make_app(**config)
        lack(app, *formats)
        return app

    return make


def media_type(app: Flask, url: str, accept: str = BROWSER["Accept"]) -> str:
    response = app.test_client().get(url, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    return str(response.content_type)


@pytest.mark.parametrize(
    ("lacking", "sent"),
    [((), "image/avif"), (("avif",), "image/webp"), (("webp",), "image/avif"), (("avif", "webp"), "image/jpeg")],
)
def test_auto_chooses_the_next_format(site: Any, lacking: tuple[str, ...], sent: str) -> None:
    app = site(*lacking)
    url = url_of(app, "a.jpg", format="auto", width=20)
    for _ in range(2):
        response = app.test_client().get(url, headers=BROWSER)
        assert (response.status_code, response.content_type, response.headers["Vary"]) == (200, sent, "Accept")
    assert media_type(app, url, "*/*") == "image/jpeg"


def test_auto_never_falls_back_to_the_format_of_the_path_if_that_is_the_missing_one(site: Any) -> None:
    app = site("avif", "webp")
    for name in ("b.avif", "c.webp"):
        assert media_type(app, url_of(app, name, format="auto", width=20)) == "image/jpeg"


@pytest.mark.parametrize(
    ("name", "sent"), [("b.avif", "image/jpeg"), ("c.webp", "image/webp"), ("a.jpg", "image/jpeg")]
)
def test_a_picture_whose_path_names_the_missing_format_becomes_jpeg(site: Any, name: str, sent: str) -> None:
    app = site("avif")
    assert media_type(app, url_of(app, name, width=20)) == sent


def test_no_markup_offers_it_and_one_line_says_why(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = site("avif")
    with app.test_request_context():
        for width in (10, 20):
            tag = resized_picture_tag("a.jpg", width=width, sources=[{"media": "print", "path": "c.webp"}])
            assert re.findall(r'type="(.*?)"', tag) == ["image/webp"]
            assert "f=avif" not in tag
            assert "f=avif" not in resized_img_preload("a.jpg", width=width, format="auto")
            assert "f=avif" not in str(resized_img_attrs("a.jpg", width=width, layout="full", placeholder="color"))
    client = app.test_client()
    for url in {*re.findall(r'/imgsizer/[^" ]*', tag)}:
        assert client.get(url.replace("&amp;", "&")).status_code == 200
    assert client.get(url_of(app, "a.jpg", format="auto"), headers=BROWSER).content_type == "image/webp"
    assert [message for message in caplog.messages if "AVIF" in message or "avif" in message] == [
        f"{LINE} To add one, run: pip install --upgrade Pillow. `flask images check` lists other ways."
    ]


def test_a_picture_whose_own_format_is_missing_is_offered_as_jpeg(site: Any) -> None:
    app = site("avif", "webp")
    with app.test_request_context():
        tag = resized_picture_tag("b.avif", formats=["avif", "webp", "png", "jpeg"], width=20)
    assert re.findall(r'type="(.*?)"', tag) == ["image/png"]
    assert media_type(app, re.findall(r' src="(.*?)"', tag)[0].replace("&amp;", "&")) == "image/jpeg"


@pytest.mark.parametrize("only", [False, True])
def test_a_preset_has_the_format_of_the_path_instead(site: Any, only: bool) -> None:
    presets = {"card": {"width": 20, "format": "avif"}, "pearl": {"width": 30, "format": "webp"}}
    app = site("avif", IMAGES_PRESETS=presets, IMAGES_ONLY_PRESETS=only)
    assert media_type(app, url_of(app, "a.jpg", preset="card")) == "image/jpeg"
    assert media_type(app, url_of(app, "a.jpg", preset="pearl")) == "image/webp"
    lack(app)  # an encoder has been added
    new = url_of(app, "a.jpg", preset="card")
    assert media_type(app, new) == "image/avif"


def test_a_page_from_before_an_encoder_was_added_still_shows_its_pictures(site: Any) -> None:
    app = site("avif", IMAGES_PRESETS={"card": {"width": 20, "format": "avif"}}, IMAGES_ONLY_PRESETS=True)
    old = url_of(app, "a.jpg", preset="card")
    lack(app)
    assert media_type(app, old) == "image/jpeg"
    assert app.test_client().get(signed(app, "a.jpg", "w=21")).status_code == 400


@pytest.mark.parametrize(("debug", "logged"), [(False, 1), (True, 2)])
def test_asking_for_it_in_a_template_says_why(
    site: Any, caplog: pytest.LogCaptureFixture, debug: bool, logged: int
) -> None:
    app = site("avif", DEBUG=debug)
    with app.test_request_context():
        for name in ("a.jpg", "c.webp", "a.jpg"):
            render_template_string("{{ resized_img_tag(name, format='avif', width=20) }}", name=name)
    lines = [message for message in caplog.messages if "will not be served" in message]
    assert len(lines) == logged
    for line in lines:
        assert "with format='avif' will not be served. Expected one of jpeg, png, webp, gif (libvips 8.1 and " in line


def test_its_url_is_400_with_the_reason_and_never_stored(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = site("avif", DEBUG=True)
    for keywords in ({"width": 20}, {"width": 21, "cache": False}):
        response = app.test_client().get(url_of(app, "a.jpg", format="avif", **keywords))
        assert (response.status_code, response.headers["Cache-Control"]) == (400, "no-store")
        assert "libvips 8.1 and Pillow 9.8 cannot write it here" in response.text
    assert "400, format='avif'" in caplog.text


def test_what_is_in_the_cache_is_sent_all_the_same(site: Any) -> None:
    app = site()
    url = url_of(app, "a.jpg", format="avif", width=20)
    assert media_type(app, url) == "image/avif"
    lack(app, "avif")
    assert media_type(app, url) == "image/avif"


def test_the_configuration_of_nginx_does_not_look_for_it(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site("avif", IMAGES_FRONT_DOOR=True)
    with app.app_context():
        abilities = app.extensions["images"].pipeline.abilities
        monkeypatch.setattr(abilities, "find", lambda: None)
    printed = run(app, "nginx").output
    assert "image/webp[" in printed
    assert "image/avif[" not in printed


def test_check_prints_the_libraries_that_render_here(app: Flask) -> None:
    output = run(app, "check").output
    lines = output[output.index("engine: auto (libvips ") :].splitlines()
    assert [line.partition(" ")[0] for line in lines if line and line[0] != " "] == [
        *("engine:", "rendered", "libvips", "Pillow")
    ]
    assert sum(line.startswith("  writes: jpeg, png") for line in lines) == 2
    assert any(re.match(r"  loaded from: /.*libvips", line) for line in lines)
