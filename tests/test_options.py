"""Reading, writing and canonical texts of options."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips import formats
from flask_images_vips.errors import InvalidOption
from flask_images_vips.options import DECLARED, Mode, Options, Sharpen, write_query
from flask_images_vips.transforms import Transform


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


def test_a_format_follows_from_the_extension_alone() -> None:
    expected = {
        "a.jpg": "jpeg",
        "a.JPEG": "jpeg",
        "a.jpe": "jpeg",
        "a.jfif": "jpeg",
        "a.png": "png",
        "a.b/c.webp": "webp",
        "a.avif": "avif",
        "a.GIF": "gif",
        "a.tif": "jpeg",
        "a.bmp": "jpeg",
        "a.ico": "jpeg",
        "a.svg": "jpeg",
        "png": "jpeg",
        "dir.png/file": "jpeg",
        "https://example.com/a.png?x=1": "jpeg",
        "": "jpeg",
    }
    assert {ref: formats.choose(ref, None).name for ref in expected} == expected
    assert formats.choose("a.png", formats.by_name("AVIF")).name == "avif"
