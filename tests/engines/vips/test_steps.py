"""The steps of libvips: their names and order, and what each does to one small picture."""

from __future__ import annotations

from typing import Any

import pyvips

from engines.test_colour import display_p3_profile, srgb_profile
from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.pillow.steps import STEPS as STEPS_OF_PILLOW
from flask_images_vips.engines.vips.steps import FINISH, STEPS, flatten, is_smart, place, scale, sharpen
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Geometry, Size
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Gravity, Keep, Mode, Sharpen

SIDES = Size(40, 30)
PLAIN = Geometry(SIDES, SIDES)


def picture(bands: int = 3, value: float = 128) -> pyvips.Image:
    image = (pyvips.Image.black(*SIDES, bands=bands) + value).cast("uchar")
    return image.copy(interpretation="srgb" if bands > 2 else "b-w")


def spec(geometry: Geometry = PLAIN, format: str = "png", **options: Any) -> Spec:
    return Spec(Options(**options), by_name(format), geometry)


def test_both_engines_have_the_same_steps_in_the_same_order() -> None:
    names = [step.__name__ for step in STEPS]
    assert names == [step.__name__ for step in STEPS_OF_PILLOW]
    assert names == [
        *("scale", "keep_tiny", "turn", "recolour", "flatten", "place", "blur", "sharpen", "watermark", "text"),
        *("pad", "frame", "round_corners"),
    ]
    assert STEPS[3:] == FINISH


def test_a_step_that_is_not_asked_for_gives_its_picture_back() -> None:
    image = picture()
    assert all(step(image, spec()) is image for step in STEPS[1:])


def test_a_picture_is_scaled_to_8_bits_of_srgb_or_grey() -> None:
    wide = (pyvips.Image.black(*SIDES, bands=3) + 128 * 257).cast("ushort").copy(interpretation="rgb16")
    for image, kind in ((wide, "srgb"), (picture(1), "b-w"), (picture(3), "srgb")):
        for size in (Size(20, 15), SIDES, Size(80, 60)):
            made = scale(image, spec(Geometry(size, size)))
            assert (made.width, made.height, made.format, made.interpretation) == (*size, "uchar", kind)
            assert abs(made.avg() - 128) <= 1


def test_cmyk_without_a_profile_is_taken_as_browsers_take_it() -> None:
    ink = pyvips.Image.black(*SIDES, bands=4).cast("uchar").copy(interpretation="cmyk")
    assert scale(ink, spec())(0, 0) == [255, 255, 255]
    half = ink.linear([1] * 4, [255, 0, 0, 128]).cast("uchar").copy(interpretation="cmyk")
    assert scale(half, spec())(0, 0) == [0, 127, 127]


def test_a_profile_is_kept_or_converted() -> None:
    image = picture()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", display_p3_profile())
    assert scale(image, spec(keep=Keep(icc=True))).get("icc-profile-data") == display_p3_profile()
    assert not scale(image, spec()).get_typeof("icc-profile-data")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", srgb_profile())
    plain = scale(image, spec())
    assert not plain.get_typeof("icc-profile-data")
    assert plain(0, 0) == [128, 128, 128]


def test_alpha_is_flattened_only_for_formats_without_it() -> None:
    clear = picture(4, 0)
    assert flatten(clear, spec()) is clear
    assert flatten(clear, spec(format="jpeg", background=(1, 2, 3, 255)))(0, 0) == [1, 2, 3]


def test_a_picture_is_cropped_or_laid_on_its_canvas() -> None:
    smaller, larger = Size(10, 30), Size(50, 30)
    assert place(picture(), spec(Geometry(SIDES, smaller), mode=Mode.CROP)).width == 10
    laid = place(picture(), spec(Geometry(SIDES, larger), mode=Mode.PAD, background=(9, 8, 7, 255)))
    assert [laid(x, 0) for x in (4, 5, 44, 45)] == [[9, 8, 7], [128] * 3, [128] * 3, [9, 8, 7]]


def test_a_crop_is_smart_only_where_there_is_something_to_choose() -> None:
    smaller = Size(10, 30)
    options: dict[str, Any] = {"mode": Mode.CROP, "gravity": Gravity.ATTENTION, "width": 10, "height": 30}
    assert is_smart(spec(Geometry(SIDES, smaller), **options))
    assert not is_smart(spec(PLAIN, **options))
    assert not is_smart(spec(Geometry(SIDES, smaller), **{**options, "gravity": Gravity.NORTH}))


def test_an_edge_is_sharpened_and_a_flat_picture_is_not() -> None:
    flat = picture(1)
    assert sharpen(flat, spec(sharpen=Sharpen(1, 100, 0))).avg() == flat.avg()
    edge = flat.insert(picture(1, 200), 20, 0)
    made = sharpen(edge, spec(sharpen=Sharpen(1, 100, 0)))
    assert made(19, 5)[0] < 128
    assert made(20, 5)[0] > 200
    assert sharpen(edge, spec(sharpen=Sharpen(1, 100, 255)))(19, 5) == [128]
