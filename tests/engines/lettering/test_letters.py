"""Letters as a reader sees them, and where lines may end."""

from __future__ import annotations

import pytest

from flask_images_vips.engines.lettering.letters import is_emoji, letters, parts

FAMILY = "👩\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("abc", ["a", "b", "c"]),
        ("e\u0301a\u0308\u0323", ["e\u0301", "a\u0308\u0323"]),
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        ("🇫🇷🇩🇪", ["🇫🇷", "🇩🇪"]),
        ("👍🏽!", ["👍🏽", "!"]),
        ("1️⃣2", ["1️⃣", "2"]),
        ("❤️", ["❤️"]),
        ("🏴\U000e0067\U000e0062\U000e007f.", ["🏴\U000e0067\U000e0062\U000e007f", "."]),
        ("क्षि", ["क्", "षि"]),
        ("\u1112\u1161\u11ab\u1100", ["\u1112\u1161\u11ab", "\u1100"]),
        ("", []),
    ],
)
def test_what_is_seen_as_one_letter_stays_together(text: str, found: list[str]) -> None:
    assert letters(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a fine day", ["a", "fine", "day"]),
        ("well-known  and/or", ["well-", "known", "and/", "or"]),
        ("2020-21, -5", ["2020-21,", "-5"]),
        ("10\u00a0km far", ["10\u00a0km", "far"]),
        ("日本語。「東京」です", ["日", "本", "語。", "「東", "京」", "で", "す"]),
        ("サーバー", ["サー", "バー"]),
        ("한국어 제목", ["한국어", "제목"]),
        ("go 🚀now!", ["go", "🚀", "now!"]),
        ("   ", []),
    ],
)
def test_lines_may_end_where_the_script_allows_it(text: str, found: list[str]) -> None:
    assert [part.text for part in parts(text)] == found


def test_a_part_knows_whether_a_space_follows() -> None:
    assert [part.spaced for part in parts("a b-c 日本")] == [True, False, True, False, False]


def test_emoji_are_those_that_are_drawn_in_colour() -> None:
    assert all(map(is_emoji, ["😀", FAMILY, "🇫🇷", "❤️", "1️⃣", "⌚"]))
    assert not any(map(is_emoji, ["a", "1", "❤", "☃", "😀\ufe0e", "日", "©"]))
