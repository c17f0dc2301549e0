"""Lines: what fits, what is made smaller, and what ends in an ellipsis. Here, each letter is half as wide as high."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from flask_images_vips.engines.lettering.lines import Arranged, arrange


def measure(line: Sequence[str]) -> float:
    return 0.5 * len(line)


def arranged(text: str, width: float = 100, *, lines: int = 3, size: float = 20, least: float = 20) -> Arranged:
    return arrange(text, measure, size=size, least=least, width=width, most=lambda _: lines)


def rows(found: Arranged) -> list[str]:
    return ["".join(line) for line in found.lines]


def test_a_text_that_fits_is_one_line() -> None:
    assert arranged("short") == Arranged([list("short")], 20)


def test_lines_end_between_words_and_are_about_equally_long() -> None:
    assert rows(arranged("one two six ten")) == ["one two", "six ten"]  # not: "one two six", "ten"


def test_a_line_feed_begins_a_line() -> None:
    assert rows(arranged("one\n\ntwo six\nten")) == ["one", "two six", "ten"]


def test_a_text_with_too_many_lines_becomes_smaller() -> None:
    found = arranged("one two six ten one two six ten", lines=2, least=5)
    assert len(found.lines) <= 2
    assert 5 <= found.size < 20
    assert "…" not in "".join(rows(found))


def test_what_does_not_fit_at_the_least_size_ends_in_an_ellipsis() -> None:
    found = arranged("one two, six ten one two six ten", lines=1)
    assert rows(found) == ["one two…"]
    assert found.size == 20


def test_a_word_that_is_longer_than_a_line_is_cut() -> None:
    assert rows(arranged("Donaudampfschiff")) == ["Donaudampf", "schiff"]


def test_a_letter_that_is_wider_than_the_line_is_drawn_anyway() -> None:
    assert rows(arranged("ab", width=1)) == ["a", "b"]


@given(st.text("ab -日。", min_size=1, max_size=60).filter(str.strip), st.integers(20, 300), st.integers(1, 4))
def test_no_line_is_too_long_and_no_letter_is_lost(text: str, width: int, lines: int) -> None:
    found = arranged(text, width, lines=lines, least=4)
    assert 1 <= len(found.lines) <= lines
    assert all(measure(line) * found.size <= width + 1e-6 or len(line) <= 2 for line in found.lines)
    drawn = "".join(rows(found)).replace(" ", "")
    assert drawn == text.replace(" ", "") or drawn.endswith("…")
