"""Numbers from the text of a URL, and values of templates as text."""

from __future__ import annotations

from enum import Enum

import pytest
from markupsafe import Markup

from flask_images_vips.options.parsing import ParseError, integer, number, numbers, pixels, written


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("05", 5), ("5.", 5), ("5.00", 5), ("9", 9)])
def test_whole_numbers_are_read(text: str, value: int) -> None:
    assert integer(text, least=5, most=9, expected="5 to 9") == value


@pytest.mark.parametrize("text", ["", "4", "10", "5.5", "-5", "+5", "5e0", "٥", " 5", "5\n", "9" * 11])
def test_what_is_no_whole_number_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ParseError, match="expected 5 to 9") as caught:
        integer(text, least=5, most=9, expected="5 to 9")
    assert caught.value.expected == "5 to 9"


@pytest.mark.parametrize("text", ["", ".", "nan", "inf", "1e3", "-1", "٥", "0.4", "2.01"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert number("0.50", least=0.5, most=2, expected="") == 0.5
    with pytest.raises(ParseError):
        number(text, least=0.5, most=2, expected="0.5 to 2")


def test_several_numbers_are_as_many_as_expected() -> None:
    assert numbers("1,.5 2.", count=3, most=2, expected="") == [1, 0.5, 2]
    for text in ("1,2", "1,2,2,2", "1,,2", "1,2,3"):
        with pytest.raises(ParseError):
            numbers(text, count=3, most=2, expected="three numbers")


def test_pixels_around_a_picture_end_at_ten_thousand() -> None:
    assert pixels("10000", expected="") == 10_000
    with pytest.raises(ParseError):
        pixels("10001", expected="less")


def test_values_of_templates_are_written_as_one_text() -> None:
    kinds = Enum("kinds", {"FIT": "fit"}, type=str)  # str() of a member is not its value
    assert "".join([written(kinds.FIT)]) == "fit"
    assert written(Markup("a b")) == "a b"
    assert written((1, 2.5, "c")) == "1,2.5,c"
    assert written(None) == "None"
