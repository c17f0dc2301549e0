"""The engine that draws labelled boxes: sizes, formats, determinism, and what it does not decode."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import resized_img_placeholder, resized_img_size
from flask_images_vips.engines.pillow.boxes import colour_of, drawn
from flask_images_vips.formats import FORMATS
from flask_images_vips.geometry import Size
from flask_images_vips.state import images_of

SIZES: list[dict[str, Any]] = [
    {},
    {"width": 1},
    {"width": 33, "height": 20},
    {"width": 40, "height": 40, "mode": "crop", "gravity": "attention"},
    {"width": 90, "height": 90, "mode": "pad"},
    {"width": 40, "height": 40, "mode": "fit", "padding": 3, "border": "2"},
    {"width": 200, "enlarge": True, "rotate": 90},
    {"transform": "EXTENT,0,0,0,0,50%,50%"},
    {"region": "0,0,20,10"},
    {"trim": 10},
]


@pytest.fixture
def boxes(make_app: Callable[..., Flask]) -> Flask:
    app = make_app(IMAGES_ENGINE="boxes", IMAGES_SVG=True)
    app.testing = True
    return app


@pytest.mark.parametrize("keywords", SIZES, ids=str)
def test_a_box_has_the_size_of_the_rendition(boxes: Flask, draw: Any, keywords: dict[str, Any]) -> None:
    draw("a.png")
    with boxes.app_context():
        size = resized_img_size("a.png", **keywords)
    assert size is not None
    assert fetch(boxes, "a.png", **keywords).size == (size.width, size.height)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_a_box_has_each_format(boxes: Flask, draw: Any, format: Any) -> None:
    draw("a.png")
    picture = fetch(boxes, "a.png", format=format.name, width=50)
    assert picture.format == format.name.upper()
    assert picture.size == (50, 37)


def test_a_source_that_only_libvips_can_read_has_a_box(boxes: Flask, static: Path) -> None:
    (static / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>')
    assert fetch(boxes, "a.svg", format="png").size == (30, 20)


def test_a_box_is_upright_and_its_pixels_are_not_decoded(boxes: Flask, draw: Any, static: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = draw("a.jpg", exif=exif.tobytes())
    path.write_bytes(path.read_bytes()[:-100])  # no decoder accepts it
    assert fetch(boxes, "a.jpg").size == (48, 64)


def test_a_source_too_large_for_a_whole_decode_by_pillow_has_a_box(
    make_app: Callable[..., Flask], static: Path
) -> None:
    app = make_app(IMAGES_ENGINE="boxes", IMAGES_MAX_SOURCE_PIXELS=5_000)
    app.testing = True
    Image.new("RGB", (64, 48)).save(static / "a.png")  # libvips decodes it row by row
    assert fetch(app, "a.png", width=10).size == (10, 7)


def test_boxes_are_the_same_each_time_and_differ_by_source_and_options(
    make_app: Callable[..., Flask], draw: Any, tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        os.utime(draw(name, (300, 200)), (1_700_000_000, 1_700_000_000))
    found = []
    for cache in ("one", "two"):
        app = make_app(IMAGES_ENGINE="boxes", IMAGES_CACHE=str(tmp_path / cache))
        app.testing = True
        calls = [("a.png", {}), ("b.png", {}), ("a.png", {"grayscale": True}), ("a.png", {"width": 60})]
        found.append([app.test_client().get(url_of(app, name, **keywords)).data for name, keywords in calls])
    assert found[0] == found[1]
    assert len({*found[0]}) == 4


def test_the_text_of_a_box_is_drawn_if_there_is_room() -> None:
    colour = colour_of("a.png")
    with_text, without = (drawn(lines, Size(200, 100), colour) for lines in (["a.png", "200 × 100"], [""]))
    assert with_text.convert("RGB").getpixel((1, 50)) == colour
    assert with_text.tobytes() != without.tobytes()
    assert drawn(["a name in another script: 猫.jpg"], Size(1, 1), colour).size == (1, 1)


@pytest.mark.parametrize("kind", ["color", "lqip", "blurhash", "thumbhash"])
def test_a_box_has_placeholders(boxes: Flask, draw: Any, kind: str) -> None:
    draw("a.png")
    with boxes.app_context():
        assert resized_img_placeholder("a.png", kind)


def test_a_missing_source_is_404_and_a_wrong_option_400(boxes: Flask, draw: Any) -> None:
    draw("a.png")
    client = boxes.test_client()
    assert client.get(url_of(boxes, "gone.png")).status_code == 404
    assert client.get(url_of(boxes, "a.png", quality="high")).status_code == 400


def test_boxes_and_pictures_do_not_share_a_cache_entry(
    make_app: Callable[..., Flask], draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.png")
    real, boxed = make_app(), make_app(IMAGES_ENGINE="boxes")
    boxed.testing = True
    url = url_of(real, "a.png", width=20)
    assert real.test_client().get(url).data != boxed.test_client().get(url).data
    assert images_of(boxed).pipeline.producer.renderers.pool is None  # no process is started


@pytest.mark.parametrize(("testing", "lines"), [(True, 0), (False, 1)])
def test_a_site_for_visitors_is_warned(
    make_app: Callable[..., Flask], draw: Any, caplog: pytest.LogCaptureFixture, testing: bool, lines: int
) -> None:
    draw("a.png")
    app = make_app(IMAGES_ENGINE="boxes")
    app.testing = testing
    with caplog.at_level(logging.WARNING, logger="flask_images_vips"):
        data = app.test_client().get(url_of(app, "a.png")).data
    assert sum("It is for tests" in record.message for record in caplog.records) == lines
    assert Image.open(io.BytesIO(data)).size == (64, 48)
