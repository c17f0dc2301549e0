"""The effects of libvips on one small picture. That both engines agree: `engines.test_effects`."""

from __future__ import annotations

from typing import Any

import pytest
import pyvips

from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.vips.effects import blur, frame, on_canvas, pad, recolour, round_corners, turn, watermark
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Geometry, Size, Turn
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Border, Edges, Watermark

SIDES = Size(8, 6)
PLAIN = Geometry(SIDES, SIDES)
RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)


def picture(*colour: int) -> pyvips.Image:
    image = (pyvips.Image.black(*SIDES, bands=len(colour)) + list(colour)).cast("uchar")
    return image.copy(interpretation="srgb" if len(colour) > 2 else "b-w")


def spec(geometry: Geometry = PLAIN, format: str = "png", mark: Any = None, **options: Any) -> Spec:
    return Spec(Options(**options), by_name(format), geometry, mark)


def test_a_picture_is_turned_clockwise_and_mirrored() -> None:
    image = picture(0, 0, 0).insert(picture(9, 9, 9).crop(0, 0, 1, 1), 0, 0)
    for wanted, at in ((Turn(90), (5, 0)), (Turn(180), (7, 5)), (Turn(270), (0, 7)), (Turn(90, mirrored=True), (0, 0))):
        made = turn(image, spec(Geometry(SIDES, SIDES, turn=wanted)))
        assert (made.width, made.height, made(*at)) == (*wanted.size(SIDES), [9, 9, 9])


def test_colours_change_and_alpha_does_not() -> None:
    assert recolour(picture(100, 50, 0, 7), spec(brightness=2.0))(0, 0) == [200, 100, 0, 7]
    grey = recolour(picture(0, 255, 0), spec(grayscale=True))
    assert (grey.bands, grey.interpretation, grey(0, 0)) == (1, "b-w", [182])


def test_a_blur_takes_no_colour_from_clear_pixels() -> None:
    image = picture(*RED).insert(picture(0, 255, 0, 0), 4, 0)
    made = blur(image, spec(blur=1.0))
    assert made(3, 3)[:2] == [255, 0]
    assert 0 < made(4, 3)[3] < 255


@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_a_watermark_is_drawn_in_its_box(opacity: float) -> None:
    geometry = Geometry(SIDES, SIDES, mark=Box(2, 1, 3, 2))
    wanted = Watermark("mark.png", opacity=opacity)
    made = watermark(picture(0, 0, 0), spec(geometry, mark=picture(*RED).crop(0, 0, 3, 2), watermark=wanted))
    assert (made.bands, made(1, 1), made(5, 1), made(2, 0)) == (3, [0] * 3, [0] * 3, [0] * 3)
    assert abs(made(2, 1)[0] - 255 * opacity) <= 1


def test_padding_and_border_lie_around_the_canvas() -> None:
    geometry = Geometry(SIDES, SIDES, padding=Edges(1, 2, 3, 4), border=2)
    wanted = spec(geometry, background=BLUE, border=Border(2, RED))
    padded = pad(picture(0, 0, 0), wanted)
    assert (padded.width, padded.height) == geometry.padded == (14, 10)
    assert (padded(3, 1), padded(4, 0), padded(4, 1)) == ([0, 0, 255], [0, 0, 255], [0, 0, 0])
    framed = frame(padded, wanted)
    assert (framed.width, framed.height) == geometry.final == (18, 14)
    assert (framed(1, 1), framed(2, 2)) == ([255, 0, 0], [0, 0, 255])


@pytest.mark.parametrize(("format", "corner"), [("png", [0, 0, 0, 0]), ("jpeg", [0, 0, 255])])
def test_corners_are_clear_or_of_the_background(format: str, corner: list[int]) -> None:
    made = round_corners(picture(0, 0, 0), spec(Geometry(SIDES, SIDES, radius=3), format, background=BLUE))
    assert made(0, 0) == corner
    assert made(4, 3)[:3] == [0, 0, 0]


def test_a_canvas_has_alpha_where_the_format_and_a_colour_have_it() -> None:
    for format, colour, bands in (("png", (1, 2, 3, 0), 4), ("png", (1, 2, 3, 255), 3), ("jpeg", (1, 2, 3, 0), 3)):
        made = on_canvas(picture(7), (1, 1), Size(10, 8), colour, by_name(format))
        assert (made.width, made.height, made.bands) == (10, 8, bands)
        assert made(1, 1)[:3] == [7, 7, 7]
        assert made(0, 0) == list(colour)[:bands]
