"""The lines of counts: written and read again, and damaged ones count as missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import share
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_images_vips.recording.counts import Asked, Counts, Measure, Render
from flask_images_vips.recording.form import read_line, read_lines, write_line

LINE: dict[str, Any] = {
    "aged_at": 1.5,
    "days": {"2026-01-31": [["", "", "hits", 3]]},
    "sources": {"a.png": {"asked": [["w=50", "png", 2.5, "0-1.png", 7]], "refused": {"404 SourceNotFound": 1}}},
}


def test_counts_are_read_as_they_were_written() -> None:
    counts = Counts(aged_at=1.5)
    counts.day(0)[Measure("format", "webp", "asked")] = 3
    counts.ask("ä\udc80.png", "w=50", "png", Asked(2.5, "0-1.png", 7))
    source = counts.of("ä\udc80.png")
    source.renders, source.cpu_seconds = 2, 0.25
    source.refused["404 SourceNotFound"] = 1
    source.slowest = Render(1.5, 0.5, 1.0, 1000, 7, "png", "w=50", "vips")
    line = write_line(counts)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert read_line(line) == counts


def test_lines_are_added_and_damaged_ones_are_passed_over() -> None:
    line = json.dumps(LINE).encode()
    read = read_lines(b"\n".join([line, line[:-20], b"", b"null", b"\xff\0", line]))
    assert read.sources["a.png"].count == 5
    assert read.days["2026-01-31"] == {("", "", "hits"): 6}
    assert read.aged_at == 1.5


def test_fields_of_a_later_version_are_ignored() -> None:
    more = {**LINE, "new": 1, "sources": {"a.png": {**LINE["sources"]["a.png"], "new": {}}}}
    assert read_line(json.dumps(more).encode()) == read_line(json.dumps(LINE).encode())


@pytest.mark.parametrize("file", ["../../secret", "a/b", "..", "a\\b", "a\0b"])
def test_a_file_outside_of_its_folder_is_refused(file: str) -> None:
    asked = {**LINE, "sources": {"a.png": {"asked": [["w=50", "png", 2.5, file, 7]]}}}
    assert read_line(json.dumps(asked).encode()) is None


@pytest.mark.parametrize("number", [-1, "1", None, True, float("nan"), float("inf"), [1], 10**400, 1e300])
def test_a_count_that_is_no_number_is_refused(number: Any) -> None:
    assert read_line(json.dumps({**LINE, "days": {"2026-01-31": [["", "", "hits", number]]}}).encode()) is None
    assert read_line(json.dumps({**LINE, "aged_at": number}).encode()) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["aged_at", "days", "sources", "asked", "refused", "slowest", "a"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=share(1000))
@given(json_values)
def test_anything_else_is_no_error(value: Any) -> None:
    read_lines(json.dumps(value).encode())


def test_deeply_nested_lines_are_no_error() -> None:
    assert read_line(b"[" * 100_000) is None


def test_the_largest_numbers_can_be_added_and_written() -> None:
    line = json.dumps({**LINE, "days": {"2026-01-31": [["", "", "hits", 9e14]]}}).encode()
    counts = read_lines(b"\n".join([line] * 1000))
    assert json.loads(write_line(counts))["days"]["2026-01-31"][0][3] == pytest.approx(9e17)
