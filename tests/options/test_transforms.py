"""PIL transforms: read, written, and turned into pixels."""

from __future__ import annotations

import pytest

from flask_images_vips.errors import InvalidOption
from flask_images_vips.options.transforms import Transform


@pytest.mark.parametrize(
    ("text", "size", "made", "data"),
    [
        ("EXTENT,0,0,10%,10%,90%,90%", (200, 100), (200, 100), (20, 10, 180, 90)),
        ("extent_50p_50p_0_0_200_100", (33, 77), (16, 38), (0, 0, 200, 100)),
        ("EXTENT,50%,50%,0,0,1,1", (1, 1), (1, 1), (0, 0, 1, 1)),
        ("AFFINE 0 0 1 0 10% 0 1 10%", (200, 100), (200, 100), (1, 0, 20, 0, 1, 10)),
        ("QUAD:100:50:0:0:0:50%:50%:50%:50%:0", (200, 100), (100, 50), (0, 0, 0, 50, 100, 50, 100, 0)),
        ("PERSPECTIVE;5;6;1;0;0;0;1;0;-1e-3;.5", (200, 100), (5, 6), (1, 0, 0, 0, 1, 0, -0.001, 0.5)),
    ],
)
def test_transforms_are_read_for_a_size(
    text: str, size: tuple[int, int], made: tuple[int, int], data: tuple[float, ...]
) -> None:
    transform = Transform.parse(text)
    assert transform.size(size) == made
    assert transform.data(size) == pytest.approx(data)


def test_a_transform_is_never_less_than_a_pixel_and_0_is_the_picture_s_own_side() -> None:
    assert Transform.parse("EXTENT,1%,0,0,0,1,1").size((20, 10)) == (1, 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MESH,0,0,1", "one of EXTENT, AFFINE, QUAD, PERSPECTIVE"),
        ("EXTENT,0,0,1,2,3", "EXTENT and 6 values, not 5"),
        ("EXTENT,-1,0,1,2,3,4", "an output size that is not negative"),
        ("EXTENT,0,0,1,2,3,x", "numbers or percentages, not 'x'"),
        ("AFFINE,0,0,10%,0,0,0,1,0", "a plain number for this coefficient, not the percentage '10%'"),
    ],
)
def test_a_refused_transform_is_named_with_the_reason(text: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Transform.parse(text)
    assert (caught.value.name, caught.value.value, caught.value.expected) == ("transform", text, expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("EXTENT,0 0;10%", "EXTENT_0_0_10p"),
        (["AFFINE", 0, "50%"], "AFFINE_0_50p"),
        (5, "5"),
        ("", None),
        ((), None),
    ],
)
def test_transforms_are_written_without_anything_to_escape(value: object, text: str | None) -> None:
    assert Transform.write(value) == text


def test_a_transform_is_read_again_from_its_own_text() -> None:
    transform = Transform.parse("QUAD:100:50:0:0:0:50%:50%:50%:.5:0")
    assert Transform.parse(str(transform)) == transform
