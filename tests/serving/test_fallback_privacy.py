"""Who may see IMAGES_FALLBACK, which is sent in place of a missing picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from conftest import url_of
from flask import Flask, abort
from PIL import Image

from flask_images_vips import PUBLIC, Public
from flask_images_vips.options.options import Options

Answers = dict[str, bool | Public | None]


@pytest.fixture
def make_guarded(make_app: Any, draw: Any) -> Callable[[Answers], Flask]:
    """Makes an application whose callback returns what is given for each source."""

    def make(answers: Answers) -> Flask:
        draw("fallback.png")
        app: Flask = make_app(IMAGES_FALLBACK="fallback.png")
        app.extensions["images"].authorize(lambda ref, options: answers[ref])
        return app

    return make


@pytest.mark.parametrize(
    ("missing", "fallback", "cache_control"),
    [
        (PUBLIC, PUBLIC, "public, max-age=60"),
        (PUBLIC, True, "private, max-age=60"),
        (True, PUBLIC, "private, max-age=60"),
        (True, True, "private, max-age=60"),
    ],
)
def test_a_fallback_is_as_private_as_its_source_and_the_missing_one(
    make_guarded: Any, missing: bool | Public, fallback: bool | Public, cache_control: str
) -> None:
    app = make_guarded({"gone.png": missing, "fallback.png": fallback})
    for _ in range(2):
        response = app.test_client().get(url_of(app, "gone.png", width=20))
        assert (response.status_code, response.headers["Cache-Control"]) == (404, cache_control)
        assert Image.open(io.BytesIO(response.data)).size == (20, 15)


@pytest.mark.parametrize("refused", [False, None])
@pytest.mark.parametrize(("missing", "cache_control"), [(PUBLIC, "public, max-age=60"), (True, "private, max-age=60")])
def test_a_fallback_that_the_callback_refuses_leaves_the_text(
    make_guarded: Any, caplog: Any, missing: bool | Public, cache_control: str, refused: bool | None
) -> None:
    app = make_guarded({"gone.png": missing, "fallback.png": refused})
    response = app.test_client().get(url_of(app, "gone.png", width=20))
    assert (response.status_code, response.headers["Cache-Control"]) == (404, cache_control)
    assert (response.mimetype, response.text) == ("text/plain", "There is no such image.\n")
    assert "IMAGES_FALLBACK = 'fallback.png' cannot be sent: the authorize callback " in caplog.text


def test_a_refused_picture_has_no_fallback(make_guarded: Any) -> None:
    app = make_guarded({"gone.png": False, "fallback.png": PUBLIC})
    response = app.test_client().get(url_of(app, "gone.png", width=20))
    assert (response.status_code, response.mimetype, response.headers["Cache-Control"]) == (
        *(403, "text/plain"),
        "no-store",
    )


def test_a_fallback_with_a_watermark_is_as_private_as_that(make_guarded: Any, draw: Any) -> None:
    draw("mark.png")
    app = make_guarded({"gone.png": PUBLIC, "fallback.png": PUBLIC, "mark.png": True})
    response = app.test_client().get(url_of(app, "gone.png", width=20, watermark="mark.png"))
    assert (response.status_code, response.mimetype) == (404, "image/png")
    assert response.headers["Cache-Control"] == "private, max-age=60"


def test_the_callback_is_told_the_options_that_the_fallback_is_rendered_with(make_app: Any, draw: Any) -> None:
    draw("fallback.png")
    app = make_app(IMAGES_FALLBACK="fallback.png")
    asked = []

    @app.extensions["images"].authorize
    def may_see(ref: str, options: Options) -> bool:
        asked.append((ref, options.width))
        if ref == "fallback.png":
            abort(418)
        return True

    assert app.test_client().get(url_of(app, "gone.png", width=20)).status_code == 418
    assert asked == [("gone.png", 20), ("fallback.png", 20)]


def test_an_error_about_a_private_picture_is_private(make_app: Any, draw: Any) -> None:
    draw("a.png")
    app = make_app()
    app.extensions["images"].authorize(lambda ref, options: True)
    for url, status in ((url_of(app, "gone.png"), 404), (url_of(app, "a.png", expires=1), 410)):
        response = app.test_client().get(url)
        assert (response.status_code, response.headers["Cache-Control"]) == (status, "private, max-age=60")
