"""The effects of Pillow on one small picture. That both engines agree: `engines.test_effects`."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.pillow.effects import (
    blur,
    frame,
    has_alpha,
    on_canvas,
    pad,
    recolour,
    round_corners,
    turned,
    watermark,
)
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Geometry, Size, Turn
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Border, Edges, Watermark

SIDES = Size(8, 6)
PLAIN = Geometry(SIDES, SIDES)
RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)


def spec(geometry: Geometry = PLAIN, format: str = "png", mark: Any = None, **options: Any) -> Spec:
    return Spec(Options(**options), by_name(format), geometry, mark)


def test_a_picture_is_turned_clockwise_and_mirrored() -> None:
    picture = Image.new("L", SIDES)
    picture.putpixel((0, 0), 9)
    for turn, at in ((Turn(90), (5, 0)), (Turn(180), (7, 5)), (Turn(270), (0, 7)), (Turn(90, mirrored=True), (0, 0))):
        made = turned(picture, turn)
        assert (made.size, made.getpixel(at)) == (turn.size(SIDES), 9)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_colours_change_and_alpha_does_not(mode: str) -> None:
    colour = {"L": 50, "LA": (50, 7), "RGB": (50, 50, 50), "RGBA": (50, 50, 50, 7)}[mode]
    made = recolour(Image.new(mode, SIDES, colour), spec(brightness=2.0))
    assert made.mode == mode
    assert made.convert("RGBA").getpixel((0, 0)) == (100, 100, 100, 7 if has_alpha(made) else 255)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_blur_takes_no_colour_from_clear_pixels(mode: str) -> None:
    picture = Image.new(mode, SIDES)
    picture.paste(Image.new(mode, (4, 6), "white"), (0, 0))
    made = blur(picture, spec(blur=1.0)).convert("RGBA")
    assert made.getpixel((3, 3))[:3] == (255, 255, 255)  # type: ignore[index]
    assert 0 < made.getpixel((4, 3))[3] < 255  # type: ignore[index]


@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_a_watermark_is_drawn_in_its_box(opacity: float) -> None:
    geometry = Geometry(SIDES, SIDES, mark=Box(2, 1, 3, 2))
    mark, wanted = Image.new("RGB", (3, 2), "red"), Watermark("mark.png", opacity=opacity)
    made = watermark(Image.new("RGB", SIDES), spec(geometry, mark=mark, watermark=wanted))
    assert made.mode == "RGB"
    assert {made.getpixel(at) for at in ((1, 1), (5, 1), (2, 0))} == {(0, 0, 0)}
    assert abs(made.getpixel((2, 1))[0] - 255 * opacity) <= 1  # type: ignore[index]


def test_padding_and_border_lie_around_the_canvas() -> None:
    geometry = Geometry(SIDES, SIDES, padding=Edges(1, 2, 3, 4), border=2)
    wanted = spec(geometry, background=BLUE, border=Border(2, RED))
    padded = pad(Image.new("RGB", SIDES), wanted)
    assert padded.size == geometry.padded == (14, 10)
    assert [padded.getpixel(at) for at in ((3, 1), (4, 0), (4, 1))] == [(0, 0, 255), (0, 0, 255), (0, 0, 0)]
    framed = frame(padded, wanted)
    assert framed.size == geometry.final == (18, 14)
    assert [framed.getpixel(at) for at in ((1, 1), (2, 2))] == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize(("format", "corner"), [("png", (0, 0, 0, 0)), ("jpeg", (0, 0, 255))])
def test_corners_are_clear_or_of_the_background(format: str, corner: tuple[int, ...]) -> None:
    picture = Image.new("RGB", SIDES)
    made = round_corners(picture, spec(Geometry(SIDES, SIDES, radius=3), format, background=BLUE))
    assert made.getpixel((0, 0)) == corner
    assert made.getpixel((4, 3))[:3] == (0, 0, 0)  # type: ignore[index]
    assert picture.mode == "RGB"  # the one that was given stays what it was


def test_a_canvas_has_alpha_where_the_format_and_a_colour_have_it() -> None:
    for format, colour, mode in (
        ("png", (1, 2, 3, 0), "RGBA"),
        ("png", (1, 2, 3, 255), "RGB"),
        ("jpeg", (1, 2, 3, 0), "RGB"),
    ):
        made = on_canvas(Image.new("L", SIDES, 7), (1, 1), Size(10, 8), colour, by_name(format))
        assert (made.size, made.mode, made.getpixel((0, 0))) == ((10, 8), mode, colour[: len(mode)])
        assert made.getpixel((1, 1))[:3] == (7, 7, 7)  # type: ignore[index]
