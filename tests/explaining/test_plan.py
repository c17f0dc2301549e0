"""The steps of a render in words."""

from __future__ import annotations

import pytest

from flask_images_vips.engines.engine import Header
from flask_images_vips.explaining.plan import steps
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Size, lay_out
from flask_images_vips.options.options import Options


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["encode: jpeg, 400×300, quality 75"]),
        ({"w": "200"}, ["scale: to 200×150", "encode: jpeg, 200×150, quality 75"]),
        ({"w": "100", "h": "100", "m": "crop", "g": "west"}, ["scale: to 133×100", "crop: to 100×100 at 0, 0"]),
        ({"w": "100", "h": "100", "m": "crop", "g": "attention"}, ["crop: to 100×100, where libvips finds attention"]),
        ({"w": "100", "h": "100", "m": "pad", "b": "white"}, ["pad: to 100×100, the picture at 0, 12, on #ffffffff"]),
        ({"rg": "10,20,100,50"}, ["cut: 100×50 at 10, 20"]),
        ({"rot": "90", "fl": "h"}, ["turn: by 90° clockwise, then mirror"]),
        ({"gs": "1", "br": "2", "bl": "3"}, ["saturation: 0.0", "brightness: 2.0", "blur: 3.0"]),
        ({"wm": "b.png,se,5"}, ["watermark: b.png, 40×20 at 355, 275"]),
        ({"pd": "1,2,3,4", "bo": "5,red", "ra": "6"}, ["padding: 1, 2, 3, 4 pixels", "border: 5 pixels"]),
        ({"q": "raw60", "mb": "5000"}, ["encode: jpeg, 400×300, the encoder's quality 60, at most 5,000 bytes"]),
        ({"x": "EXTENT,100,100,0,0,100,100"}, ["transform: EXTENT_100.0_100.0_0.0_0.0_100.0_100.0"]),
        ({"tr": "10"}, ["cut: 300×200 at 50, 50 (what trim leaves)"]),
    ],
)
def test_each_step_is_named_in_order(query: dict[str, str], expected: list[str]) -> None:
    options, header = Options.parse(query), Header(Size(400, 300), "jpeg")
    trimmed = Box(50, 50, 300, 200) if options.trim else None
    geometry = lay_out(header.size, options, trimmed=trimmed, mark=Size(40, 20) if options.watermark else None)
    found = [*steps(header, options, geometry, by_name("jpeg"))]
    assert found[0] == "decode: jpeg, 400×300 upright"
    positions = [found.index(step) for step in expected]
    assert positions == sorted(positions)
    assert found[-1].startswith("encode: jpeg, ")


@pytest.mark.parametrize(
    ("format", "query", "expected"),
    [
        ("gif", {}, "decode: gif, 40×30 upright, 5 frames"),
        ("jpeg", {}, "decode: gif, 40×30 upright, 5 frames; only the first is used"),
        ("webp", {"an": "0"}, "decode: gif, 40×30 upright, 5 frames; only the first is used"),
    ],
)
def test_animations_say_what_becomes_of_their_frames(format: str, query: dict[str, str], expected: str) -> None:
    options, header = Options.parse(query), Header(Size(40, 30), "gif", frames=5)
    assert next(steps(header, options, lay_out(header.size, options), by_name(format))) == expected


def test_what_has_no_quality_names_none() -> None:
    header = Header(Size(40, 30), "png")
    for format, query, end in (("png", {}, "40×30"), ("webp", {"ll": "1"}, "lossless")):
        options = Options.parse(query)
        assert [*steps(header, options, lay_out(header.size, options), by_name(format))][-1].endswith(end)
