"""The steps of Pillow: what each does to one small picture. Their order: `engines.vips.test_steps`."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from engines.test_colour import display_p3_profile, gamma, grey_profile
from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.pillow.steps import (
    STEPS,
    expanded,
    finish,
    flatten,
    kept_profile,
    place,
    resized,
    scale,
    sharpen,
    turn,
)
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Box, Geometry, Size, Turn
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Keep, Mode, Sharpen

SIDES = Size(40, 30)
PLAIN = Geometry(SIDES, SIDES)
PNG = by_name("png")


def spec(geometry: Geometry = PLAIN, format: str = "png", **options: Any) -> Spec:
    return Spec(Options(**options), by_name(format), geometry)


def test_a_step_that_is_not_asked_for_gives_its_picture_back() -> None:
    picture = Image.new("RGB", SIDES)
    assert all(step(picture, spec()) is picture for step in STEPS[1:])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        *[(mode, mode) for mode in ("L", "LA", "RGB", "RGBA", "CMYK")],
        *[("1", "L"), ("I", "L"), ("I;16", "L"), ("F", "L"), ("P", "RGB"), ("PA", "RGBA"), ("YCbCr", "RGB")],
    ],
)
def test_pictures_are_expanded_to_8_bits_without_a_palette(mode: str, expected: str) -> None:
    assert expanded(Image.new(mode, SIDES)).mode == expected


def test_a_clear_colour_becomes_alpha() -> None:
    picture = Image.new("P", SIDES)
    picture.info["transparency"] = 0
    assert expanded(picture).mode == "RGBA"


def test_16_bits_lose_the_lower_half() -> None:
    assert expanded(Image.new("I;16", SIDES, 0x80FF)).getpixel((0, 0)) == 0x80


def test_a_picture_is_scaled_upright_and_so_is_a_part_of_it() -> None:
    picture = Image.new("RGB", (30, 40))
    picture.paste((255, 0, 0), (0, 20, 30, 40))  # below: on the left once it is upright
    upright = Turn(90)
    made = scale(picture, Spec(Options(), PNG, Geometry(Size(20, 15), Size(20, 15)), upright=upright))
    assert (made.size, made.getpixel((2, 7)), made.getpixel((17, 7))) == ((20, 15), (255, 0, 0), (0, 0, 0))
    cut = Geometry(Size(20, 30), Size(20, 30), cut=Box(0, 0, 20, 30))
    part = scale(picture, Spec(Options(), PNG, cut, upright=upright))
    assert part.size == (20, 30)
    assert part.getpixel((2, 15)) == part.getpixel((15, 15)) == (255, 0, 0)


def test_a_transform_is_of_the_turned_picture_and_so_scale_turns_it() -> None:
    options = Options.parse({"x": "EXTENT,0,0,0,0,100%,100%", "rot": "90"})
    geometry = Geometry(Size(30, 40), Size(30, 40), turn=Turn(90))
    made = scale(Image.new("RGB", SIDES), Spec(options, PNG, geometry))
    assert made.size == (30, 40)
    assert turn(made, Spec(options, PNG, geometry)) is made


def test_a_profile_is_kept_or_converted() -> None:
    picture = Image.new("RGB", SIDES, (200, 100, 50))
    picture.info["icc_profile"] = display_p3_profile()
    wanted = Options(keep=Keep(icc=True))
    profile = kept_profile(picture, wanted, PNG)
    assert profile == display_p3_profile()
    assert scale(picture, Spec(wanted, PNG, PLAIN, profile=profile)).getpixel((0, 0)) == (200, 100, 50)
    assert scale(picture, spec()).getpixel((0, 0)) != (200, 100, 50)
    assert kept_profile(picture, Options(), PNG) is None
    assert kept_profile(picture, wanted, by_name("gif")) is None
    grey = picture.convert("L")
    grey.info["icc_profile"] = display_p3_profile()
    assert kept_profile(grey, wanted, PNG) is None


def test_a_profile_of_another_kind_of_picture_is_ignored() -> None:
    picture = Image.new("RGB", SIDES, (200, 100, 50))
    picture.info["icc_profile"] = grey_profile(gamma(2.2))
    assert kept_profile(picture, Options(keep=Keep(icc=True)), PNG) is None
    assert scale(picture, spec()).getpixel((0, 0)) == (200, 100, 50)


def test_alpha_is_flattened_only_for_formats_without_it() -> None:
    clear = Image.new("RGBA", SIDES)
    assert flatten(clear, spec()) is clear
    assert flatten(clear, spec(format="jpeg", background=(1, 2, 3, 255))).getpixel((0, 0)) == (1, 2, 3)


def test_a_picture_is_cropped_or_laid_on_its_canvas() -> None:
    picture = Image.new("RGB", SIDES, (128, 128, 128))
    assert place(picture, spec(Geometry(SIDES, Size(10, 30)), mode=Mode.CROP)).size == (10, 30)
    laid = place(picture, spec(Geometry(SIDES, Size(50, 30)), mode=Mode.PAD, background=(9, 8, 7, 255)))
    assert [laid.getpixel((x, 0)) for x in (4, 5, 44, 45)] == [(9, 8, 7), (128,) * 3, (128,) * 3, (9, 8, 7)]


def test_an_edge_is_sharpened() -> None:
    edge = Image.new("L", SIDES, 128)
    edge.paste(200, (20, 0, 40, 30))
    made = sharpen(edge, spec(sharpen=Sharpen(1, 100, 0)))
    assert (made.getpixel((0, 5)), made.getpixel((39, 5))) == (128, 200)
    assert made.getpixel((19, 5)) < 128  # type: ignore[operator]
    assert made.getpixel((20, 5)) > 200  # type: ignore[operator]


def test_a_decoded_picture_is_cut_resized_and_finished() -> None:
    geometry = Geometry(Size(20, 15), Size(10, 15), cut=Box(0, 0, 20, 15))
    options = Options(mode=Mode.CROP, grayscale=True)
    made = finish(resized(Image.new("RGB", SIDES, "red"), options, geometry), options, PNG, geometry)
    assert made.size == (10, 15)
    red, green, blue = made.getpixel((5, 5))  # type: ignore[misc]
    assert red == green == blue
