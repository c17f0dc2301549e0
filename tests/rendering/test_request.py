"""A request arrives in another process as it was, and names no file and no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.engines.engine import Header
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Size
from flask_images_vips.options.options import DECLARED, Options
from flask_images_vips.options.text import TextStyle
from flask_images_vips.options.values import Colour
from flask_images_vips.rendering.request import WATERMARK, Request, Work, settings_of

# A value of each option that decides pixels, as a URL has it.
QUERIES: list[dict[str, str]] = [
    {"w": "200", "h": "120", "m": "crop", "g": "attention"},
    {"w": "200", "m": "pad", "h": "1", "b": "#0102037f", "e": "1"},
    {"usm": "0.3,250,2", "q": "33", "mb": "12345"},
    {"x": "EXTENT,0,0,10%,10%,90%,90%", "w": "7"},
    {"x": "PERSPECTIVE,100,100,1,0,0,0,1,0,0.001,0"},
    {"k": "gainmap", "bd": "10"},
    {"an": "", "pr": "1", "ll": "1", "k": "copyright,icc", "ri": "0123456789ab"},
    {"fp": "0.7,0.4", "w": "5", "h": "5", "m": "crop"},
    {"rg": "0.25,0,0.5,1"},
    {"rg": "1,2,30,40", "rot": "90", "fl": "both"},
    {"ar": "16:9", "w": "100", "dpr": "1.15"},
    {"ar": "1.5", "w": "100"},
    {"tr": "true", "gs": "1", "br": "1.3", "co": "0.1", "sa": "3.333333", "bl": "0.7"},
    {"txt": "100 % <b>Ω</b>\n二", "ts": "card"},
    {"wm": "photos/cup.png,se,12,0.5,0.25", "pd": "1,2,3,4", "bo": "6,#b5651d", "ra": "max"},
]


def arrived(request: Request) -> Request:
    return Request.from_json(json.loads(json.dumps(request.to_json())))


@pytest.mark.parametrize("query", QUERIES)
def test_options_arrive_as_they_were(query: dict[str, str]) -> None:
    options = Options.parse(query)
    request = Request(work=Work.RENDER, settings={}, options=[options], format=by_name("webp"))
    if options.watermark:
        options = replace(options, watermark=options.watermark._replace(ref=WATERMARK))
    (read,) = arrived(request).options
    assert read == options
    assert read.canonical() == options.canonical()


def test_each_option_that_decides_pixels_is_among_these() -> None:
    named = {short for query in QUERIES for short in query}
    assert {declared.short for declared in DECLARED.values() if declared.keyed} <= named


@pytest.mark.parametrize(
    "fields",
    [
        {"work": Work.HEADER},
        {"work": Work.TRIM, "region": Box(1, 2, 3, 4), "threshold": 10},
        {"work": Work.REDUCE, "sizes": [Size(5, 6), Size(3, 4)], "copy_format": "tiff"},
        {"work": Work.COPY, "header": Header(Size(50, 60), "png", 1, True, True), "source_bytes": 77},
        {"work": Work.AUTO, "target": 70.5, "seconds": 7.0},
        {
            "work": Work.RENDER,
            "text_style": TextStyle("title", size=7.5, shade=Colour(1, 2, 3, 4)).to_json(),
            "fonts": 2,
        },
        {"work": Work.RENDER, "trimmed": Box(0, 1, 2, 3), "suffix": ".jpg", "placeholders": ["lqip", "color"]},
    ],
)
def test_everything_else_arrives_as_it_was(fields: dict[str, Any]) -> None:
    request = Request(settings={"engine": "vips"}, options=[Options()], format=by_name("png"), **fields)
    assert arrived(request) == replace(request, sizes=list(request.sizes))


def test_it_names_no_file() -> None:
    options = Options.parse({"wm": "private/mark.png,se"})
    text = json.dumps(Request(work=Work.RENDER, settings={}, options=[options], format=by_name("png")).to_json())
    assert "private" not in text


def test_settings_are_those_that_are_not_the_defaults() -> None:
    assert settings_of(Config()) == {}
    changed = Config(engine="pillow", secret_key=("secret",), cache="/cache", max_frames=3)
    assert settings_of(changed) == {"engine": "pillow", "max_frames": 3}
