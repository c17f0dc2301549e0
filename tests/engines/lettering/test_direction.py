"""The order in which the letters of a line are seen, if parts of it run from right to left."""

from __future__ import annotations

import pytest

from flask_images_vips.engines.lettering.direction import runs_left, stretches


def seen(text: str) -> str:
    """The letters of *text* from left to right."""
    found = ""
    for begin, end, leftwards in stretches(list(text), right_to_left=runs_left(text)):
        found += text[begin:end][::-1] if leftwards else text[begin:end]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left only", "left only"),
        ("אבג דהו", "והד גבא"),
        ("say אבג now", "say גבא now"),
        ("אבג Flask דהו", "והד Flask גבא"),
        ("אבג 3.14 דהו", "והד 3.14 גבא"),
        ("אבג 50% דה", "הד 50% גבא"),
        ("say אבג 12 דהו now", "say והד 12 גבא now"),
        ("2026 years", "2026 years"),
        ("אבג!", "!גבא"),
        # Brackets are mirrored when they are drawn.
        ("אבג (a b) c", "c )a b( גבא"),
        ("אבג 12 (v2.0) end", "end )v2.0( 12 גבא"),
        ("אבג (דה) c", "c )הד( גבא"),
        ("see (אבג) now", "see (גבא) now"),
        ("see [(אבג)] דה now", "see [(גבא)] הד now"),
        ("a אבג (דה) b", "a )הד( גבא b"),
        ("אבג (", "( גבא"),
        ("אבג) a (", "( a )גבא"),
        ("", ""),
    ],
)
def test_each_part_runs_in_its_direction(text: str, expected: str) -> None:
    assert seen(text) == expected


def test_the_first_letter_with_a_direction_decides_about_the_whole_text() -> None:
    assert runs_left("12 – مرحبا hello")
    assert not runs_left("12 – hello مرحبا")
    assert not runs_left("123")
