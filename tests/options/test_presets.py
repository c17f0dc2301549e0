"""Presets, and the widths that an application keeps to: when URLs are built, and when they are served."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from conftest import fetch, url_of
from flask import Flask, render_template_string, url_for
from werkzeug.routing import BuildError

from flask_images_vips import resized_img_attrs, resized_img_size, resized_img_src, resized_img_tag
from flask_images_vips.errors import ConfigError, InvalidOption

AVATAR = {"width": 24, "height": 24, "mode": "crop"}
PRESETS = {"avatar": AVATAR, "banner": {"width": 60, "quality": 60, "format": "auto"}, "tall": {"height": 40}}


@pytest.fixture
def site(make_app: Any, draw: Any) -> Flask:
    draw("a.png", (64, 48))
    app: Flask = make_app(IMAGES_PRESETS=PRESETS)
    return app


def test_a_preset_is_its_options_in_every_helper(site: Flask) -> None:
    with site.test_request_context():
        plain = resized_img_src("a.png", **AVATAR)
        assert resized_img_src("a.png", preset="avatar") == plain
        assert url_for("images.avatar", filename="a.png") == plain
        assert url_for("images", filename="a.png", preset="avatar") == plain
        assert site.extensions["images"].build_url("a.png", preset="avatar") == plain
        assert render_template_string("{{ resized_img_src('a.png', preset='avatar')|safe }}") == plain
        size = resized_img_size("a.png", preset="avatar")
        assert size is not None
        assert (size.width, size.height) == (24, 24)
        assert resized_img_tag("a.png", preset="avatar", alt="x") == resized_img_tag("a.png", **AVATAR, alt="x")
        twice = resized_img_attrs("a.png", preset="avatar", hidpi=2)
        assert twice["src"] == resized_img_src("a.png", width=48, height=48, mode="crop", quality=60)
    assert fetch(site, "a.png", preset="avatar").size == (24, 24)


def test_keywords_beside_a_preset_override_it(site: Flask) -> None:
    with site.test_request_context():
        assert resized_img_src("a.png", preset="avatar", width=9) == resized_img_src("a.png", **{**AVATAR, "width": 9})
        assert resized_img_src("a.png", preset="avatar", mode=None, height=None) == resized_img_src("a.png", width=24)
        assert url_for("images.avatar", filename="a.png", quality=5) == resized_img_src("a.png", **AVATAR, quality=5)
        assert resized_img_src("a.png", preset=None) == resized_img_src("a.png")


def test_an_unknown_preset_names_the_nearest(site: Flask) -> None:
    with site.test_request_context():
        for helper in (resized_img_src, resized_img_size, resized_img_attrs, resized_img_tag):
            with pytest.raises(InvalidOption, match=r"preset='avatr'.*avatar, banner, tall.*did you mean avatar\?"):
                helper("a.png", preset="avatr")
        with pytest.raises(BuildError):
            url_for("images.avatr", filename="a.png")
        with pytest.raises(ValueError, match="`preset` is specified in endpoint and kwargs"):
            url_for("images.avatar", filename="a.png", preset="banner")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"IMAGES_PRESETS": {"crop": {"width": 5}}}, r"IMAGES_PRESETS\['crop'\] is named like a mode"),
        ({"IMAGES_PRESETS": {"a": {"widht": 5}}}, r"'widht' is not an option; did you mean width\?"),
        ({"IMAGES_PRESETS": {"a": {"width": "wide"}}}, r"IMAGES_PRESETS\['a'\]: width='wide': expected"),
        ({"IMAGES_PRESETS": {"a": {"preset": "b"}}}, "'preset' is not an option"),
        ({"IMAGES_PRESETS": {"a.b": {}}}, "expected a name of letters"),
        ({"IMAGES_PRESETS": {"a": 5}}, "IMAGES_PRESETS = .*: expected options by name"),
        ({"IMAGES_PRESETS": ["a"]}, "IMAGES_PRESETS = .*: expected options by name"),
        ({"IMAGES_ONLY_PRESETS": True}, "every image would be refused"),
        ({"IMAGES_ALLOWED_WIDTHS": 320}, "IMAGES_ALLOWED_WIDTHS"),
        ({"IMAGES_ALLOWED_WIDTHS": [320, "640"]}, "IMAGES_ALLOWED_WIDTHS"),
    ],
)
def test_what_can_be_no_preset_is_an_error_of_the_configuration(
    make_app: Any, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_app(**config).test_client().get("/")


@pytest.mark.parametrize(
    ("keywords", "status"),
    [
        ({"preset": "avatar"}, 200),
        (AVATAR, 200),
        ({**AVATAR, "width": "24.0"}, 200),
        ({"preset": "banner"}, 200),
        ({"preset": "tall", "download": True}, 200),
        ({"preset": "tall", "expires": 2**33}, 200),
        ({"preset": "tall", "quality": 75}, 400),
        ({"preset": "tall", "cache": False}, 400),
        ({"preset": "tall", "format": "webp"}, 400),
        ({"preset": "banner", "format": "webp"}, 400),
        ({"preset": "avatar", "width": 25}, 400),
        ({"width": 24}, 400),
        ({}, 400),
    ],
)
def test_only_presets_are_served_where_the_application_says_so(
    make_app: Any, draw: Any, caplog: Any, keywords: dict[str, Any], status: int
) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_PRESETS=PRESETS, IMAGES_ONLY_PRESETS=True)
    url = url_of(app, "a.png", **keywords)
    assert ("will not be served" in caplog.text) == (status == 400)
    for _ in range(2):
        answer = app.test_client().get(url, headers={"Accept": "image/webp"})
        assert answer.status_code == status
    if status == 400:
        assert answer.headers["Cache-Control"] == "no-store"
        assert "IMAGES_ONLY_PRESETS" in caplog.text


def test_presets_alone_are_served_in_every_markup_and_wherever_the_subject_is(make_app: Any, draw: Any) -> None:
    draw("a.jpg", (640, 480))
    app = make_app(IMAGES_PRESETS={"avatar": {"width": 120, "height": 120, "mode": "crop"}}, IMAGES_ONLY_PRESETS=True)
    app.extensions["images"].focal_point(lambda ref: (0.2, 0.8))
    templates = (
        "{{ resized_img_tag('a.jpg', preset='avatar') }}",
        "{{ resized_img_tag('a.jpg', preset='avatar', layout='constrained') }}",
        "{{ resized_picture_tag('a.jpg', preset='avatar') }}",
    )
    for template in templates:
        with app.test_request_context():
            page = html.unescape(render_template_string(template))
        urls = set(re.findall(r"/imgsizer/[^ \",]+", page))
        assert urls
        assert {app.test_client().get(url).status_code for url in urls} == {200}


@pytest.mark.parametrize("dense", [False, True])
def test_a_denser_picture_is_offered_only_if_a_preset_allows_it(
    make_app: Any, draw: Any, caplog: Any, dense: bool
) -> None:
    draw("a.jpg", (640, 480))
    presets = {"avatar": AVATAR, "dense": {"width": 48, "height": 48, "mode": "crop", "quality": 60}}
    app = make_app(IMAGES_PRESETS=presets if dense else {"avatar": AVATAR}, IMAGES_ONLY_PRESETS=True)
    with app.test_request_context():
        found = resized_img_attrs("a.jpg", preset="avatar", hidpi=2)
        assert (found["width"], found["height"], found["data-hidpi-scale"]) == (24, 24, 2 if dense else False)
        assert found["src"] == resized_img_src("a.jpg", preset="dense" if dense else "avatar")
    assert app.test_client().get(found["src"]).status_code == 200
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (not dense)
    assert dense or "hidpi=2 has no effect on 'a.jpg': options='w=48&h=48&m=crop&q=60': expected" in lines[0]


@pytest.mark.parametrize(
    ("config", "keywords"),
    [
        ({"IMAGES_PRESETS": PRESETS, "IMAGES_ONLY_PRESETS": True}, {"width": 25}),
        ({"IMAGES_PRESETS": PRESETS, "IMAGES_ONLY_PRESETS": True}, {**AVATAR, "enlarge": True, "hidpi": 2}),
        ({"IMAGES_ALLOWED_WIDTHS": [5]}, {"width": 10, "padding": 100}),
        ({}, {"layout": "constrained"}),
    ],
)
def test_no_advice_about_a_remote_picture_repeats_the_secrets_in_its_url(
    make_app: Any, caplog: Any, config: dict[str, Any], keywords: dict[str, Any]
) -> None:
    app = make_app(**config)
    app.debug = True
    with app.test_request_context():
        resized_img_attrs("http://203.0.113.5/cat.jpg?token=secret", **keywords)
    assert "http://203.0.113.5/cat.jpg?token=…" in caplog.text
    assert "secret" not in caplog.text
