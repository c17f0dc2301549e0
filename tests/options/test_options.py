"""Reading, writing and canonical texts of options."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flask_images_vips import formats
from flask_images_vips.errors import InvalidOption
from flask_images_vips.options.options import DECLARED, Options, write_query
from flask_images_vips.options.scalars import ROUND
from flask_images_vips.options.values import (
    Border,
    Edges,
    Flip,
    Focal,
    Gravity,
    Mode,
    Region,
    Sharpen,
    Watermark,
)


def test_every_option_has_a_short_name_of_its_own() -> None:
    assert len({declared.short for declared in DECLARED.values()}) == len(DECLARED)
    assert not {declared.short for declared in DECLARED.values()} & {"s", "u", "v"}


def test_values_are_written_as_flask_images_wrote_them() -> None:
    written = write_query(
        {"width": 100, "mode": Mode.CROP, "enlarge": True, "cache": False, "transform": "EXTENT,0 0;10%", "x-y": 1}
    )
    assert written == {"w": "100", "m": "crop", "e": "1", "c": "", "x": "EXTENT_0_0_10p", "x-y": "1"}


def test_none_and_defaults_and_private_names_are_not_written() -> None:
    assert write_query({"width": None, "enlarge": False, "cache": True, "_method": "GET", "transform": ()}) == {}


def test_sequences_become_one_value() -> None:
    written = write_query({"sharpen": (0.3, 250, 2), "transform": ["AFFINE", 0, "50%"], "background": (255, 136, 0)})
    assert written == {"usm": "0.3,250,2", "x": "AFFINE_0_50p", "b": "#ff8800"}


def test_writing_checks_nothing() -> None:
    assert write_query({"width": "abc", "quality": 0, "mode": "bogus"}) == {"w": "abc", "q": "0", "m": "bogus"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"w": "50"}, {"width": 50}),
        ({"w": "50.0"}, {"width": 50}),
        ({"w": "0", "h": "0"}, {}),
        ({"w": "", "h": "", "m": "", "q": "", "b": "", "f": "", "x": "", "usm": ""}, {}),
        ({"e": "1"}, {"enlarge": True}),
        ({"e": ""}, {"enlarge": False}),
        ({"c": ""}, {"cache": False}),
        ({"q": "250"}, {"quality": 100}),
        ({"f": "JPG"}, {"format": formats.JPEG}),
        ({"f": "tif"}, {"format": formats.by_name("tiff")}),
        ({"b": "#f80"}, {"background": (255, 136, 0, 255)}),
        ({"b": "#ff880080"}, {"background": (255, 136, 0, 128)}),
        ({"b": "rgb(1,2,3)"}, {"background": (1, 2, 3, 255)}),
        ({"b": "rgb(300,0,0)"}, {"background": (255, 0, 0, 255)}),
        ({"b": "transparent"}, {"background": (0, 0, 0, 0)}),
        ({"usm": "0.3+250:2"}, {"sharpen": Sharpen(0.3, 250, 2)}),
        ({"usm": "2 150 3"}, {"sharpen": Sharpen(2.0, 150, 3)}),
        ({"unknown": "x"}, {}),
        ({"g": "NE"}, {"gravity": Gravity.NORTHEAST}),
        ({"fp": ".25,1"}, {"focal": Focal(0.25, 1)}),
        ({"rg": "0,0,1,0.5"}, {"region": Region(0, 0, 1, 0.5)}),
        ({"rg": "3 4 5 6"}, {"region": Region(3, 4, 5, 6)}),
        ({"ar": "16:9"}, {"aspect": Fraction(16, 9)}),
        ({"ar": "1.5"}, {"aspect": Fraction(3, 2)}),
        ({"dpr": "1.5"}, {"dpr": 1.5}),
        ({"rot": "270"}, {"rotate": 270}),
        ({"fl": "hv"}, {"flip": Flip.BOTH}),
        ({"bl": "0"}, {}),
        ({"gs": "1"}, {"grayscale": True}),
        ({"br": "1.0", "co": "0", "sa": "10"}, {"contrast": 0, "saturation": 10}),
        ({"tr": "true"}, {"trim": 10}),
        ({"tr": "0"}, {}),
        ({"pd": "4"}, {"padding": Edges(4, 4, 4, 4)}),
        ({"pd": "1,2,3,4"}, {"padding": Edges(1, 2, 3, 4)}),
        ({"bo": "2,rgb(1,2,3)"}, {"border": Border(2, (1, 2, 3, 255))}),
        ({"bo": "2"}, {"border": Border(2, (0, 0, 0, 255))}),
        ({"bo": "0,red"}, {}),
        ({"ra": "max"}, {"radius": ROUND}),
        ({"wm": "a/b.png"}, {"watermark": Watermark("a/b.png", Gravity.SOUTHEAST, 10, 1.0, 0.25)}),
        ({"wm": "a.png,nw,0,.5,1"}, {"watermark": Watermark("a.png", Gravity.NORTHWEST, 0, 0.5, 1.0)}),
    ],
)
def test_texts_are_read(query: dict[str, str], expected: dict[str, Any]) -> None:
    assert Options.parse(query) == Options(**expected)


@pytest.mark.parametrize(
    "query",
    [
        {"w": "abc"},
        {"w": "-5"},
        {"w": "50.7"},
        {"w": "1e3"},
        {"w": "٣"},
        {"w": "9" * 5000},
        {"h": "\n5"},
        {"q": "0"},
        {"q": "x"},
        {"q": "-1"},
        {"m": "bogus"},
        {"m": "Mode.CROP"},
        {"f": "exe"},
        {"f": "auto/../x"},
        {"b": "no colour"},
        {"b": "x" * 500},
        {"usm": "1,2"},
        {"usm": "1,2,3,4"},
        {"usm": "a,2,3"},
        {"usm": "nan,2,3"},
        {"usm": "1,2,999"},
        {"usm": "1000,2,3"},
        {"x": "MESH,0,0,1"},
        {"x": "EXTENT"},
        {"x": "EXTENT,0,0,1,2,3"},
        {"x": "EXTENT,0,0,1,2,3,x"},
        {"x": "EXTENT,-1,0,1,2,3,4"},
        {"x": "EXTENT,0,0,nan,2,3,4"},
        {"x": "EXTENT,0,0,1e999,2,3,4"},
        {"x": "AFFINE,0,0,10%,0,0,0,1,0"},
        {"g": "up"},
        {"fp": "0.5"},
        {"fp": "0.5,1.01"},
        {"fp": "-0.1,0"},
        {"rg": "0,0,0,1"},
        {"rg": "0.6,0,0.5,1"},
        {"rg": "0,0,10.5,10"},
        {"rg": "0,0,nan,1"},
        {"ar": "0:9"},
        {"ar": "16:9:1"},
        {"ar": "5000:1"},
        {"ar": "1:1", "w": "5", "h": "5"},
        {"dpr": "0.5"},
        {"dpr": "5"},
        {"rot": "45"},
        {"fl": "diagonal"},
        {"bl": "0.2"},
        {"bl": "101"},
        {"bl": "inf"},
        {"br": "-1"},
        {"co": "11"},
        {"sa": "x"},
        {"tr": "256"},
        {"tr": "x"},
        {"pd": "1,2"},
        {"pd": "-1"},
        {"pd": "20000"},
        {"bo": "2,no colour"},
        {"bo": "x,red"},
        {"ra": "some"},
        {"ra": "99999999999"},
        {"wm": ",se"},
        {"wm": "a.png,attention"},
        {"wm": "a.png,se,x"},
        {"wm": "a.png,se,1,0"},
        {"wm": "a.png,se,1,1,1.5"},
        {"wm": "a.png,se,1,1,1,1"},
    ],
)
def test_impossible_values_are_refused_and_named(query: dict[str, str]) -> None:
    with pytest.raises(InvalidOption) as caught:
        Options.parse(query)
    assert caught.value.name in DECLARED
    assert "expected" in str(caught.value)


texts = st.dictionaries(st.sampled_from([d.short for d in DECLARED.values()]), st.text(max_size=30))


@given(texts)
def test_any_text_is_read_or_refused(query: dict[str, str]) -> None:
    with suppress(InvalidOption):
        Options.parse(query).canonical()


@given(
    st.one_of(st.none(), st.integers(1, 5)), st.sampled_from(Mode), st.booleans(), st.integers(1, 3), st.floats(0, 9)
)
def test_canonical_texts_tell_different_options_apart(
    width: int | None, mode: Mode, enlarge: bool, quality: int, radius: float
) -> None:
    one = Options(width=width, mode=mode, enlarge=enlarge, quality=quality, sharpen=Sharpen(radius, 1, 1))
    for other in (
        Options(),
        Options(width=width, mode=mode, enlarge=enlarge, quality=quality),
        Options(
            width=width, mode=mode, enlarge=enlarge, quality=quality, sharpen=Sharpen(math.nextafter(radius, 99), 1, 1)
        ),
        Options(height=width, mode=mode, enlarge=enlarge, quality=quality, sharpen=Sharpen(radius, 1, 1)),
    ):
        assert (one == other) == (one.canonical() == other.canonical())


def test_spellings_of_one_wish_have_one_canonical_text() -> None:
    spellings = [
        {"w": "50", "b": "black", "m": "reshape"},
        {"w": "50.0", "b": "#000"},
        {"w": "50", "h": "0", "b": "rgb(0,0,0)", "e": "", "m": ""},
    ]
    assert len({Options.parse(query).canonical() for query in spellings}) == 1


# For each option that a key is made of: some wishes, each in several spellings, and last those of its default.
SPELLINGS: dict[str, list[list[str]]] = {
    "width": [["50", "50.0", "050"], ["51"], ["0", ""]],
    "height": [["50", "50.00"], ["7"], ["0", ""]],
    "mode": [["fit"], ["crop"], ["pad"], ["reshape", ""]],
    "enlarge": [["1", "true", "yes"], ["0", "", "no"]],
    "quality": [["100", "250"], ["40"], ["auto"], ["75", "75.0", ""]],
    "max_bytes": [["1000", "1000.0"], ["2000"], [""]],
    "background": [["#f80", "#ff8800", "rgb(255,136,0)"], ["transparent", "#00000000"], ["black", "#000", ""]],
    "sharpen": [["0.3,250,2", ".3+250:2", "0.30 250 2"], ["0.3,250,3"], [""]],
    "transform": [["EXTENT,0,0,10%,0,1,1", "extent_0_0_10p_0_1.0_1"], ["EXTENT,0,0,10,0,1,1"], [""]],
    "animated": [["", "0", "no"], ["1", "true"]],
    "progressive": [["1", "true"], ["", "0"]],
    "lossless": [["1", "true"], ["", "0"]],
    "keep": [["icc"], ["copyright,icc", "icc copyright"], ["rights"], ["icc,rights", "rights icc"], [""]],
    "gravity": [["ne", "northeast", "NorthEast"], ["s", "south"], ["attention"], ["center", "c", "centre", ""]],
    "focal": [["0.25,1", ".25,1.0", "0.250 1"], ["1,0.25"], [""]],
    "region": [["0,0,0.5,1", "0,0,.5,1.0"], ["0,0,5,10", "0 0 5.0 10"], [""]],
    "aspect": [["16:9", "16/9", "32:18", "1.6:0.9"], ["1.5", "3:2"], [""]],
    "dpr": [["2", "2.0"], ["1.5", "1.50"], ["1", "1.0", ""]],
    "rotate": [["90", "90.0"], ["180"], ["0", ""]],
    "flip": [["horizontal", "h", "H"], ["vertical", "v"], ["both", "hv"], [""]],
    "blur": [["0.3", ".3", "0.30"], ["4"], ["0", ""]],
    "grayscale": [["1", "true"], ["0", "", "false"]],
    "brightness": [["1.5", "1.50"], ["0", "0.0"], ["1", "1.0", ""]],
    "contrast": [["1.5"], ["0"], ["1", ""]],
    "saturation": [["1.5"], ["2", "2.0"], ["1", ""]],
    "trim": [["true", "10", "yes"], ["11"], ["0", "false", ""]],
    "padding": [["4", "4,4,4,4", "4 4 4 4"], ["4,0,0,0"], ["0,4,0,0"], ["0", "0,0,0,0", ""]],
    "border": [["2", "2,black", "2,#000"], ["2,white"], ["3"], ["0", "0,red", ""]],
    "depth": [["10", "10.0"], ["12"], ["8", ""]],
    "radius": [["7", "7.0"], ["max", "MAX"], ["0", ""]],
    "watermark": [["a.png", "a.png,se", "a.png,southeast,10,1.0,.25"], ["a.png,se,10,0.5"], ["a&q=5.png"], [""]],
    "text": [["Hello"], ["hello"], ["a&ts=b"], ["こんにちは"], [""]],
    "text_style": [["card"], ["default", ""]],
    "rights": [["0123456789ab"], ["ba9876543210"], [""]],
}


@st.composite
def spelled_twice(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """Two queries that spell one wish."""
    one, other = {}, {}
    for name in draw(st.sets(st.sampled_from(sorted(SPELLINGS)), max_size=8)):
        spellings, short = draw(st.sampled_from(SPELLINGS[name])), DECLARED[name].short
        one[short], other[short] = draw(st.sampled_from(spellings)), draw(st.sampled_from(spellings))
    return one, other


def read(query: dict[str, str]) -> Options:
    try:
        return Options.parse(query)
    except InvalidOption:
        assume(False)
        raise


def test_every_option_that_a_key_is_made_of_has_its_spellings() -> None:
    assert set(SPELLINGS) == {name for name, declared in DECLARED.items() if declared.keyed}


@given(spelled_twice(), spelled_twice())
@settings(max_examples=600, deadline=None)
def test_one_rendition_has_one_key_however_it_is_spelled_and_two_have_two(
    spelled: tuple[dict[str, str], dict[str, str]], others: tuple[dict[str, str], dict[str, str]]
) -> None:
    one, same = map(read, spelled)
    assert one.canonical() == same.canonical()
    other = read(others[0])
    assert (one.settled() == other.settled()) == (one.canonical() == other.canonical())


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_every_wish_of_every_option_has_a_key_of_its_own(name: str) -> None:
    short, box = DECLARED[name].short, {"w": "80", "h": "60", "m": "crop"}
    for fixed in ({}, {"w": "80"}, box):
        keys = [
            {Options.parse({**fixed, short: text}).canonical() for text in spellings}
            for spellings in SPELLINGS[name]
            if not (name == "aspect" and fixed is box)
        ]
        assert all(len(spelled) == 1 for spelled in keys)
        if fixed is box and name not in ("aspect", "mode", "text_style"):
            assert len(set.union(*keys)) == len(keys)
    default = SPELLINGS[name][-1][0]
    assert Options.parse({short: default}).canonical() == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"w": "100", "h": "60", "dpr": "2"}, {"w": "200", "h": "120"}),
        ({"w": "100", "dpr": "1.15"}, {"w": "115"}),
        ({"pd": "1,2,3,4", "bo": "2,red", "ra": "9", "dpr": "2"}, {"pd": "2,4,6,8", "bo": "4,red", "ra": "18"}),
        ({"ra": "max", "dpr": "2"}, {"ra": "max"}),
        ({"dpr": "3"}, {}),
        ({"wm": "a.png,se,5", "dpr": "2"}, {"wm": "a.png,se,10"}),
        ({"w": "160", "ar": "16:9"}, {"w": "160", "h": "90"}),
        ({"h": "90", "ar": "16:9", "m": "crop"}, {"w": "160", "h": "90", "m": "crop"}),
        ({"fl": "both"}, {"rot": "180"}),
        ({"fl": "v"}, {"fl": "h", "rot": "180"}),
        ({"fl": "both", "rot": "180"}, {}),
        ({"gs": "1"}, {"sa": "0"}),
        ({"gs": "1", "sa": "3"}, {"gs": "1"}),
        ({"g": "north", "m": "fit"}, {"m": "fit"}),
        ({"g": "attention", "m": "pad"}, {"m": "pad"}),
        ({"g": "north", "fp": "0,0", "m": "crop"}, {"fp": "0,0", "m": "crop"}),
        ({"fp": "0,0", "m": "pad"}, {"m": "pad"}),
    ],
)
def test_two_ways_to_the_same_pixels_are_one_key(one: dict[str, str], other: dict[str, str]) -> None:
    assert Options.parse(one).canonical() == Options.parse(other).canonical()


def test_what_templates_give_is_read_as_it_was_meant() -> None:
    written = write_query(
        {
            "focal": (0.3, 0.4),
            "region": (0, 0, 0.5, 1),
            "aspect": (16, 9),
            "trim": True,
            "padding": [1, 2, 3, 4],
            "border": (2, (255, 136, 0)),
            "radius": "max",
            "watermark": ("logo.png", "ne", 4),
            "grayscale": False,
        }
    )
    assert Options.parse(written) == Options(
        focal=Focal(0.3, 0.4),
        region=Region(0, 0, 0.5, 1),
        aspect=Fraction(16, 9),
        trim=10,
        padding=Edges(1, 2, 3, 4),
        border=Border(2, (255, 136, 0, 255)),
        radius=ROUND,
        watermark=Watermark("logo.png", Gravity.NORTHEAST, 4),
    )
    assert write_query({"trim": False, "border": None}) == {}
