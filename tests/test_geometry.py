"""The plan: sizes to the pixel."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.errors import InvalidOption
from flask_images_vips.geometry import Box, Geometry, Size, Turn, lay_out, needs_enlarging, plan, region, transformed
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Border, Edges, Flip, Focal, Gravity, Mode, Region, Watermark

sides = st.integers(1, 5000)
sizes = st.builds(Size, sides, sides)
options = st.builds(
    Options,
    width=st.none() | sides,
    height=st.none() | sides,
    mode=st.sampled_from(Mode),
    enlarge=st.booleans(),
)


turns = st.builds(Turn, st.sampled_from([0, 90, 180, 270]), st.booleans())
parts = st.floats(0, 1)
more_options = st.builds(
    Options,
    width=st.none() | sides,
    height=st.none() | sides,
    mode=st.sampled_from(Mode),
    enlarge=st.booleans(),
    gravity=st.sampled_from(Gravity),
    focal=st.none() | st.builds(Focal, parts, parts),
    region=st.none() | st.builds(Region, st.just(0.1), st.just(0.2), st.floats(0.01, 0.9), st.floats(0.01, 0.8)),
    dpr=st.sampled_from([1.0, 1.15, 2.0, 4.0]),
    rotate=st.sampled_from([0, 90, 180, 270]),
    flip=st.none() | st.sampled_from(Flip),
    padding=st.builds(Edges, *[st.integers(0, 9)] * 4),
    radius=st.integers(0, 9999),
    watermark=st.none()
    | st.builds(Watermark, st.just("a"), st.sampled_from(list(Gravity)[:9]), st.integers(0, 99), parts, parts),
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
    assert plan(Size(400, 200), Options(**asked))[:2] == (scaled, canvas)


@given(sizes, options)
def test_no_side_is_ever_less_than_a_pixel(image: Size, asked: Options) -> None:
    geometry = plan(image, asked)
    assert min(*geometry.scaled, *geometry.canvas) >= 1


@given(sizes, options)
def test_only_crop_cuts_and_only_pad_adds(image: Size, asked: Options) -> None:
    (scaled, canvas, *_), mode = plan(image, asked), asked.mode
    assert mode is Mode.CROP or (canvas.width >= scaled.width and canvas.height >= scaled.height)
    assert mode is Mode.PAD or (canvas.width <= scaled.width and canvas.height <= scaled.height)


@given(sizes, options)
def test_a_picture_grows_only_where_it_may(image: Size, asked: Options) -> None:
    scaled, *_ = plan(image, asked)
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


@given(sizes, more_options, sizes)
def test_a_crop_stays_within_the_picture_and_a_mark_on_the_canvas(image: Size, asked: Options, mark: Size) -> None:
    geometry = lay_out(image, asked, mark=mark)
    left, top = geometry.offset
    for offset, scaled, canvas in zip((left, top), geometry.scaled, geometry.canvas, strict=True):
        assert min(0, canvas - scaled) <= offset <= max(0, canvas - scaled)
    if geometry.mark is not None:
        assert min(geometry.mark) >= 0
        assert geometry.mark.left + geometry.mark.width <= geometry.canvas.width
        assert geometry.mark.top + geometry.mark.height <= geometry.canvas.height
        assert min(geometry.mark.size) >= 1
    assert 2 * geometry.radius <= min(geometry.final)


@given(sizes, more_options)
def test_a_region_is_inside_the_source_and_the_plan_starts_from_it(image: Size, asked: Options) -> None:
    box = region(image, asked)
    assert min(box.left, box.top) >= 0
    assert min(box.size) >= 1
    assert box.left + box.width <= image.width
    assert box.top + box.height <= image.height
    assert transformed(image, asked) == Turn.of(asked).size(box.size)


@given(st.data(), turns, sizes)
def test_a_turn_is_undone_by_the_turn_back(data: st.DataObject, turn: Turn, image: Size) -> None:
    left, top = data.draw(st.integers(0, image.width - 1)), data.draw(st.integers(0, image.height - 1))
    box = Box(left, top, data.draw(st.integers(1, image.width - left)), data.draw(st.integers(1, image.height - top)))
    done = turn.back.undone(box, turn.size(image))
    assert turn.undone(done, image) == box
    assert done.size == turn.size(box.size)
    x, y = turn.point((box.left + box.width / 2) / image.width, (box.top + box.height / 2) / image.height)
    turned = turn.size(image)
    assert x * turned.width == pytest.approx(done.left + done.width / 2)
    assert y * turned.height == pytest.approx(done.top + done.height / 2)


@pytest.mark.parametrize(
    ("asked", "final"),
    [
        ({"width": 160, "aspect": Fraction(16, 9)}, (160, 90)),
        ({"height": 90, "aspect": Fraction(16, 9)}, (160, 90)),
        ({"aspect": Fraction(1), "mode": Mode.CROP}, (200, 200)),
        ({"aspect": Fraction(4), "mode": Mode.CROP}, (400, 100)),
        ({"aspect": Fraction(1000)}, (400, 1)),
        ({"width": 100, "dpr": 1.15}, (115, 57)),
        ({"width": 100, "dpr": 2.0, "padding": Edges(1, 2, 3, 4), "border": Border(5, (0, 0, 0, 255))}, (232, 128)),
        ({"width": 100, "rotate": 90}, (100, 200)),
        ({"region": Region(0.5, 0, 0.5, 1)}, (200, 200)),
        ({"region": Region(10, 20, 30, 40), "rotate": 270}, (30, 40)),
        ({"region": Region(0, 0, 0.0001, 0.0001)}, (1, 1)),
    ],
)
def test_the_final_size_of_a_400_by_200_source(asked: dict[str, Any], final: tuple[int, int]) -> None:
    assert lay_out(Size(400, 200), Options(**asked)).final == final


def test_a_region_outside_of_the_source_is_refused_with_its_size() -> None:
    with pytest.raises(InvalidOption, match="400×200"):
        lay_out(Size(400, 200), Options(region=Region(0, 0, 401, 200)))
    with pytest.raises(InvalidOption, match="200×400"):
        lay_out(Size(400, 200), Options(region=Region(0, 0, 400, 200), rotate=90))


def test_neighbouring_regions_meet() -> None:
    for width in (7, 10, 99, 100, 101):
        thirds = [region(Size(width, 1), Options(region=Region(left, 0, 1 / 3, 1))) for left in (0, 1 / 3, 2 / 3)]
        assert sum(third.width for third in thirds) == width
        assert [third.left for third in thirds] == [0, thirds[0].width, thirds[0].width + thirds[1].width]
