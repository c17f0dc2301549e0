"""The widths that an application keeps to: when URLs are built, and when they are served."""

from __future__ import annotations

import io
from typing import Any

import pytest
from conftest import fetch, signed, url_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flask_images_vips import resized_img_attrs, resized_img_size, resized_img_src
from flask_images_vips.config.keys import Config
from flask_images_vips.errors import InvalidOption
from flask_images_vips.geometry import Size, lay_out
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.options.presets import Presets
from flask_images_vips.widths import Widths

ALLOWED = [100, 160, 320, 900]
PRESETS = {"avatar": {"width": 24, "height": 24, "mode": "crop"}, "banner": {"width": 60}, "tall": {"height": 40}}


@pytest.mark.parametrize(
    ("asked", "built"),
    [
        ({"width": 1}, "w=16"),
        ({"width": "16"}, "w=16"),
        ({"width": 17}, "w=32"),
        ({"width": 33}, "w=48"),
        ({"width": 10**6}, "w=48"),
        ({"width": 20, "height": 10, "mode": "crop"}, "h=16&m=crop&v=VERSION&w=32"),
        ({"width": 960, "height": 1}, "h=1&v=VERSION&w=48"),
        ({"height": 10}, "w=16"),
        ({"height": 12}, "h=12"),
        ({}, "w=48"),
        ({"width": 0}, "w=48"),
        ({"width": "wide"}, "w=wide"),
        ({"width": 10, "dpr": 2}, "w=32"),
        ({"width": 9, "dpr": 2, "border": 1}, "bo=1&dpr=2&v=VERSION&w=14"),
        ({"aspect": "1:1", "mode": "crop"}, "ar=1%3A1&m=crop"),
        ({"aspect": "2:1", "mode": "crop"}, "ar=2%3A1&m=crop&v=VERSION&w=48"),
        ({"height": 20, "aspect": "1:1", "mode": "crop"}, "h=32&m=crop&v=VERSION&w=32"),
        ({"width": 30, "height": 12, "mode": "fit"}, "h=12&m=fit&v=VERSION&w=30"),
        ({"width": 30, "height": 15, "mode": "fit"}, "m=fit&v=VERSION&w=32"),
        ({"width": 20, "padding": 4}, "pd=4&v=VERSION&w=24"),
        ({"width": 20, "border": (2, "red")}, "w=28"),
        ({"rotate": 90, "height": 10}, "rot=90&v=VERSION&w=16"),
        ({"region": (0, 0, 0.5, 1), "height": 10}, "w=16"),
        ({"width": 20, "padding": 30}, "w=20"),
    ],
)
def test_building_takes_the_next_larger_width_that_is_allowed(
    make_app: Any, draw: Any, asked: dict[str, Any], built: str
) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_ALLOWED_WIDTHS=[48, 16, 32])
    url = url_of(app, "a.png", **asked)
    for part in built.replace("v=VERSION&", "").split("&"):
        assert f"{part}&" in url
    answer = app.test_client().get(url)
    if "wide" in url or "pd=30" in url:  # no width is small enough for that much padding
        assert answer.status_code == 400
    else:
        assert Image.open(io.BytesIO(answer.data)).width in (16, 32, 48)


def test_sizes_are_those_of_the_width_that_is_allowed(make_app: Any, draw: Any) -> None:
    draw("a.png", (640, 480))
    app = make_app(IMAGES_ALLOWED_WIDTHS=[16, 32, 80])
    with app.test_request_context():
        size = resized_img_size("a.png", width=20)
        assert size is not None
        assert (size.width, size.height) == (32, 24)
        attributes = resized_img_attrs("a.png", width=20, hidpi=2)
        assert (attributes["width"], attributes["height"]) == (32, 24)
        assert attributes["src"] == resized_img_src("a.png", width=80, quality=60)


def test_another_width_is_400_and_those_of_presets_are_allowed(make_app: Any, draw: Any, caplog: Any) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_ALLOWED_WIDTHS=range(10, 30, 10), IMAGES_PRESETS=PRESETS)
    client = app.test_client()
    assert [client.get(signed(app, "a.png", f"w={width}")).status_code for width in (9, 10, 11, 20, 30)] == [
        *(400, 200, 400, 200, 400)
    ]
    assert "IMAGES_ALLOWED_WIDTHS" in caplog.text
    assert fetch(app, "a.png", preset="avatar").size == (24, 24)
    assert client.get(signed(app, "a.png", "h=9")).status_code == 400


