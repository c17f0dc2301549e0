"""What is shown in place of a picture that cannot be."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from conftest import fetch
from PIL import Image

from flask_images_vips import resized_img_src


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
