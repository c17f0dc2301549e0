"""What the commands print: tables, sizes and times."""

from __future__ import annotations

import pytest

from flask_images_vips.operating.columns import count, duration, size, table, time_ago


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    assert table([["name", "files"], ["a", "5"], ["longer", "1,000"]]) == [
        "  name    files",
        "  a           5",
        "  longer  1,000",
    ]
    assert table([]) == []


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (10e9, "10.0 GB"),
        (5e15, "5,000.0 TB"),
    ],
)
def test_sizes(size_bytes: float, text: str) -> None:
    assert size(size_bytes) == text


def test_counts_that_have_aged_are_not_shown_as_none() -> None:
    assert [count(number) for number in (0, 0.2, 0.7, 12_345.6)] == ["0", "0+", "1", "12,346"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (60, "1 minute ago"), (7300, "2 hours ago"), (86_400, "1 day ago"), (900_000, "10 days ago")],
)
def test_times(seconds: float, text: str) -> None:
    assert time_ago(seconds) == text


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.0123, 1.26, 4000)] == ["12 ms", "1.3 s", "4,000.0 s"]
