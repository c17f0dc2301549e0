"""What a picture offers: its size, its candidates, more pixels for dense screens."""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from flask import Flask, render_template_string
from PIL import Image

from flask_images_vips import (
    resized_img_attrs,
    resized_img_placeholder,
    resized_img_size,
    resized_img_src,
    resized_img_tag,
)
from flask_images_vips.page.picture import Offer, Picture, ResponsivePicture
from page.markup import offered


@pytest.mark.usefixtures("page")
def test_sizes_are_those_of_the_rendition_by_default() -> None:
    size = resized_img_size("a.png", width=128)
    assert size is not None
    assert (size.width, size.needs_enlarge) == (64, True)


def test_the_size_of_what_has_none_is_none(page: Flask, caplog: Any) -> None:
    (Path(page.root_path) / "static" / "text.png").write_text("no picture")
    for name in ("missing.png", "text.png", "http://example.com/a.png"):
        assert resized_img_size(name, width=10) is None
    assert resized_img_size("a.png", width="abc") is None
    assert len(caplog.records) == 3  # that a remote one was not fetched yet is nothing to tell anybody of


@pytest.mark.usefixtures("page")
def test_hidpi_asks_for_more_pixels_where_the_source_has_them() -> None:
    twice = resized_img_attrs("a.png", width=32, hidpi=2, hidpi_quality=40)
    assert (twice["width"], twice["height"], twice["data-hidpi-scale"]) == (32, 24, 2)
    assert twice["src"] == resized_img_src("a.png", width=64, quality=40)
    too_large = resized_img_attrs("a.png", width=33, hidpi=2, hidpi_quality=40)
    assert too_large["data-hidpi-scale"] is False
    assert too_large["src"] == resized_img_src("a.png", width=33)
    assert resized_img_attrs("a.png", width="32", hi_dpi="2")["src"] == resized_img_src("a.png", width=64, quality=60)


@pytest.mark.usefixtures("page")
def test_no_candidate_is_wider_than_the_source_unless_it_may_be() -> None:
    assert offered(resized_img_attrs("small.png", width=50, layout="constrained")["srcset"]) == ["50w", "64w"]
    assert offered(resized_img_attrs("small.png", width=500, layout="constrained")["srcset"]) == ["64w"]
    enlarged = resized_img_attrs("small.png", width=500, layout="constrained", enlarge=True)
    assert offered(enlarged["srcset"]) == ["500w", "640w", "750w", "828w", "960w", "1000w"]


def test_no_candidate_is_over_the_limits_of_the_configuration(make_app: Any, draw: Any) -> None:
    draw("wide.jpg", (1600, 800))
    app = make_app(IMAGES_MAX_WIDTH=1000)
    with app.test_request_context():
        assert offered(resized_img_attrs("wide.jpg", layout="full")["srcset"]) == ["640w", "750w", "828w", "960w"]


def test_every_candidate_is_served_in_the_size_that_its_descriptor_says(page: Flask) -> None:
    tags = (
        resized_img_attrs("wide.jpg", width=700, layout="constrained"),
        resized_img_attrs("wide.jpg", width=333, height=500, mode="crop", layout="constrained"),
        resized_img_attrs("wide.jpg", width="300", height="300", mode="fit", layout="full"),
        resized_img_attrs("wide.jpg", height=301, layout="constrained", format="webp"),
        resized_img_attrs("wide.jpg", width=90, layout="constrained", transform="EXTENT,200,50,0,0,50%,50%"),
    )
    for tag in tags:
        for candidate in tag["srcset"].split(", "):
            url, descriptor = candidate.split(" ")
            response = page.test_client().get(url)
            assert response.status_code == 200, response.text
            assert f"{Image.open(io.BytesIO(response.data)).width}w" == descriptor


