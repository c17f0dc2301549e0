"""The plan: sizes to the pixel."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.geometry import Geometry, Size, needs_enlarging, plan
from flask_images_vips.options import Mode, Options

sides = st.integers(1, 5000)
sizes = st.builds(Size, sides, sides)
options = st.builds(
    Options,
    width=st.none() | sides,
    height=st.none() | sides,
    mode=st.sampled_from(Mode),
    enlarge=st.booleans(),
)


@pytest.mark.parametrize(
    ("asked", "scaled", "canvas"),
    [
        ({}, (400, 200), (400, 200)),
        ({"width": 100}, (100, 50), (100, 50)),
        ({"height": 100}, (200, 100), (200, 100)),
        ({"width": 800}, (400, 200), (400, 200)),
        ({"width": 800, "enlarge": True}, (800, 400), (800, 400)),
        ({"width": 100, "height": 100}, (100, 100), (100, 100)),
        ({"width": 100, "height": 100, "mode": Mode.FIT}, (100, 50), (100, 50)),
        ({"width": 100, "height": 100, "mode": Mode.CROP}, (200, 100), (100, 100)),
        ({"width": 100, "height": 100, "mode": Mode.PAD}, (100, 50), (100, 100)),
        ({"width": 800, "height": 800, "mode": Mode.PAD}, (400, 200), (800, 800)),
        ({"width": 1, "height": 100, "mode": Mode.FIT}, (1, 1), (1, 1)),
    ],
)
def test_the_modes_on_a_400_by_200_source(
    asked: dict[str, Any], scaled: tuple[int, int], canvas: tuple[int, int]
) -> None:
    assert plan(Size(400, 200), Options(**asked)) == (scaled, canvas)


@given(sizes, options)
def test_no_side_is_ever_less_than_a_pixel(image: Size, asked: Options) -> None:
    geometry = plan(image, asked)
    assert min(*geometry.scaled, *geometry.canvas) >= 1


@given(sizes, options)
def test_only_crop_cuts_and_only_pad_adds(image: Size, asked: Options) -> None:
    (scaled, canvas), mode = plan(image, asked), asked.mode
    assert mode is Mode.CROP or (canvas.width >= scaled.width and canvas.height >= scaled.height)
    assert mode is Mode.PAD or (canvas.width <= scaled.width and canvas.height <= scaled.height)


@given(sizes, options)
def test_a_picture_grows_only_where_it_may(image: Size, asked: Options) -> None:
    scaled, _ = plan(image, asked)
    assert asked.enlarge or (scaled.width <= image.width and scaled.height <= image.height)


@given(sizes, options)
def test_what_need_not_grow_is_the_same_with_and_without_enlarge(image: Size, asked: Options) -> None:
    from dataclasses import replace

    if not needs_enlarging(image, asked):
        assert plan(image, replace(asked, enlarge=True)) == plan(image, replace(asked, enlarge=False))


def test_the_picture_lies_in_the_middle_and_the_odd_pixel_right_and_below() -> None:
    assert Geometry(Size(10, 10), Size(13, 14)).offset == (1, 2)
    assert Geometry(Size(13, 14), Size(10, 10)).offset == (-1, -2)
    assert Geometry(Size(10, 10), Size(10, 10)).offset == (0, 0)
