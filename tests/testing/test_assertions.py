"""`assert_images_ok`: which pages pass, what it says of those that fail, and how it finds the application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, render_template_string, session
from werkzeug.test import Client

from flask_images_vips import Images
from flask_images_vips.testing import assert_images_ok

PAGES = {
    "/right": "{{ resized_img_tag('a.jpg', width=300, priority=True) }}",
    "/wrong": "<h1>Cats</h1>\n<img src=\"{{ resized_img_src('a.jpg', width=300) }}\">\n"
    "{{ resized_img_tag('gone.jpg', width=300, height=200) }}",
    "/static-only": "<img src='/static/a.jpg' width=300 height=200>",
    "/made": "<img src='/made.png' width=3 height=2><img src='/text' width=3 height=2>",
}


@pytest.fixture
def pages(make_app: Callable[..., Flask], draw: Any) -> Flask:
    draw("a.jpg", (900, 600))
    app = make_app(IMAGES_ENGINE="boxes")
    app.testing = True
    for number, (rule, template) in enumerate(PAGES.items()):
        app.add_url_rule(rule, f"page{number}", lambda template=template: render_template_string(template))
    app.add_url_rule("/text", "text", lambda: "a text")
    app.add_url_rule("/data", "data", lambda: {"a": 1})
    return app


def test_a_right_page_passes(pages: Flask) -> None:
    assert_images_ok(pages.test_client().get("/right"))
    with pages.test_client() as client:
        assert_images_ok(client.get("/right"), client=client)


def test_all_findings_are_listed_with_their_lines_and_images(pages: Flask) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_images_ok(pages.test_client().get("/wrong"))
    head, *lines = str(caught.value).splitlines()
    assert head == "2 findings about 2 images of /wrong:"
    assert lines[0].startswith("  dimensions: line 2, a.jpg: has no width and height")
    assert lines[1].startswith("  missing: line 3, gone.jpg: no such file in IMAGES_PATH")


def test_kinds_can_be_ignored_and_images_skipped(pages: Flask) -> None:
    page = pages.test_client().get("/wrong")
    assert_images_ok(page, ignore=("dimensions", "missing"))
    assert_images_ok(page, ignore=["dimensions"], skip=["gone.*"])
    assert_images_ok(pages.test_client().get("/made"), skip=["/made.*"])
    with pytest.raises(AssertionError, match="1 finding about"):
        assert_images_ok(page, ignore=["missing"])
    with pytest.raises(ValueError, match=r"ignore='dimension': expected one of missing, .*did you mean dimensions"):
        assert_images_ok(page, ignore=["dimension"])


def test_what_is_too_large_is_a_matter_of_choice(pages: Flask) -> None:
    page = pages.test_client().get("/static-only")
    with pytest.raises(AssertionError, match=r"large: line 1, /static/a.jpg: has 900×600 pixels"):
        assert_images_ok(page)
    assert_images_ok(page, most=3)


def test_what_is_no_page_fails(pages: Flask) -> None:
    with pytest.raises(AssertionError, match="/nowhere is not a page: it has status 404"):
        assert_images_ok(pages.test_client().get("/nowhere"))
    with pytest.raises(AssertionError, match="type application/json"):
        assert_images_ok(pages.test_client().get("/data"))


def test_with_a_client_each_image_is_requested_as_its_visitor(make_app: Callable[..., Flask], draw: Any) -> None:
    draw("a.jpg")
    app = make_app(IMAGES_ENGINE="boxes")
    app.testing = True
    images: Images = app.extensions["images"]

    @images.authorize
    def allowed(ref: str, options: Any) -> bool:
        return bool(session.get("member"))

    @app.get("/")
    def page() -> str:
        return render_template_string("{{ resized_img_tag('a.jpg', width=20, srcset='/text 2x') }}")

    @app.get("/log-in")
    def log_in() -> str:
        session["member"] = True
        return ""

    app.add_url_rule("/text", "text", lambda: "a text")
    client = app.test_client()
    assert_images_ok(client.get("/"))  # nobody is asked
    with pytest.raises(AssertionError, match="answers 403"):
        assert_images_ok(client.get("/"), client=client)
    client.get("/log-in")
    with pytest.raises(AssertionError, match="/text answers with text/html, which is no image"):
        assert_images_ok(client.get("/"), client=client)
    assert_images_ok(client.get("/"), client=client, ignore=["missing"])


def test_images_below_a_prefix_are_requested_below_it(pages: Flask) -> None:
    client = pages.test_client()
    assert_images_ok(client.get("/right", base_url="https://site.example/shop/"), client=client)
    pages.config["APPLICATION_ROOT"] = "/shop"
    assert_images_ok(client.get("/right"), client=client)


def test_the_application_is_that_of_the_client_or_the_given_or_the_current_one(
    pages: Flask, make_app: Callable[..., Flask]
) -> None:
    other = Flask("other")
    with other.app_context():
        assert_images_ok(pages.test_client().get("/right"))
    plain = Client(pages).get("/right")  # Werkzeug's client knows no application
    assert_images_ok(plain, app=pages)
    with pages.app_context():
        assert_images_ok(plain)
    with pytest.raises(TypeError, match="needs the application that sent the page"):
        assert_images_ok(plain)
    with pytest.raises(TypeError, match="other has no images: call Images"):
        assert_images_ok(plain, app=other)
