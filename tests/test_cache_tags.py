"""Cache tags: each response names the sources that it shows, in words that every cache takes."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from conftest import url_of
from hypothesis import given
from hypothesis import strategies as st
from serving.test_views import age

from flask_images_vips import Images
from flask_images_vips.cache_tags import can_nginx_tag, tag_of
from flask_images_vips.cdn.tag_headers import TAG_HEADERS
from flask_images_vips.config.keys import Config
from flask_images_vips.options.options import Options
from flask_images_vips.serving.hit import verify
from flask_images_vips.state import AppImages, images_of
from flask_images_vips.urls import ImageUrl

HEADERS = {header.name for header in TAG_HEADERS.values()}


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("cloudflare", ("Cache-Tag", "image,image:photos/a%20b.png")),
        ("cloudfront", ("Cache-Tag", "image,image:photos/a%20b.png")),
        ("fastly", ("Surrogate-Key", "image image:photos/a%20b.png")),
        ("varnish", ("xkey", "image image:photos/a%20b.png")),
        (["fastly", "varnish"], ("xkey", "image image:photos/a%20b.png")),
    ],
)
def test_each_response_has_the_tag_of_its_source(make_app: Any, draw: Any, kind: Any, header: tuple[str, str]) -> None:
    app = make_app(IMAGES_CACHE_TAGS=kind, IMAGES_FALLBACK="missing.png")
    age(draw("photos/a b.png"))
    url, other = url_of(app, "photos/a b.png", width=9), url_of(app, "photos/a b.png", mode="crop", width=5, height=4)
    client = app.test_client()
    answers = [client.get(url), client.get(url), client.get(other), client.head(url)]
    etag = answers[0].headers["ETag"]
    answers += [client.get(url, headers={"Range": "bytes=0-9"}), client.get(url, headers={"If-None-Match": etag})]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 206, 304]
    assert {answer.headers.get(header[0]) for answer in answers} == {header[1]}


def test_a_picture_has_the_tag_of_its_watermark_too(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_CACHE_TAGS="fastly")
    draw("a.png")
    draw("logos/b.png")
    answer = app.test_client().get(url_of(app, "a.png", width=20, watermark="logos/b.png"))
    assert answer.headers["Surrogate-Key"] == "image image:a.png image:logos/b.png"


def test_what_a_cache_keeps_for_a_minute_can_be_purged_too(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_CACHE_TAGS="varnish")
    draw("a.png")
    images: Images = app.extensions["images"]
    images.forget("a.png")
    client = app.test_client()
    missing, gone = client.get(url_of(app, "b.png", width=9)), client.get(url_of(app, "a.png", width=9))
    assert [(answer.status_code, answer.headers["xkey"]) for answer in (missing, gone)] == [
        (404, "image image:b.png"),
        (410, "image image:a.png"),
    ]
    draw("c.png")
    assert client.get(images_url(images, "c.png")).headers["xkey"] == "image image:c.png"
    assert "xkey" not in client.get("/imgsizer/a.png?w=9&s=wrong").headers  # strangers choose no tags


def images_url(images: Images, path: str) -> str:
    app = images._images.app
    with app.test_request_context():
        return images.info_url(path)


def test_no_header_is_sent_unless_it_is_asked_for(app: Any, draw: Any) -> None:
    draw("a.png")
    answer = app.test_client().get(url_of(app, "a.png", width=9))
    assert not HEADERS & set(answer.headers.keys())


@pytest.mark.parametrize(
    ("ref", "tag"),
    [
        ("a/b.jpg", "image:a/b.jpg"),
        ("bücher/ä.jpg", "image:b%C3%BCcher/%C3%A4.jpg"),
        ("a, b.jpg", "image:894da8278bce0b63d189c2cad0d1891b"),
        ("http://EXAMPLE.com:80/%7ea.jpg#x", "image:http%3A%2F%2Fexample.com%2F~a.jpg"),
        ("http://example.com/~a.jpg", "image:http%3A%2F%2Fexample.com%2F~a.jpg"),
    ],
)
def test_the_tag_of_a_source_is_its_name_in_urls(ref: str, tag: str) -> None:
    assert tag_of(ref) == tag


@given(st.text(min_size=1, max_size=300))
def test_every_name_has_a_tag_that_every_cache_takes(name: str) -> None:
    tag = tag_of(name)
    assert tag.isascii()
    assert tag.isprintable()
    assert not set(' ,*"\\') & set(tag)
    assert len(tag) <= 256


def test_different_names_have_different_tags() -> None:
    names = ["a.jpg", "A.jpg", "a", "a,b", "a, b", "a%2Cb", "x" * 300, "x" * 301, "a/b", "a%2Fb", "http://a/b"]
    assert len({tag_of(name) for name in names}) == len(names)


def test_nginx_links_only_to_what_it_can_tag(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_CACHE_TAGS="varnish", IMAGES_FRONT_DOOR=True)
    for name in ("a.png", "b.png", "a, b.png"):
        age(draw(name))
    images = images_of(app)
    assert link(images, url_of(app, "a.png", width=9)) is not None
    assert link(images, url_of(app, "a, b.png", width=9)) is None
    assert link(images, url_of(app, "a.png", width=9, watermark="b.png")) is None
    without = images_of(make_app(IMAGES_FRONT_DOOR=True))
    assert link(without, url_of(app, "a.png", width=9, watermark="b.png")) is not None


def link(images: AppImages, url: str) -> str | None:
    path, _, query = url.removeprefix("/imgsizer/").partition("?")
    with images.app.test_request_context():
        return verify(images, unquote(path), query.encode(), "").hit().link


def test_nginx_tags_a_url_by_its_source_in_the_query() -> None:
    config = Config.read({"IMAGES_CACHE_TAGS": "varnish"})
    ref = "http://example.com/a.jpg"
    canonical = "_?au=1&u=http%3A%2F%2Fexample.com%2Fa.jpg&w=9&s=x"
    url = ImageUrl(ref, Options(), None, remote=True, canonical=canonical)
    assert can_nginx_tag(url, config)
    other = ImageUrl("HTTP://example.com/a.jpg", Options(), None, remote=True, canonical=canonical)
    assert can_nginx_tag(other, config)  # a spelling of the same URL, which has the same tag
    assert not can_nginx_tag(ImageUrl("_", Options(), None, canonical=canonical), config)