REFUSED = (
    *("", "h=9", "dpr=2&w=11", "ar=1%3A1&m=crop", "pd=1&w=10", "bo=1&w=10", "e=1&w=999", "h=6&m=fit&w=10"),
    *("rg=0%2C0%2C30%2C48", "rot=90", "tr=1", "x=EXTENT_30_30_0_0_9_9", "h=40&q=50"),
)
SERVED = (
    *("w=10", "w=20", "h=15", "dpr=2&w=10", "pd=5&w=10", "bo=5&w=10", "h=15&m=fit&w=99", "h=12&m=fit&w=10"),
    *("ar=4%3A3&h=15&m=crop", "rg=0%2C0%2C20%2C48", "rg=0%2C0%2C20%2C48&w=20"),
)


@pytest.mark.parametrize("query", [*REFUSED, *SERVED])
def test_what_counts_is_the_width_that_comes_out(make_app: Any, draw: Any, query: str) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_ALLOWED_WIDTHS=[10, 20], IMAGES_PRESETS={"tall": {"height": 40}})
    answer = app.test_client().get(signed(app, "a.png", query))
    assert answer.status_code == (400 if query in REFUSED else 200)
    if answer.status_code == 200:
        assert Image.open(io.BytesIO(answer.data)).width in (10, 20)
    assert fetch(app, "a.png", preset="tall").size == (53, 40)


def test_a_source_that_is_too_small_comes_out_narrower(make_app: Any, draw: Any) -> None:
    draw("a.png", (64, 48))
    app = make_app(IMAGES_ALLOWED_WIDTHS=[100, 200])
    for options in ({}, {"width": 90}, {"width": 90, "height": 90, "mode": "crop"}, {"height": 60}):
        assert fetch(app, "a.png", **options).width == 64


def test_every_candidate_has_an_allowed_width_or_all_pixels_of_its_source(make_app: Any, draw: Any) -> None:
    draw("a.jpg", (500, 400))
    app = make_app(IMAGES_ALLOWED_WIDTHS=[100, 200, 400, 800])
    cropped = {"width": 300, "height": 100, "mode": "crop"}
    for options in ({}, {"width": 150}, cropped, {"height": 300}):
        with app.test_request_context():
            srcset = str(resized_img_attrs("a.jpg", layout="constrained", **options).get("srcset") or "")
        for candidate in filter(None, srcset.split(", ")):
            url, descriptor = candidate.split(" ")
            answer = app.test_client().get(url)
            assert answer.status_code == 200, candidate
            width = Image.open(io.BytesIO(answer.data)).width
            assert width in (100, 200, 400, 500)
            assert descriptor == f"{width}w"


def test_a_remote_picture_that_is_not_fetched_yet_gets_a_width_that_is_allowed_whatever_its_shape_is(
    make_app: Any,
) -> None:
    app = make_app(IMAGES_ALLOWED_WIDTHS=[100, 200])
    for options in ({}, {"height": 90}, {"width": 90, "height": 90, "mode": "fit"}, {"width": 90}):
        url = url_of(app, "https://example.com/a.jpg", **options)
        assert "w=100&" in url or "w=200&" in url
        assert "h=" not in url


KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(1, 2000),
        "height": st.integers(1, 2000),
        "mode": st.sampled_from(["fit", "crop", "pad", "reshape"]),
        "dpr": st.sampled_from([1, 1.5, 2, 3]),
        "padding": st.integers(0, 60),
        "border": st.integers(0, 9),
        "rotate": st.sampled_from([0, 90]),
        "region": st.just((0, 0, 0.5, 1)),
        "enlarge": st.booleans(),
    },
)


@given(KEYWORDS, st.sampled_from([Size(400, 300), Size(300, 400), Size(5000, 100), Size(7, 2000)]), st.booleans())
def test_whatever_is_asked_for_an_allowed_width_is_built_or_none(
    keywords: dict[str, Any], image: Size, known: bool
) -> None:
    config = Config(allowed_widths=tuple(ALLOWED))
    widths = Widths(config.allowed_widths, Presets(config))
    options = Options.parse(write_query(keywords))
    try:
        fitted = widths.fitted(keywords, options, image if known else None, None, default_quality=True)
    except InvalidOption:
        assert keywords.keys() & {"padding", "border"}  # which leave no room, or an odd width with dpr
        return
    made = Options.parse(write_query(fitted))
    widths.check(image, made, None, default_quality=True)
    width = lay_out(image, made).final.width
    # It is narrower if the source has no more pixels.
    assert width in ALLOWED or (not made.enlarge and width < max(ALLOWED))
    for name in ("mode", "padding", "border", "rotate", "region", "enlarge"):
        assert fitted.get(name) == keywords.get(name)
