"""Every page of the playground: it answers, it loads nothing from elsewhere, and axe-core finds nothing in it."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from demo.conftest import THEMES, WIDTHS, axe
from flask_images_vips.demo import NAVIGATION, create_app

PATHS = [*(path for path, _ in NAVIGATION.values()), "/upload"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_answers_without_a_script_and_names_itself(path: str) -> None:
    response = create_app().test_client().get(path)
    assert response.status_code == 200
    assert response.text.count("<h1") == 1
    assert "script-src" not in response.headers["Content-Security-Policy"]  # so default-src 'self' holds
    assert "<script>" not in response.text
    assert " style=" not in response.text


def test_a_person_who_follows_an_old_bookmark_gets_a_page_with_the_way_back() -> None:
    client = create_app().test_client()
    gone = [(f"/{name}?photo=x.jpg", "Uploads are removed") for name in ("focal", "formats", "speed", "engines")]
    for path, reason in (("/nowhere", "has no page with this address"), *gone):
        response = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert response.status_code == 404
        assert reason in response.text
        assert "Open the playground</a>" in response.text
        assert "Open the playground" not in client.get(path, headers={"Accept": "image/*"}).text
    response = client.get("/?photo=x.jpg")
    assert "This picture is not here any more, so another one is shown." in response.text
    assert "not here any more" not in client.get("/").text


def test_texts_are_sent_compressed_to_those_who_read_it_and_pictures_are_not() -> None:
    client = create_app().test_client()
    for path in ("/", "/static/demo.css", "/static/common.js"):
        with client.get(path, headers={"Accept-Encoding": "gzip"}) as packed, client.get(path) as plain:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert len(packed.data) < len(plain.data) / 2
            assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
            tag = packed.headers.get("ETag")
            if tag is not None:
                assert gzip.decompress(packed.data) == plain.data
                with client.get(path, headers={"If-None-Match": tag}) as known:
                    assert known.status_code == 304
                    assert (known.headers["ETag"], known.headers["Vary"]) == (tag, "Accept-Encoding")
                assert "Accept-Ranges" not in packed.headers  # a range would be one of the plain text
            with client.head(path, headers={"Accept-Encoding": "gzip"}) as head:
                for name in ("Content-Encoding", "Vary", "ETag"):
                    assert head.headers.get(name) == packed.headers.get(name)
    with client.get("/static/photos/cat.jpg", headers={"Accept-Encoding": "gzip"}) as picture:
        assert "Content-Encoding" not in picture.headers


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_in_both_themes_and_no_page_scrolls_sideways(page: Any, path: str) -> None:
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(path, wait_until="networkidle")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        assert axe(page) == [], theme
    for width in (320, 390, 1024):  # 320 is a window of 1280 pixels at a zoom of 400 %
        page.set_viewport_size({"width": width, "height": WIDTHS[390]})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_theme_is_that_of_the_system_until_somebody_chooses_and_then_stays(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/upload")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    toggle = page.get_by_role("button", name="Dark colours")
    assert toggle.get_attribute("aria-pressed") == "true"
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
