"""Information as JSON: for signed URLs only, which are valid for nothing else, and with the statuses of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips import PUBLIC, Images
from flask_images_vips.errors import Forgotten


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


@pytest.fixture
def client(app: Flask) -> Any:
    return app.test_client()


def test_a_signed_url_answers_what_python_is_told(app: Flask, client: Any, draw: Any) -> None:
    draw("photos/ä b.png")
    url = images(app).info_url("photos/ä b.png")
    assert url.startswith("/imgsizer.info/photos/%C3%A4%20b.png?v=")
    response = client.get(url)
    assert (response.status_code, response.mimetype) == (200, "application/json")
    info = images(app).info("photos/ä b.png")
    assert response.json == {**info.to_json(), "palette": list(info.palette)}
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers
    for etag in (response.headers["ETag"], "*"):
        answer = client.get(url, headers={"If-None-Match": etag}, buffered=False)
        assert (answer.status_code, b"".join(answer.response)) == (304, b"")


@pytest.mark.parametrize("config", [{"IMAGES_URL": ""}, {"IMAGES_URL": "/pictures/small"}])
def test_it_lies_beside_the_images(make_app: Any, draw: Any, config: dict[str, str]) -> None:
    draw("a.png")
    app = make_app(**config)
    url = images(app).info_url("a.png")
    assert url.startswith(f"{config['IMAGES_URL'] or '/'}.info/a.png?")
    assert app.test_client().get(url).json["width"] == 64


def test_an_external_url_has_the_host(app: Flask, draw: Any) -> None:
    draw("a.png")
    with app.test_request_context(base_url="https://example.com/mounted"):
        url = images(app).info_url("a.png", external=True)
        assert url.startswith("https://example.com/mounted/imgsizer.info/a.png?")


def test_no_other_url_is_valid_and_it_is_valid_for_nothing_else(app: Flask, client: Any, draw: Any) -> None:
    draw("a.png")
    draw("b.png")
    image, info = url_of(app, "a.png"), images(app).info_url("a.png")
    assert client.get(image).status_code == 200
    assert client.get(image.replace("/imgsizer/", "/imgsizer.info/")).status_code == 404
    assert client.get(info.replace("/imgsizer.info/", "/imgsizer/")).status_code == 404
    assert client.get(info.replace("a.png", "b.png")).status_code == 404
    assert client.get("/imgsizer.info/a.png").status_code == 404
    assert client.get(f"{info}&w=1").status_code == 404
    assert client.post(info).status_code == 405


@pytest.mark.parametrize(
    ("name", "expected", "reason"),
    [
        ("gone.png", 404, "There is no such image."),
        ("broken.png", 422, "This image cannot be rendered."),
        ("forgotten.png", 410, "This link has expired, or the image was removed."),
    ],
)
def test_errors_are_json_too(app: Flask, draw: Any, static: Path, name: str, expected: int, reason: str) -> None:
    (static / "broken.png").write_text("no picture")
    draw("forgotten.png")
    url = images(app).info_url(name)
    images(app).forget("forgotten.png")
    response = app.test_client().get(url)
    assert (response.status_code, response.json) == (expected, {"error": reason})


def test_the_callback_decides_who_is_told(app: Flask, draw: Any) -> None:
    draw("a.png")
    url, answers = images(app).info_url("a.png"), [False, True, PUBLIC]
    images(app).authorize(lambda ref, options: answers.pop(0))
    found = [app.test_client().get(url) for _ in range(3)]
    assert [response.status_code for response in found] == [403, 200, 200]
    stated = [response.headers["Cache-Control"] for response in found]
    assert stated == ["no-store", "private, max-age=3600", "public, max-age=3600"]


def test_a_handler_of_the_site_answers_errors(app: Flask) -> None:
    app.register_error_handler(404, lambda error: ("the site's own page", 404))
    assert app.test_client().get("/imgsizer.info/a.png").text == "the site's own page"


def test_no_process_tells_anything_from_the_moment_on_at_which_it_was_forgotten(make_app: Any, draw: Any) -> None:
    draw("a.png")
    here, there = make_app(), make_app()
    url, client = images(there).info_url("a.png"), there.test_client()
    assert client.get(url).status_code == 200
    etag = client.get(url).headers["ETag"]
    images(here).forget("a.png")
    answer = client.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.json) == (410, {"error": "This link has expired, or the image was removed."})
    with pytest.raises(Forgotten):
        images(there).info("a.png")
