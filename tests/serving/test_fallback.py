"""What is shown in place of a missing picture."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch
from flask import Flask
from PIL import Image

from flask_images_vips import resized_img_src
from flask_images_vips.options.options import Options
from flask_images_vips.serving import hit
from flask_images_vips.serving.fallback import drawing


def test_a_fallback_is_shown_in_the_size_asked_for_and_the_status_stays(make_app: Any, draw: Any, static: Path) -> None:
    draw("missing.png", (200, 100))
    (static / "broken.jpg").write_text("no picture")
    app = make_app(IMAGES_FALLBACK="missing.png")
    with app.test_request_context():
        urls = {404: resized_img_src("gone.jpg", width=50), 422: resized_img_src("broken.jpg", width=50)}
    for status, url in urls.items():
        response = app.test_client().get(url)
        assert response.status_code == status
        assert response.headers["Cache-Control"] == "public, max-age=60"
        assert (response.content_type, response.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert Image.open(io.BytesIO(response.data)).size == (50, 25)
        head = app.test_client().head(url)
        assert (head.status_code, head.content_length, head.data) == (status, len(response.data), b"")
    assert app.test_client().get("/imgsizer/gone.jpg?w=50&s=wrong").content_type.startswith("text/plain")
    assert fetch(app, "missing.png", width=50).size == (50, 25)


def test_a_fallback_that_is_missing_itself_costs_one_more_line(make_app: Any, caplog: Any) -> None:
    app = make_app(IMAGES_FALLBACK="gone.png")
    with app.test_request_context():
        url = resized_img_src("a.jpg", width=50)
    response = app.test_client().get(url)
    assert (response.status_code, response.mimetype) == (404, "text/plain")
    assert "IMAGES_FALLBACK = 'gone.png' cannot be sent" in caplog.text


ASKS_FOR_IMAGES = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}


def test_in_debug_a_missing_picture_is_drawn_with_its_path_and_size(make_app: Any) -> None:
    app = make_app()
    with app.test_request_context():
        url = resized_img_src("<b>&.jpg", width=200, height=100)
        endless = resized_img_src("a.jpg", width=10**9)
    assert app.test_client().get(url, headers=ASKS_FOR_IMAGES).mimetype == "text/plain"
    app.debug = True
    response = app.test_client().get(url, headers=ASKS_FOR_IMAGES)
    assert (response.status_code, response.mimetype, response.headers["Cache-Control"]) == (
        *(404, "image/svg+xml"),
        "no-store",
    )
    assert 'width="200" height="100"' in response.text
    assert "&lt;b&gt;&amp;.jpg" in response.text
    assert "200 × 100, missing" in response.text
    assert 'width="8192"' in app.test_client().get(endless, headers=ASKS_FOR_IMAGES).text
    assert "no such file" in app.test_client().get(url, headers={"Accept": "text/html,image/*"}).text
    app = make_app(IMAGES_PLACEHOLDER_MISSING=False)
    app.debug = True
    assert app.test_client().get(url, headers=ASKS_FOR_IMAGES).mimetype == "text/plain"


@pytest.mark.parametrize(
    ("keywords", "status", "text"),
    [
        ({"widht": 100}, 200, "widht=&#39;100&#39;: expected the name of an option; did you mean width?"),
        ({"width": 0}, 200, "width=&#39;0&#39;: expected 1 or more"),
        ({"width": 0, "height": 20}, 200, None),
        ({"width": 20, "blur": ""}, 200, None),
        ({"width": 20, "rotate": "auto"}, 200, "rotate=&#39;auto&#39;: expected 0, 90, 180 or 270"),
        ({"width": 20, "mode": "fill"}, 400, "mode=&#39;fill&#39;: expected one of"),
        ({"width": 9999, "enlarge": True}, 422, "(IMAGES_MAX_OUTPUT_PIXELS)"),
    ],
)
def test_in_debug_a_page_shows_which_option_is_wrong(
    make_app: Any, draw: Any, caplog: Any, keywords: dict[str, Any], status: int, text: str | None
) -> None:
    draw("a.png", (64, 48))
    app = make_app()
    with app.test_request_context():
        url = resized_img_src("a.png", **keywords)
    for debug, asks in ((False, ASKS_FOR_IMAGES), (True, {"Accept": "*/*"})):
        app.debug = debug
        response = app.test_client().get(url, headers=asks)
        assert (response.status_code, response.mimetype) == (status, "image/png" if status == 200 else "text/plain")
    for _ in range(2):
        caplog.clear()
        response = app.test_client().get(url, headers=ASKS_FOR_IMAGES)
        if text is None:
            assert (response.status_code, response.mimetype) == (200, "image/png")
            continue
        assert (response.status_code, response.mimetype) == (400 if status == 200 else status, "image/svg+xml")
        assert response.headers["Cache-Control"] == "no-store"
        assert text in re.sub(r"</text><text[^>]*>", " ", response.text)
        assert len(caplog.records) == 1


def test_a_url_that_is_not_signed_is_not_drawn(make_app: Any) -> None:
    app = make_app()
    app.debug = True
    assert app.test_client().get("/imgsizer/a.png?widht=5", headers=ASKS_FOR_IMAGES).mimetype == "text/plain"


def test_the_url_is_not_verified_again_for_its_fallback(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("missing.png")
    app: Flask = make_app(IMAGES_FALLBACK="missing.png")
    with app.test_request_context():
        url = resized_img_src("gone.png", width=50)
    found: list[str] = []
    find = hit.VerifiedUrls.find

    def counted(self: hit.VerifiedUrls, path: str, *rest: Any) -> hit.VerifiedUrl:
        found.append(path)
        return find(self, path, *rest)

    monkeypatch.setattr(hit.VerifiedUrls, "find", counted)
    response = app.test_client().get(url)
    assert (response.status_code, response.mimetype) == (404, "image/png")
    assert found == ["gone.png"]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (Options(), (400, 300)),
        (Options(width=40), (40, 30)),
        (Options(height=30), (40, 30)),
        (Options(width=1), (1, 1)),
        (Options(width=10**6, height=2), (8192, 2)),
    ],
    ids=str,
)
def test_a_drawing_has_the_size_asked_for_within_reason(options: Options, size: tuple[int, int]) -> None:
    found = re.search(r'width="(\d+)" height="(\d+)"', drawing("a.png", options, "missing"))
    assert found is not None
    assert (int(found[1]), int(found[2])) == size


def test_a_drawing_shows_any_name_as_text() -> None:
    text = drawing("<script>\n\x1b&.png", Options(), "unreadable")
    assert "&lt;script&gt;\ufffd\ufffd&amp;.png" in text
    assert "any × any, unreadable" in text
