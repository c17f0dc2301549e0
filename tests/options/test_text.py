"""Texts of a URL and styles of the configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_images_vips.config.keys import Config
from flask_images_vips.errors import ConfigError, InvalidOption
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.options.parsing import ParseError
from flask_images_vips.options.presets import Presets
from flask_images_vips.options.text import LONGEST, Text, TextStyle, TextStyles
from flask_images_vips.options.values import Colour, Gravity

FONTS = {"title": "a.ttf", "small": ["b.ttf", "c.ttf"]}


def config(**keys: Any) -> Config:
    return Config.read({f"IMAGES_{name.upper()}": value for name, value in keys.items()})


@pytest.mark.parametrize("text", ["a", "<b>&amp;</b>", "a\nb", "日本 😀", "x" * LONGEST, "ا\u200fب"])
def test_a_text_is_what_was_written(text: str) -> None:
    assert Text.parse(text) == (text,)


@pytest.mark.parametrize(
    "text", ["", " \n", "x" * (LONGEST + 1), "a\0b", "a\tb", "a\x7f", "a\x85", "\ud800", "a\u202eb"]
)
def test_what_is_too_long_or_controls_something_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        Text.parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  a \t b ", "a b"),
        ("a\r\nb", "a\nb"),
        ("a\0\x1b[1m\u202eb", "a[1mb"),
        ("\ud83d", None),
        ("", None),
        ("e\u0301", "é"),
        ("x" * 600, "x" * (LONGEST - 1) + "…"),
        (7, "7"),
    ],
)
def test_a_helper_tidies_up_the_text_of_a_template(text: object, written: str | None) -> None:
    assert Text.write(text) == written
    if written:
        assert Text.parse(written)


def test_no_text_is_taken_for_another_option_in_a_key() -> None:
    one, other = Options.parse({"txt": "a&ts=b"}), Options.parse({"txt": "a", "ts": "b"})
    assert one.canonical() != other.canonical()


def test_a_style_without_a_text_changes_nothing() -> None:
    assert Options.parse({"ts": "card"}).canonical() == ""


def test_a_style_has_the_values_of_the_configuration() -> None:
    styles = TextStyles(
        config(fonts=FONTS, text_styles={"card": {"size": 72, "shade": (0, 0, 0, 128), "gravity": "e"}})
    )
    card = styles.find("card")
    assert (card.font, card.size, card.shade, card.gravity) == ("title", 72, Colour(0, 0, 0, 128), Gravity.EAST)
    assert styles.find("default") == TextStyle("title")


def test_a_style_arrives_in_a_renderer_as_it_was() -> None:
    style = TextStyle("title", size=7.5, color=Colour(1, 2, 3, 4), gravity=Gravity.NORTH, align="center", width=0.5)
    assert TextStyle.read("it", json.loads(json.dumps(style.to_json()))) == style


@pytest.mark.parametrize(
    ("styles", "words"),
    [
        ({"card": {"sise": 3}}, "'sise' is not a part of a style; did you mean size?"),
        ({"card": {"size": 0}}, "a number from 4 to 2000"),
        ({"card": {"color": "nothing"}}, "a colour"),
        ({"card": {"gravity": "attention"}}, "a position"),
        ({"card": {"align": "middle"}}, "one of start, left, center, right"),
        ({"card": {"font": "titel"}}, "no font 'titel'; did you mean title?"),
        ({"a b": {}}, "letters, digits"),
        ({"card": {"size": None}}, "a number"),
    ],
)
def test_a_style_that_cannot_work_is_an_error(styles: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="IMAGES_TEXT_STYLES") as error:
        TextStyles(config(fonts=FONTS, text_styles=styles))
    assert words in str(error.value)


def test_all_faults_of_all_styles_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        TextStyles(config(fonts=FONTS, text_styles={"a": {"size": 0, "lines": 0}, "b": {"x": 1}}))
    assert len(error.value.faults) == 3


def test_styles_need_a_font() -> None:
    with pytest.raises(ConfigError, match="IMAGES_FONTS"):
        TextStyles(config(text_styles={"card": {}}))


def test_an_unknown_style_and_a_text_without_fonts_are_refused() -> None:
    with pytest.raises(InvalidOption, match=r"one of IMAGES_TEXT_STYLES \(default, card\); did you mean card\?"):
        TextStyles(config(fonts=FONTS, text_styles={"card": {}})).find("cart")
    with pytest.raises(InvalidOption, match="IMAGES_FONTS is not set"):
        TextStyles(config()).find("default")


def test_a_text_may_be_added_to_a_preset_that_has_a_style_for_it() -> None:
    presets = Presets(config(presets={"card": {"width": 9, "text_style": "card"}, "plain": {"width": 9}}))

    def included(**keywords: Any) -> bool:
        return presets.include(Options.parse(write_query(keywords)), default_quality=True)

    assert included(width=9, text_style="card", text="Hello")
    assert not included(width=9, text="Hello")
    assert not included(width=8, text_style="card", text="Hello")
