"""The palette: the colours that are there, in the order of how much of the picture they cover."""

from __future__ import annotations

import pytest
from conftest import PHOTOGRAPHS
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flask_images_vips.rendering.palette import COLOURS, palette
from flask_images_vips.rendering.placeholders import PALETTE, draw, is_valid

SIX = ["#ff0000", "#00a000", "#0000ff", "#ffff00", "#ffffff", "#000000"]


def pixels(*parts: tuple[str, int], alpha: int = 255) -> bytes:
    return b"".join((bytes.fromhex(colour[1:]) + bytes([alpha])) * count for colour, count in parts)


def test_six_colours_come_out_as_they_are_the_most_frequent_one_first() -> None:
    counts = (60, 50, 40, 30, 20, 10)
    assert palette(pixels(*zip(SIX, counts, strict=True))) == SIX
    assert palette(pixels(*reversed(list(zip(SIX, counts, strict=True))))) == SIX


@pytest.mark.parametrize("count", range(1, 6))
def test_a_picture_of_fewer_colours_has_fewer(count: int) -> None:
    assert palette(pixels(*((colour, 9 - n) for n, colour in enumerate(SIX[:count])))) == SIX[:count]


def test_colours_that_look_alike_are_one() -> None:
    assert len(palette(pixels(("#808080", 50), ("#818080", 50), ("#7f8181", 3)))) == 1


def test_clear_pixels_do_not_count_and_faint_ones_count_less() -> None:
    assert palette(pixels(("#ff0000", 900), alpha=0) + pixels(("#0000ff", 1))) == ["#0000ff"]
    assert palette(pixels(("#ff0000", 90), alpha=100) + pixels(("#0000ff", 60))) == ["#0000ff", "#ff0000"]
    assert palette(pixels(("#ff0000", 9), alpha=0)) == ["#000000"]


def test_a_photograph_has_six_colours_of_its_own() -> None:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as image:
        image.thumbnail((32, 32))
        found = palette(image.convert("RGBA").tobytes())
    assert len(set(found)) == COLOURS
    red = [int(colour[1:3], 16) - int(colour[5:7], 16) for colour in found]
    assert all(each > 0 for each in red)  # the photograph is brown all over


@given(st.binary(min_size=4, max_size=400))
def test_any_pixels_have_a_valid_palette(data: bytes) -> None:
    assert is_valid(PALETTE, " ".join(palette(data[: len(data) // 4 * 4])))


def test_it_is_drawn_like_a_placeholder() -> None:
    from flask_images_vips.engines.engine import Tiny
    from flask_images_vips.geometry import Size

    tiny = Tiny(Size(2, 1), rgba=pixels(("#ff0000", 1), ("#0000ff", 1)))
    assert draw([PALETTE], tiny)[PALETTE].split() in (["#ff0000", "#0000ff"], ["#0000ff", "#ff0000"])