def test_an_animation_is_offered_in_sizes_that_are_served_and_stands_still_in_its_placeholder(
    make_app: Any, static: Path
) -> None:
    frames = [gradient((400, 300)).rotate(angle) for angle in range(0, 200, 10)]
    frames[0].save(static / "a.gif", save_all=True, append_images=frames[1:])
    app = make_app(IMAGES_MAX_OUTPUT_PIXELS=1_000_000)
    with app.app_context():
        page = html.unescape(render_template_string("{{ resized_img_tag('a.gif', width=200, layout='constrained') }}"))
        still = base64.b64decode(resized_img_placeholder("a.gif").partition("base64,")[2])
    urls = set(re.findall(r"/imgsizer/[^ \",]+", page))
    assert {app.test_client().get(url).status_code for url in urls} == {200}
    assert getattr(Image.open(io.BytesIO(still)), "n_frames", 1) == 1


def test_a_missing_picture_is_logged_once_also_where_more_pixels_are_wanted(page: Flask, caplog: Any) -> None:
    assert resized_img_attrs("gone.jpg", width=50, hidpi=2)["data-hidpi-scale"] is False
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("page")
def test_two_pictures_of_one_file_share_its_source() -> None:
    picture = Picture("wide.jpg", {"width": 50})
    assert Picture("/wide.jpg", {"width": 60}, same=picture).source is picture.source
    assert Picture("small.png", {}, same=picture).source is not picture.source


@pytest.mark.usefixtures("page")
def test_a_responsive_picture_has_two_sides_in_place_of_an_aspect_and_no_dpr() -> None:
    picture = ResponsivePicture("wide.jpg", {"width": 200, "aspect": "1:1", "mode": "crop", "dpr": 2})
    assert picture.keywords == {"width": 200, "height": 200, "mode": "crop"}
    assert picture.shown == (200, 200)


def test_a_preset_is_expanded_once_for_all_candidates(make_app: Any, draw: Any, monkeypatch: Any) -> None:
    draw("wide.jpg", (1600, 800))
    app = make_app(IMAGES_PRESETS={"hero": {"width": 700}})
    presets = app.extensions["images"].pipeline.presets
    expanded: list[object] = []
    own = presets.expanded
    monkeypatch.setattr(presets, "expanded", lambda keywords: expanded.append(keywords) or own(keywords))
    with app.test_request_context():
        offer = resized_img_attrs("wide.jpg", preset="hero", layout="constrained")
    assert len(offered(offer["srcset"])) == 8
    assert len(expanded) == 1


def test_presets_alone_are_offered_once_and_refused_with_one_line(make_app: Any, draw: Any, caplog: Any) -> None:
    draw("wide.jpg", (1600, 800))
    app = make_app(IMAGES_PRESETS={"hero": {"width": 700}}, IMAGES_ONLY_PRESETS=True)
    with app.test_request_context():
        assert resized_img_attrs("wide.jpg", preset="hero", layout="constrained")["srcset"] is None
        assert not caplog.records
        resized_img_tag("wide.jpg", width=70, layout="constrained")
    assert len(caplog.records) == 1


def test_an_offer_of_one_has_no_srcset() -> None:
    assert Offer.of_one("/a").attributes("50vw", lazy=True) == {"srcset": None}
    assert Offer("/a", "/a 9w", "9px").attributes(None, lazy=True) == {"srcset": "/a 9w", "sizes": "auto, 9px"}
    assert Offer("/a", "/a 9w", "9px").attributes("50vw", lazy=False) == {"srcset": "/a 9w", "sizes": "50vw"}


@pytest.mark.usefixtures("page")
def test_a_url_that_is_not_fetched_yet_has_the_size_that_was_asked_for() -> None:
    url = "http://example.com/a.jpg"
    sides = {"width": 300, "height": 200}
    for keywords in (sides, sides | {"hidpi": 2}, sides | {"hidpi": 2, "enlarge": True}, sides | {"layout": "fixed"}):
        found = resized_img_attrs(url, **keywords)
        assert (found["width"], found["height"]) == (300, 200), keywords
    assert "w=600" in resized_img_attrs(url, hidpi=2, enlarge=True, **sides)["src"]
    assert "width" not in resized_img_attrs(url, mode="fit", **sides)
