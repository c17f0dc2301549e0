"""Options whose value has parts or comes from a list of words."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.options.parsing import ParseError
from flask_images_vips.options.values import (
    Border,
    Colour,
    Edges,
    Flip,
    Focal,
    Gravity,
    Keep,
    Mode,
    Region,
    Sharpen,
    Watermark,
)

READ: list[tuple[Any, str, object, str]] = [
    (Mode, "crop", Mode.CROP, "crop"),
    (Gravity, "C", Gravity.CENTER, "center"),
    (Gravity, "NorthEast", Gravity.NORTHEAST, "northeast"),
    (Gravity, "sw", Gravity.SOUTHWEST, "southwest"),
    (Flip, "HV", Flip.BOTH, "both"),
    (Sharpen, ".3+250:2", Sharpen(0.3, 250, 2), "0.3,250,2"),
    (Keep, "icc copyright", Keep(copyright=True, icc=True), "copyright,icc"),
    (Keep, "rights,copyright", Keep(copyright=True, rights=True), "copyright,rights"),
    (Focal, ".25 1", Focal(0.25, 1), "0.25,1.0"),
    (Region, "0,0,.5,1", Region(0, 0, 0.5, 1), "0.0,0.0,0.5,1.0"),
    (Edges, "4", Edges(4, 4, 4, 4), "4,4,4,4"),
    (Edges, "1 2 3 4", Edges(1, 2, 3, 4), "1,2,3,4"),
    (Colour, "#f80", Colour(255, 136, 0), "(255, 136, 0, 255)"),
    (Colour, "Transparent", Colour(0, 0, 0, 0), "(0, 0, 0, 0)"),
    (Border, "2,rgb(1,2,3)", Border(2, Colour(1, 2, 3)), "2,1,2,3,255"),
    (Watermark, "a&b.png,nw,0,.5", Watermark("a&b.png", Gravity.NORTHWEST, 0, 0.5), "a%26b.png,northwest,0,0.5,0.25"),
]


@pytest.mark.parametrize(("kind", "text", "value", "canonical"), READ)
def test_a_text_is_read_and_has_one_canonical_form(kind: Any, text: str, value: object, canonical: str) -> None:
    parsed = kind.parse(text)
    assert (parsed, type(parsed)) == (value, kind)
    assert f"{parsed}" == canonical  # a part of cache keys: it may never change


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (Mode, ["Crop", ""], "one of reshape, fit, crop, pad"),
        (Gravity, ["up"], "one of center, north"),
        (Flip, ["diagonal"], "one of horizontal, vertical, both"),
        (
            Sharpen,
            ["1,2", "1,2,256", "x,2,3", "101,2,3"],
            "radius (0-100 pixels), percent (0-10000), threshold (0-255)",
        ),
        (Keep, ["gps", "icc,"], "one or more of copyright, icc, gainmap, rights, separated by commas"),
        (Focal, ["0.5", "0,2"], "x and y from 0 to 1, such as 0.3,0.5"),
        (Region, ["0,0,0,1", "0.6,0,0.5,1", "0,0,10.5,9"], "left, top, width, height: fractions such as"),
        (Edges, ["1,2", "10001"], "pixels (0 to 10000): one value, or top,right,bottom,left"),
        (Colour, ["nothing"], "a colour such as black, #f80, rgb(1,2,3) or transparent"),
        (Border, ["x", "2,nothing"], "width (0 to 10000 pixels) and colour, such as 2,white"),
        (Watermark, [",se", "a,attention", "a,se,x", "a,se,1,2", "r" * 1001], "a source without a comma in its path"),
    ],
)
def test_other_texts_are_refused_with_what_was_expected(kind: Any, texts: list[str], expected: str) -> None:
    for text in texts:
        with pytest.raises(ParseError) as caught:
            kind.parse(text)
        assert caught.value.expected.startswith(expected)


def test_bands_beyond_a_byte_are_clamped() -> None:
    assert Colour.parse("rgb(300,0,0)") == (255, 0, 0, 255)


def test_a_border_of_no_width_is_none_and_one_without_a_colour_is_black() -> None:
    assert Border.parse("0,red") is None
    assert Border.parse("3") == (3, (0, 0, 0, 255))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Colour, "red", "red"),
        (Colour, (255, 136, 0), "#ff8800"),
        (Colour, [1, 2, 3, 4], "#01020304"),
        (Border, "2,white", "2,white"),
        (Border, (2, (255, 136, 0)), "2,#ff8800"),
        (Border, (2, "red"), "2,red"),
    ],
)
def test_colours_and_borders_are_written_from_sequences(kind: Any, value: object, text: str) -> None:
    assert kind.write(value) == text


def test_a_gravity_says_how_the_free_room_is_shared() -> None:
    assert Gravity.CENTER.shares == (0.5, 0.5)
    assert Gravity.NORTHEAST.shares == (1.0, 0.0)
    assert Gravity.SOUTHWEST.shares == (0.0, 1.0)
    assert [gravity for gravity in Gravity if gravity.smart] == [Gravity.ATTENTION, Gravity.ENTROPY, Gravity.FACE]
    assert [gravity for gravity in Gravity if gravity.by_libvips] == [Gravity.ATTENTION, Gravity.ENTROPY]


def test_a_region_is_in_fractions_unless_a_value_is_over_1() -> None:
    assert Region(0, 0, 1, 1).fractions
    assert not Region(0, 0, 2, 1).fractions
