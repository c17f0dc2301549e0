"""The border of one colour, as Pillow finds it. That both engines agree: `engines.test_effects`."""

from __future__ import annotations

import pytest
from PIL import Image

from flask_images_vips.engines.pillow.trim import trim_box
from flask_images_vips.geometry import Box


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_the_box_is_what_is_left_of_the_region(mode: str) -> None:
    picture = Image.new(mode, (30, 20))
    picture.paste(Image.new(mode, (7, 10), "white"), (5, 4))
    assert trim_box(picture, Box(0, 0, 30, 20), 10) == (5, 4, 7, 10)
    assert trim_box(picture, Box(2, 3, 8, 9), 10) == (5, 4, 5, 8)
    assert trim_box(picture, Box(20, 0, 10, 20), 10) == (20, 0, 10, 20)


def test_the_threshold_is_still_border() -> None:
    picture = Image.new("RGB", (9, 9), (100, 100, 100))
    picture.putpixel((4, 4), (100, 110, 100))
    everything = Box(0, 0, 9, 9)
    assert trim_box(picture, everything, 9) == (4, 4, 1, 1)
    assert trim_box(picture, everything, 10) == everything
