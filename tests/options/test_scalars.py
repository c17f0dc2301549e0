"""Options that are one number, flag, name or time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from flask_images_vips.formats import Raw
from flask_images_vips.options import scalars
from flask_images_vips.options.parsing import ParseError
from flask_images_vips.options.scalars import (
    ROUND,
    Aspect,
    FileName,
    Flag,
    Integer,
    Moment,
    Number,
    Quality,
    Radius,
    RecordDigest,
    Rotation,
    Side,
    Threshold,
)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Flag(), {"1": True, "yes": True, "anything": True, "": False, "0": False, "False": False, "NO": False}),
        (Integer(1), {"1": 1, "9999999999": 9_999_999_999}),
        (Quality, {"1": 1, "100": 100, "250": 100, "raw1": Raw(1), "raw250": Raw(100)}),
        (Integer(2, 5), {"2": 2, "5": 5}),
        (Number(1, 4), {"1": 1, "1.5": 1.5, "4.0": 4}),
        (Number(0.3, 100, or_zero=True), {"0": 0, "0.0": 0, "0.3": 0.3, "100": 100}),
        (Side, {"5": 5, "0": None}),
        (Rotation, {"0": 0, "90.0": 90, "180": 180, "270": 270}),
        (Threshold, {"true": 10, "YES": 10, "no": None, "0": None, "1": 1, "255": 255}),
        (Radius, {"0": 0, "10000": 10_000, "Max": ROUND}),
        (Aspect, {"16:9": Fraction(16, 9), "1.5": Fraction(3, 2), "3/2": Fraction(3, 2), "1 1000": Fraction(1, 1000)}),
        (FileName, {"my cat.jpg": "my cat.jpg", "n" * 150: "n" * 150}),
        (Moment, {"1900000000": 1_900_000_000}),
        (RecordDigest, {"0123456789ab": "0123456789ab"}),
    ],
)
def test_texts_are_read(kind: Any, texts: dict[str, object]) -> None:
    assert {text: kind.parse(text) for text in texts} == texts


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (Integer(1), ["0", "x"], "a whole number of at least 1"),
        (Quality, ["0", "1.5", "raw0", "raw"], "a whole number from 1 to 100, one after raw, such as raw40, or auto"),
        (Integer(2, 5), ["1", "6"], "a whole number from 2 to 5"),
        (Number(0.01, 1), ["0", "1.1", "x"], "a number from 0.01 to 1"),
        (Number(0.3, 100, or_zero=True), ["0.2", "101", "inf"], "0, or a number from 0.3 to 100"),
        (RecordDigest, ["0123456789a", "0123456789abc", "0123456789AB", "a" * 12 + "\n"], "12 hexadecimal digits"),
        (Side, ["-1", "2.5"], "a whole number of pixels"),
        (Rotation, ["45", "360"], "0, 90, 180 or 270"),
        (Threshold, ["256", "maybe"], "a threshold of 1 to 255, or true"),
        (Radius, ["10001", "most"], "pixels (0 to 10000), or max"),
        (
            Aspect,
            ["0:1", "1:0", "1:2:3", "1:1001", "wide", "1." + "0" * 5000],
            "width:height, such as 16:9 or 1.5, between 1:1000 and",
        ),
        (FileName, ["n" * 151, "a\nb"], "a file name of at most 150 printable characters"),
        (Moment, ["tomorrow"], "whole seconds since 1970"),
    ],
)
def test_other_texts_are_refused_with_what_was_expected(kind: Any, texts: list[str], expected: str) -> None:
    for text in texts:
        with pytest.raises(ParseError) as caught:
            kind.parse(text)
        assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Flag(), True, "1"),
        (Flag(), 0, None),
        (Flag(default=True), 5, None),
        (Flag(default=True), False, ""),
        (Threshold, True, "true"),
        (Threshold, False, None),
        (Threshold, 20, "20"),
        (FileName, True, "1"),
        (FileName, "", None),
        (FileName, "cat.jpg", "cat.jpg"),
        (Moment, 1_900_000_000, "1900000000"),
        (Moment, "soon", "soon"),
        (Moment, datetime(2030, 1, 1, tzinfo=UTC), "1893456000"),
    ],
)
def test_values_of_templates_are_written(kind: Any, value: object, text: str | None) -> None:
    assert kind.write(value) == text


def test_a_timedelta_counts_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scalars.time, "time", lambda: 1000.7)
    assert Moment.write(timedelta(minutes=1)) == "1060"
