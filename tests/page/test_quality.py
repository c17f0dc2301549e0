"""The quality that markup names: by the density of the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_images_vips import resized_img_attrs, resized_img_src, resized_img_srcset, resized_picture_tag
from flask_images_vips.page.links import build_url
from page.markup import parsed

DENSITIES = {2: 55, 3: 45}
MakeApp = Callable[..., Flask]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(IMAGES_DPR_QUALITY=DENSITIES)


def quality_in(url: str) -> str | None:
    return parse_qs(urlsplit(url).query).get("q", [None])[0]


def qualities(srcset: str) -> list[tuple[str, str | None]]:
    """The descriptors of a ``srcset``, each with the quality that its URL names."""
    return [(descriptor, quality_in(url)) for url, descriptor in (each.split(" ") for each in srcset.split(", "))]


@pytest.mark.usefixtures("page")
def test_denser_candidates_get_their_own_quality() -> None:
    attributes = resized_img_attrs("wide.jpg", width=200, densities=[1, 1.5, 2, 2.5, 3, 4])
    assert qualities(attributes["srcset"]) == [
        ("1x", None),
        ("1.5x", None),
        ("2x", "55"),
        ("2.5x", "55"),
        ("3x", "45"),
        ("4x", "45"),
    ]
    assert quality_in(attributes["src"]) is None


@pytest.mark.usefixtures("page")
def test_a_candidate_that_rounding_made_narrower_counts_as_dense() -> None:
    attributes = resized_img_attrs("wide.jpg", width=150, height=101, mode="crop", densities=[1, 2])
    assert [quality for _, quality in qualities(attributes["srcset"])] == [None, "55"]


@pytest.mark.usefixtures("page")
def test_candidates_by_width_keep_the_usual_quality() -> None:
    """The same file is dense on one screen and not on another."""
    attributes = resized_img_attrs("wide.jpg", width=300, layout="constrained")
    assert {quality for _, quality in qualities(attributes["srcset"])} == {None}
    assert {quality for _, quality in qualities(resized_img_srcset("wide.jpg", widths=[300, 900]))} == {None}


@pytest.mark.usefixtures("page")
def test_dpr_and_hidpi_get_the_quality_of_their_density() -> None:
    assert quality_in(resized_img_src("wide.jpg", width=100, dpr=2)) == "55"
    assert quality_in(build_url("wide.jpg", width=100, dpr=3)) == "45"
    assert quality_in(resized_img_src("wide.jpg", width=100, dpr=1.5)) is None
    assert quality_in(resized_img_attrs("wide.jpg", width=100, hidpi=2)["src"]) == "55"
    assert quality_in(resized_img_attrs("wide.jpg", width=100, hidpi=1.5)["src"]) == "60"
    assert quality_in(resized_img_attrs("wide.jpg", width=100, hidpi=2, hidpi_quality=30)["src"]) == "30"


@pytest.mark.usefixtures("page")
def test_a_call_that_names_a_quality_gets_that() -> None:
    assert quality_in(resized_img_src("wide.jpg", width=100, dpr=2, quality=80)) == "80"
    named = resized_img_attrs("wide.jpg", width=100, densities=[1, 2], quality=80)["srcset"]
    assert {quality for _, quality in qualities(named)} == {"80"}


@pytest.mark.usefixtures("page")
def test_a_format_without_quality_gets_none() -> None:
    assert quality_in(resized_img_src("a.png", width=20, dpr=2)) is None
    assert quality_in(resized_img_src("a.png", width=20, dpr=2, format="webp")) == "55"
    assert quality_in(resized_img_src("a.png", width=20, dpr=2, format="auto")) == "55"
    picture = parsed(resized_picture_tag("a.png", width=20, densities=[1, 2], formats=["webp"]))
    found = [[quality for _, quality in qualities(element.get("srcset"))] for element in picture]
    assert found == [[None, "55"], [None, None]]


def test_presets_that_are_the_only_options_stay_as_they_are(make_app: MakeApp, draw: Any) -> None:
    draw("wide.jpg", (1600, 800))
    presets = {"dense": {"width": 100, "dpr": 2}}
    app = make_app(IMAGES_DPR_QUALITY=DENSITIES, IMAGES_PRESETS=presets, IMAGES_ONLY_PRESETS=True)
    with app.test_request_context():
        url = resized_img_src("wide.jpg", preset="dense")
    assert quality_in(url) is None
    assert app.test_client().get(url).status_code == 200


def test_without_the_key_nothing_changes(make_app: MakeApp, draw: Any) -> None:
    draw("wide.jpg", (1600, 800))
    with make_app().test_request_context():
        assert quality_in(resized_img_src("wide.jpg", width=100, dpr=2)) is None
        assert quality_in(resized_img_attrs("wide.jpg", width=100, hidpi=2)["src"]) == "60"


@pytest.mark.usefixtures("page")
def test_what_is_lossless_gets_no_quality() -> None:
    assert quality_in(resized_img_src("wide.jpg", width=20, dpr=2, format="webp")) == "55"
    assert quality_in(resized_img_src("wide.jpg", width=20, dpr=2, format="webp", lossless=True)) is None
