"""Image URLs in text, and what becomes of old ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import signed as url_with_query
from conftest import url_of
from engines.lettering.conftest import square_font
from flask import Flask

from flask_images_vips.errors import BadSignature
from flask_images_vips.operating.warming.wanted import label, urls_in
from flask_images_vips.operating.warming.wanted import url_of as today
from flask_images_vips.state import images_of

SIGNATURE = "AbCdEfGhIjKlMnOpQrStUvWxYz0"
URL = f"a.jpg?w=1&s={SIGNATURE}"
FOUND = ("a.jpg", f"w=1&s={SIGNATURE}".encode())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'<img src="/i/{URL}" srcset="/i/{URL} 1x, /i/{URL} 2x">', [FOUND] * 3),
        (f'<img src="https://cdn.example.com/app/i/{URL.replace("&", "&amp;")}">', [FOUND]),
        (f"url('/i/{URL}') url(/i/{URL})", [FOUND] * 2),
        (f"['/i/{URL}','/i/{URL}']", [FOUND] * 2),
        (f'"/i/{URL}"'.replace("&", "\\u0026"), [FOUND]),
        (f"</i/{URL}>; rel=preload", [FOUND]),
        (f"/i/photos/%C3%BC%20'b',(c).jpg?w=1&s={SIGNATURE}", [("photos/ü 'b',(c).jpg", FOUND[1])]),
        ("/i/a.jpg?w=1", []),
        (f'<a href="/i/">x</a> <p>?w=1&s={SIGNATURE}', []),
        (f"/i/a.jpg?w=<b>&s={SIGNATURE}", []),
        (f"/j/{URL}", []),
        ("/i/" * 1000, []),
        ("", []),
    ],
)
def test_urls_are_found_wherever_they_stand(text: str, found: list[tuple[str, bytes]]) -> None:
    assert list(urls_in(text, "/i")) == found


@pytest.mark.parametrize("query", ["w=10", "v=OLD&w=10", "v=OLD.OLDER&w=10"])
def test_an_old_url_becomes_that_of_today(query: str, app: Flask, draw: Any) -> None:
    draw("a.png")
    _, _, given = url_with_query(app, "a.png", query).partition("?")
    with app.app_context():
        url = today(images_of(app), "a.png", given.encode())
    assert f"/imgsizer/{url.canonical}" == url_of(app, "a.png", width=10)
    assert (label(url), url.default_quality) == ("a.png?w=10", True)


@pytest.mark.parametrize("version", [None, "7", "1.2"])
def test_the_version_of_a_remote_source_stays_and_that_of_its_watermark_is_renewed(
    version: str | None, app: Flask, draw: Any
) -> None:
    draw("mark.png")
    ref = "https://example.org/a.png"
    keywords = {"width": 10, **({"version": version} if version else {})}
    for more in ({}, {"watermark": "mark.png"}):
        expected = url_of(app, ref, **keywords, **more)
        _, _, query = expected.partition("?")
        with app.app_context():
            assert f"/imgsizer/{today(images_of(app), '_', query.encode()).canonical}" == expected


@pytest.mark.parametrize("ref", ["a.png", "https://example.org/a.png"])
def test_the_version_of_a_text_is_renewed(ref: str, make_app: Any, static: Path, draw: Any) -> None:
    draw("a.png")
    draw("mark.png")
    square_font(static / "a.ttf", "abc")
    app = make_app(IMAGES_FONTS={"title": "a.ttf"})
    expected = url_of(app, ref, version="7", text="abc", watermark="mark.png")
    path, _, query = expected.removeprefix("/imgsizer/").partition("?")
    assert query.partition("&v=")[2].partition("&")[0].count(".") == 2
    with app.app_context():
        assert f"/imgsizer/{today(images_of(app), path, query.encode()).canonical}" == expected


def test_a_url_that_was_not_signed_by_the_site_is_refused(app: Flask) -> None:
    with app.app_context(), pytest.raises(BadSignature):
        today(images_of(app), "a.png", f"w=10&s={SIGNATURE}".encode())
