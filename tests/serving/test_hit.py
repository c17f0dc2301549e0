"""The hits of URLs: what is remembered, and when it is renewed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, signed, url_of
from flask import Flask

from flask_images_vips.errors import BadSignature, Expired, InvalidOption
from flask_images_vips.serving.hit import VerifiedUrl, verify
from flask_images_vips.state import images_of
from serving.test_views import age


def verified(app: Flask, url: str, accept: str = "") -> VerifiedUrl:
    path, _, query = url.removeprefix("/imgsizer/").partition("?")
    return verify(images_of(app), path, query.encode(), accept)


def test_a_url_is_verified_once_and_until_a_secret_key_changes(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=20)
    first = verified(app, url)
    assert verified(app, url) is first
    app.config["SECRET_KEY_FALLBACKS"] = ["an older secret"]
    assert verified(app, url) is not first
    app.secret_key = "another"
    with pytest.raises(BadSignature):
        verified(app, url)
    app.config["SECRET_KEY_FALLBACKS"].append("a secret")  # the list itself is changed
    assert verified(app, url).url.canonical is None


def test_what_is_refused_is_not_remembered(app: Flask, draw: Any) -> None:
    draw("a.png")
    for url, error in ((url_of(app, "a.png") + "x", BadSignature), (signed(app, "a.png", "w=abc"), InvalidOption)):
        for _ in range(2):
            with pytest.raises(error):
                verified(app, url)


def test_each_format_that_a_client_can_choose_has_hits_of_its_own(app: Flask, draw: Any) -> None:
    draw("a.png")
    url = url_of(app, "a.png", width=20, format="auto")
    hits = {accept: verified(app, url, accept).hit() for accept in ("image/avif", "image/webp", "*/*")}
    assert [hit.rendition.format.name for hit in hits.values()] == ["avif", "webp", "png"]
    for accept, hit in hits.items():
        assert verified(app, url, accept).hit() is hit
        assert hit.url.negotiated
        assert ("Vary", "Accept") in hit.headers
    assert not verified(app, url_of(app, "a.png", width=20)).url.negotiated


def test_a_hit_stays_as_it_is_while_the_next_request_finds_another_version(app: Flask, draw: Any) -> None:
    age(draw("a.png", (64, 48)), 7200)
    known = verified(app, url_of(app, "a.png", width=20))
    before = known.hit()
    age(draw("a.png", (48, 64)))
    after = known.hit()
    now = int(time.time())
    assert before.path != after.path
    assert (before.freshness.at(now, "public"), after.freshness.at(now, "public")) == (
        ("public, max-age=31536000, immutable", 31_536_000),
        ("public, max-age=60", 60),
    )
    assert known.last is after


def test_a_changed_watermark_renews_the_hit(app: Flask, draw: Any) -> None:
    age(draw("a.png"))
    age(draw("mark.png"), 7200)
    known = verified(app, url_of(app, "a.png", width=20, watermark="mark.png,se,1,0.5"))
    before = known.hit()
    assert known.hit() is before
    age(draw("mark.png"), 3600)
    assert known.hit().path != before.path


def test_an_entry_is_found_once_it_is_rendered_unless_the_url_forbids_caching(app: Flask, draw: Any) -> None:
    draw("a.png")
    for keywords, kept in (({}, True), ({"cache": False}, False)):
        url = url_of(app, "a.png", width=20, **keywords)
        assert verified(app, url).hit().entry() is None
        assert app.test_client().get(url).status_code == 200
        entry = verified(app, url).hit().entry()
        assert (entry is not None) is kept
        if entry is not None:
            entry.close()


def test_a_hit_has_a_link_only_if_its_url_names_the_present_version(make_app: Any, draw: Any) -> None:
    age(draw("a.png"))
    app = make_app(IMAGES_FRONT_DOOR=True)
    url = url_of(app, "a.png", width=20)
    assert verified(app, url).hit().link is not None
    assert verified(app, signed(app, "a.png", "v=AAAB&w=20")).hit().link is None
    assert verified(app, signed(app, "a.png", "w=20")).hit().link is None
    age(draw("a.png"), 7200)
    assert verified(app, url).hit().link is None


def test_a_url_that_has_expired_has_no_hit(app: Flask, draw: Any) -> None:
    draw("a.png")
    known = verified(app, url_of(app, "a.png", expires=1))
    with pytest.raises(Expired):
        known.hit()
    assert known.last is None


def test_a_replaced_source_is_another_rendition(app: Flask, draw: Any) -> None:
    draw("a.png", (64, 48))
    assert fetch(app, "a.png", width=32).size == (32, 24)
    path = draw("a.png", (48, 64))
    age(path, 1)
    assert fetch(app, "a.png", width=32).size == (32, 42)


def test_a_source_in_the_second_folder_is_looked_up_for_each_hit_and_decided_on_once(
    make_app: Any, draw: Any, tmp_path: Path
) -> None:
    draw("a.png")
    (tmp_path / "first").mkdir()
    app = make_app(IMAGES_PATH=["first", "static"])
    url = url_of(app, "a.png", width=20)
    with app.app_context():
        images = app.extensions["flask_images_vips"]
    answers = []
    for _ in range(3):
        assert app.test_client().get(url).status_code == 200
        path, _, query = url.removeprefix("/imgsizer/").partition("?")
        answers.append(verify(images, path, query.encode(), "").last)
    assert answers[0] is answers[1] is answers[2]
