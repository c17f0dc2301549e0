"""Pages and sitemaps, which the application itself answers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, redirect, render_template_string

from flask_images_vips import Images, resized_img_hint, resized_img_src, resized_img_tag
from flask_images_vips.operating.warming.pages import Pages
from flask_images_vips.operating.warming.wanted import label


def add_pages(app: Flask, draw: Any) -> None:
    draw("a.jpg")
    draw("b'(c), d.jpg")
    index = "<sitemapindex><loc>/one.xml</loc><loc>/two.xml.gz</loc><loc>/index.xml</loc></sitemapindex>"
    app.add_url_rule("/index.xml", "index", lambda: index)
    app.add_url_rule(
        "/one.xml", "one", lambda: "<urlset><url><loc>\n http://localhost/tag?x=1&amp;y=2</loc></url></urlset>"
    )
    packed = gzip.compress(b"<urlset><url><loc>/data</loc></url></urlset>")
    app.add_url_rule("/two.xml.gz", "two", lambda: packed)
    app.add_url_rule("/old", "old", lambda: redirect("/tag"))
    app.add_url_rule("/away", "away", lambda: redirect("https://example.org/"))

    @app.get("/tag")
    def tag() -> str:
        resized_img_hint("a.jpg", width=3)
        style = '<div style="background: url(\'{{ resized_img_src("a.jpg", width=4) }}\')">'
        return str(resized_img_tag("b'(c), d.jpg", width=2, densities=[1, 2])) + render_template_string(style)

    @app.get("/data")
    def data() -> Any:
        return jsonify([resized_img_src("a.jpg", width=w) for w in (5, 6)])

    @app.get("/script")
    def script() -> str:
        return render_template_string("<script>show({{ resized_img_src('a.jpg', width=7)|tojson }})</script>")

    @app.get("/broken")
    def broken() -> str:
        raise KeyError("a fault of the view")


def test_every_image_url_in_a_page_is_found(app: Flask, draw: Any) -> None:
    add_pages(app, draw)
    pages = Pages(app)
    found = {page: {label(each.url) for each in pages.wanted([page])} for page in ("/tag", "/data", "/script", "old")}
    tag = {"b'(c), d.jpg?w=2", "b'(c), d.jpg?w=4", "a.jpg?w=3", "a.jpg?w=4"}
    assert found["/tag"] == found["old"] >= tag
    assert found["/data"] == {"a.jpg?w=5", "a.jpg?w=6"}
    assert found["/script"] == {"a.jpg?w=7"}
    assert pages.problems == []


def test_a_sitemap_may_be_an_index_and_compressed(app: Flask, draw: Any) -> None:
    add_pages(app, draw)
    pages = Pages(app)
    assert list(pages.in_sitemap("/index.xml")) == ["http://localhost/tag?x=1&y=2", "/data"]
    assert len([*pages.wanted(pages.in_sitemap("/index.xml"))]) >= 6
    assert pages.problems == []


def test_a_page_that_cannot_be_fetched_is_a_problem(app: Flask, draw: Any) -> None:
    add_pages(app, draw)
    for debug in (False, True):
        app.testing = debug
        pages = Pages(app)
        assert [*pages.wanted(["/none", "/broken", "/away"])] == []
        reasons = [problem.reason for problem in pages.problems]
        assert reasons[0] == "the application answered with status 404 NOT FOUND"
        assert ("KeyError: 'a fault of the view'" in reasons[1]) if debug else ("500" in reasons[1])
        assert "it cannot be fetched: RuntimeError" in reasons[2]


def test_a_page_whose_body_or_url_is_damaged_is_a_problem(app: Flask) -> None:
    def ends_early() -> Iterator[str]:
        yield "<p>"
        raise LookupError("the database is down")

    app.add_url_rule("/stream", "stream", lambda: Response(ends_early()))
    app.add_url_rule("/gzip", "gzip", lambda: b"\x1f\x8b\x08\0 but no gzip")
    pages = Pages(app)
    assert list(pages.wanted(["/stream", "/gzip", "http://["])) == []
    assert [problem.origin for problem in pages.problems] == ["/stream", "/gzip", "http://["]
    assert all(problem.reason.startswith("it cannot be fetched: ") for problem in pages.problems)


def test_where_hosts_are_told_apart_a_path_is_answered_with_advice(tmp_path: Path) -> None:
    app = Flask("site", root_path=str(tmp_path), host_matching=True, static_host="shop.example.com")
    app.config.update(SECRET_KEY="a secret", IMAGES_CACHE=str(tmp_path / "cache"))
    Images(app)
    app.add_url_rule("/", "home", lambda: "<p>", host="shop.example.com")
    pages = Pages(app)
    assert list(pages.wanted(["https://shop.example.com/", "/"])) == []
    (problem,) = pages.problems
    assert (problem.origin, "pass the whole URL" in problem.reason) == ("/", True)
