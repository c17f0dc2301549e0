"""The page that asks for an image: the endpoint that its Referer matches."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import url_of
from flask import Flask, request

from flask_images_vips.serving.asking_page import ELSEWHERE, asking_page
from flask_images_vips.state import images_of


@pytest.fixture
def site(app: Flask) -> Flask:
    app.add_url_rule("/", "index", lambda: "")
    app.add_url_rule("/photos/<int:number>", "photo", lambda number: "")
    app.add_url_rule("/café/<int:number>", "cafe", lambda number: "")
    app.add_url_rule("/form", "form", lambda: "", methods=["POST"])
    app.add_url_rule("/folder/", "folder", lambda: "")
    return app


def page(app: Flask, referrer: str | None, **environ: Any) -> str:
    headers = {} if referrer is None else {"Referer": referrer}
    with app.test_request_context(url_of(app, "a.png", width=5), headers=headers, **environ):
        assert request.endpoint == "images"
        return asking_page(images_of(app))


@pytest.mark.parametrize(
    ("referrer", "endpoint"),
    [
        ("http://localhost/", "index"),
        ("http://localhost", "index"),
        ("http://localhost/photos/12?page=2#top", "photo"),
        ("http://localhost/caf%C3%A9/1", "cafe"),
        ("http://localhost/caf%FF/1", ""),
        ("http://localhost/photos/cat", ""),  # no rule
        ("http://localhost/form", ""),  # no page
        ("http://localhost/folder", ""),  # redirects
        ("http://example.com/photos/12", ELSEWHERE),
        ("http://localhost.example.com/", ELSEWHERE),
        ("http://[/", ""),
        ("/photos/12", ""),
        ("", ""),
        (None, ""),
        ("http://localhost/" + "%00" * 1000, ""),
        ("http://localhost/static/a.css", "static"),
    ],
)
def test_the_endpoint_is_that_of_the_referer(site: Flask, referrer: str | None, endpoint: str) -> None:
    assert page(site, referrer) == endpoint


def test_an_application_below_a_prefix(site: Flask) -> None:
    site.config["APPLICATION_ROOT"] = "/shop"
    environ = {"base_url": "http://localhost/shop"}
    with site.test_request_context("/imgsizer/a.png", headers={"Referer": "http://localhost/shop/photos/1"}, **environ):
        assert asking_page(images_of(site)) == "photo"


@pytest.mark.filterwarnings("ignore:Current server name")  # Flask before 3.1
def test_another_host_for_images_knows_the_name_of_the_site(site: Flask) -> None:
    site.config["SERVER_NAME"] = "www.example.com"
    images = images_of(site)
    with site.test_request_context(
        "/imgsizer/a.png", base_url="http://images.example.com", headers={"Referer": "http://www.example.com/"}
    ):
        assert asking_page(images) in ("index", "")  # Flask before 3.1 knows only the name of the site
    with site.test_request_context("/imgsizer/a.png", headers={"Referer": "http://www.example.com/photos/1"}):
        assert asking_page(images) == "photo"


def test_a_page_that_renders_asks_for_itself(site: Flask) -> None:
    with site.test_request_context("/photos/1", headers={"Referer": "http://localhost/"}):
        assert asking_page(images_of(site)) == "photo"
    with site.test_request_context("/nowhere"):
        assert asking_page(images_of(site)) == ""


def test_without_a_request_there_is_no_page(site: Flask) -> None:
    assert asking_page(images_of(site)) == ""
    with site.app_context():
        assert asking_page(images_of(site)) == ""
