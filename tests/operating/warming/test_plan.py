"""The plan: what is wanted and not cached, in the order in which to make it."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import fetch, url_of
from flask import Flask

from flask_images_vips.formats import by_name
from flask_images_vips.operating.warming.plan import Plan, plan
from flask_images_vips.operating.warming.wanted import Placeholder, Wanted, label
from flask_images_vips.operating.warming.wanted import url_of as today
from flask_images_vips.state import images_of
from flask_images_vips.urls import encode


def wanted(app: Flask, name: str, count: int = 1, **keywords: Any) -> Wanted:
    path, _, query = url_of(app, name, **keywords).removeprefix("/imgsizer/").partition("?")
    with app.app_context():
        return Wanted(today(images_of(app), path, query.encode()), "here", count)


def planned(app: Flask, *urls: Wanted, formats: tuple[str, ...] = ("avif", "webp"), **keywords: Any) -> Plan:
    with app.app_context():
        return plan(images_of(app), urls, keywords.get("placeholders", ()), [by_name(name) for name in formats])


def missing(made: Plan) -> list[str]:
    return [label(task.verified.url) for task in made.missing]


def test_the_most_wanted_come_first_and_each_rendition_once(app: Flask, draw: Any) -> None:
    draw("a.jpg")
    draw("b.jpg")
    fetch(app, "a.jpg", width=1)
    often = wanted(app, "b.jpg", 9, width=2)
    same = wanted(app, "b.jpg", width=2, download="x.jpg")
    made = planned(app, wanted(app, "a.jpg", width=1), wanted(app, "a.jpg", width=2), often, same)
    assert (missing(made), made.cached) == (["b.jpg?w=2", "a.jpg?w=2"], 1)
    made.limit(1)
    assert missing(made) == ["b.jpg?w=2"]


@pytest.mark.parametrize(
    ("path", "formats", "found"),
    [
        ("a.jpg", ("avif", "webp"), ["avif", "webp"]),
        ("a.jpg", ("webp",), ["webp"]),
        ("a.gif", ("avif", "webp"), ["webp"]),
        ("a.gif", ("avif",), ["gif"]),
        ("a.jpg", (), ["jpeg"]),
    ],
)
def test_an_automatic_format_stands_for_those_that_clients_get(
    path: str, formats: tuple[str, ...], found: list[str], app: Flask, draw: Any
) -> None:
    app.config["IMAGES_FORMATS"] = ["avif", "webp"]
    draw(path)
    made = planned(app, wanted(app, path, width=3, format="auto"), formats=formats)
    assert [task.verified.url.options.format.name for task in made.missing] == found  # type: ignore[union-attr]
    for name in found:
        accept = {"Accept": f"image/{name}"}
        app.test_client().get(url_of(app, path, width=3, format="auto"), headers=accept)
    made = planned(app, wanted(app, path, width=3, format="auto"), formats=formats)
    assert (missing(made), made.cached) == ([], len(found))


def test_what_the_site_refuses_or_does_not_cache_is_left_out(make_app: Any, draw: Any) -> None:
    app = make_app(IMAGES_OUTPUT_FORMATS=["jpeg"])
    draw("a.jpg")
    urls = [
        wanted(app, "a.jpg", width=3, cache=False),
        wanted(app, "a.jpg", width=3, expires=4_000_000_000),
        wanted(app, "gone.jpg", width=3),
        wanted(app, "a.jpg", width=3, format="png"),
    ]
    made = planned(app, *urls)
    assert (missing(made), made.skipped) == ([], 2)
    reasons = [problem.reason for problem in made.problems]
    assert ["no such file in IMAGES_PATH" in reasons[0], "IMAGES_OUTPUT_FORMATS" in reasons[1]] == [True, True]


def test_a_remote_source_that_was_not_fetched_is_missing(app: Flask) -> None:
    url = wanted(app, "https://example.org/a.jpg", width=3)
    made = planned(app, url, url)
    assert missing(made) == ["https://example.org/a.jpg?w=3"]


def test_placeholders_that_are_known_are_left_out(app: Flask, draw: Any) -> None:
    draw("a.jpg")
    placeholders = [Placeholder("a.jpg", "color", "here"), Placeholder("gone.jpg", "color", "here")]
    assert planned(app, placeholders=placeholders).placeholders == placeholders[:1]
    with app.app_context():
        pipeline = images_of(app).pipeline
        pipeline.placeholder(pipeline.sources.local.find("a.jpg"), "color")
    assert planned(app, placeholders=placeholders).placeholders == []


def test_a_url_of_an_earlier_release_is_renewed(make_app: Any, draw: Any) -> None:
    app = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    draw("a.jpg")
    images = images_of(app)
    with app.app_context():
        old = encode("a.jpg", {"w": "3"}, "OLD", "old")
        path, _, query = old.partition("?")
        url = today(images, path, query.encode())
        assert f"/imgsizer/{url.canonical}" == url_of(app, "a.jpg", width=3)
