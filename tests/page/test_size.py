"""The size of a rendition, computed without rendering it."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips import ImageSize
from flask_images_vips.errors import InvalidOption
from flask_images_vips.geometry import Box, Size
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Mode


def test_the_size_before_a_crop_is_known_beside_the_result() -> None:
    size = ImageSize(image_width=400, image_height=200, width=100, height=100, mode="crop")
    assert (size.width, size.height) == (100, 100)
    assert (size.op_width, size.op_height) == (200, 100)
    assert (size.image_width, size.image_height) == (400, 200)


@pytest.mark.parametrize(
    ("keywords", "needs_enlarge"), [({}, None), ({"width": 400}, False), ({"width": 401}, True), ({"height": 9}, False)]
)
def test_a_size_tells_whether_it_is_larger_than_the_source(keywords: dict[str, int], needs_enlarge: Any) -> None:
    assert ImageSize(image_width=400, image_height=200, **keywords).needs_enlarge is needs_enlarge  # type: ignore[arg-type]


def test_a_planned_size_starts_from_what_a_trim_leaves() -> None:
    options = Options(width=100, height=100, mode=Mode.FIT, trim=10)
    size = ImageSize.planned(Size(400, 200), options, Box(10, 10, 200, 50))
    assert (size.width, size.height) == (100, 25)
    assert (size.image_width, size.image_height) == (200, 50)


def test_an_invalid_option_is_refused() -> None:
    with pytest.raises(InvalidOption, match="mode='zoom'"):
        ImageSize(image_width=400, image_height=200, mode="zoom")
