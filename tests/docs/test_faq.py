"""docs/start/faq.md answers why an image was refused, for each status, and its claims are those of the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, url_of
from flask import Flask

from flask_images_vips import resized_img_tag
from flask_images_vips.serving.views import _STATUS

TEXT = (ROOT / "docs" / "start" / "faq.md").read_text("utf-8")


def test_every_status_has_an_answer() -> None:
    assert set(re.findall(r"^### Why (\d+)\?$", TEXT, re.MULTILINE)) == {str(status) for status, _ in _STATUS.values()}


def test_a_new_quality_keeps_urls_and_a_new_key_changes_them(
    make_app: Callable[..., Flask], photograph: Callable[[str], Path]
) -> None:
    photograph("cat.jpg")
    usual, finer = make_app(SECRET_KEY="old"), make_app(SECRET_KEY="old", IMAGES_QUALITY=95)
    renewed = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    before, after, signed_anew = (url_of(app, "cat.jpg", width=200) for app in (usual, finer, renewed))
    assert before == after != signed_anew
    smaller, larger = (len(app.test_client().get(before).data) for app in (usual, finer))
    assert smaller < larger
    assert renewed.test_client().get(before).status_code == 200


def test_a_key_is_changed_in_two_steps_while_old_workers_run(
    make_app: Callable[..., Flask], photograph: Callable[[str], Path]
) -> None:
    photograph("cat.jpg")
    url = url_of(make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]), "cat.jpg", width=200)
    old, prepared = make_app(SECRET_KEY="old"), make_app(SECRET_KEY="old", SECRET_KEY_FALLBACKS=["new"])
    assert [app.test_client().get(url).status_code for app in (old, prepared)] == [404, 200]


def test_pictures_are_not_enlarged_unless_asked(app: Flask, photograph: Callable[[str], Path]) -> None:
    photograph("cat.jpg")
    with app.test_request_context():
        assert ' width="451"' in resized_img_tag("cat.jpg", width=900)
        assert ' width="900"' in resized_img_tag("cat.jpg", width=900, enlarge=True)


@pytest.mark.parametrize(("accept", "type"), [("image/avif,image/webp", "avif"), ("image/webp", "webp"), ("", "jpeg")])
def test_the_format_is_chosen_by_the_browser(
    app: Flask, photograph: Callable[[str], Path], accept: str, type: str
) -> None:
    photograph("cat.jpg")
    answer = app.test_client().get(url_of(app, "cat.jpg", width=64, format="auto"), headers={"Accept": accept})
    assert answer.mimetype == f"image/{type}"
    assert "Accept" in answer.headers["Vary"]
