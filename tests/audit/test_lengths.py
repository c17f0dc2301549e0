"""Media queries and ``sizes``: what is understood, and that everything else is None."""

from __future__ import annotations

from typing import Any

import pytest

from flask_images_vips.audit.lengths import breakpoints, matches, slot, split, width_of


@pytest.mark.parametrize(
    ("length", "pixels"),
    [
        ("300px", 300),
        ("50vw", 400),
        ("50%", 400),
        ("2rem", 32),
        (".5em", 8),
        ("calc(100vw - 2rem)", 768),
        ("calc((100vw - 40px) / 2)", 380),
        ("calc(10px + 2 * 5px - -1px)", 21),
        ("min(100vw, 600px)", 600),
        ("max(100vw, 600px)", 800),
        ("clamp(100px, 10vw, 300px)", 100),
        ("CLAMP(100px, 90vw, 300px)", 300),
    ],
)
def test_lengths_in_a_window_of_800_px(length: str, pixels: float) -> None:
    assert width_of(length, 800) == pixels


@pytest.mark.parametrize(
    "length",
    ["", "auto", "10vmin", "calc(", "calc(1px", "1px 2px", "var(--width)", "calc(1px / 0)", "min()", "(" * 5000, "🐈"],
)
def test_what_is_not_understood_is_none(length: str) -> None:
    assert width_of(length, 800) is None


@pytest.mark.parametrize(
    ("query", "window", "expected"),
    [
        ("(min-width: 600px)", 600, True),
        ("(min-width: 600px)", 599, False),
        ("(max-width:40em)", 640, True),
        ("(max-width:40em)", 641, False),
        ("screen and (min-width: 100px) and (max-width: 200px)", 150, True),
        ("screen and (min-width: 100px) and (max-width: 200px)", 250, False),
        ("print", 800, False),
        ("not screen", 800, False),
        ("(width >= 600px)", 600, True),
        ("(width < 600px)", 600, False),
        ("(width <= 600px)", 600, True),
        ("(width > 600px)", 600, False),
        ("print, (max-width: 900px)", 800, True),
        ("(orientation: portrait)", 800, None),
        ("(orientation: portrait) and (max-width: 100px)", 800, False),
        ("(orientation: portrait), (min-width: 1px)", 800, True),
        ("(min-width: 10vmax)", 800, None),
        ("(min-width: 1px) or (hover)", 800, None),
        ("", 800, True),
    ],
)
def test_media_queries(query: str, window: int, expected: bool | None) -> None:
    assert matches(query, window) is expected


@pytest.mark.parametrize(
    ("sizes", "window", "expected"),
    [
        ("(min-width: 400px) 400px, 100vw", 800, 400),
        ("(min-width: 400px) 400px, 100vw", 320, 320),
        ("auto, (min-width: 400px) 400px, 100vw", 320, 320),
        ("(min-width: 1000px) calc(50vw - 10px), min(100vw, 500px)", 1200, 590),
        ("(min-width: 1000px) 33vw", 320, 320),
        ("(orientation: portrait) 10px, 20px", 800, None),
        ("10parsec", 800, None),
        ("", 800, 800),
    ],
)
def test_the_slot_of_sizes(sizes: str, window: int, expected: Any) -> None:
    assert slot(sizes, window) == expected


def test_breakpoints_are_the_lengths_that_are_named() -> None:
    assert [*breakpoints("(min-width: 30em) and (max-width: 600px) calc(50vw - 2rem)")] == [480, 600, 32]


def test_a_text_is_split_outside_of_parentheses() -> None:
    assert [*split("a, min(b, c) , ,d)", ",")] == ["a", "min(b, c)", "d)"]
    assert [*split("((a", ",")] == ["((a"]
