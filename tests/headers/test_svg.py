"""The size of an SVG is the one that Chromium gives to an ``<img>`` without a size."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import opened

from flask_images_vips.errors import ImagesError, UnreadableSource
from flask_images_vips.headers import svg
from flask_images_vips.headers.bounded import BoundedFile
from flask_images_vips.headers.header import FileHeader

# What Chromium 156 says. The browser's own answers are compared in tests/svg/test_browser.py.
SIZES = {
    "": (300, 150),
    'viewBox="0 0 24 12"': (300, 150),
    'viewBox="0,0,24,24"': (150, 150),
    'viewBox="-5 -5 30 7.5"': (300, 75),
    'viewBox="0 0 300 100"': (300, 100),
    'viewBox="0 0 0 5"': (300, 150),
    'viewBox="0 0 24"': (300, 150),
    'viewBox="0 0 24 24 24"': (300, 150),
    'viewBox="0-5+30 7.5.5"': (300, 150),
    'viewBox="-5-5+30 .5"': (300, 5),
    'viewBox="-5-5.5.5.5"': (150, 150),
    'viewBox="0 0 24. 24"': (300, 150),
    'width="40." height="30"': (300, 30),
    'width="40"': (40, 150),
    'height="30"': (300, 30),
    'width="40" height="30"': (40, 30),
    'width="40.6" viewBox="0 0 300 100"': (41, 14),
    'height="30" viewBox="0 0 24 12"': (60, 30),
    'width="2in" height="30"': (192, 30),
    'width="1pc" height="36pt"': (16, 48),
    'width="254mm" height="2.54cm"': (960, 96),
    'width="3em" height="2rem"': (48, 32),
    'width="1e2" height="+7"': (100, 7),
    'width="100%" height="50%" viewBox="0 0 24 24"': (150, 150),
    'width="50%" height="30" viewBox="0 0 24 12"': (60, 30),
    'width="auto" height="30"': (300, 30),
    'width="7x" height="30"': (300, 30),
    'width=" 12 " height="12"': (12, 12),
    'style="width:24px; height: 12px" viewBox="0 0 24 24"': (150, 150),
    'viewBox="0 0 24 24" preserveAspectRatio="none"': (300, 150),
    'width="30" viewBox="0 0 24 24" preserveAspectRatio="xMinYMin slice"': (30, 30),
}


def drawing(attributes: str = "", inside: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inside}</svg>'


def read(path: Path, data: str | bytes) -> FileHeader:
    with opened(path, data if isinstance(data, bytes) else data.encode()) as descriptor:
        return svg.read(BoundedFile(descriptor, "a.svg"))


@pytest.mark.parametrize("attributes", SIZES)
def test_sizes_are_those_of_chromium(tmp_path: Path, attributes: str) -> None:
    assert read(tmp_path / "a.svg", drawing(attributes)) == FileHeader(SIZES[attributes], "svg", alpha=True)  # type: ignore[arg-type]


def test_a_side_has_at_least_one_pixel_and_is_a_number(tmp_path: Path) -> None:
    for sides in ('width="0" height="-5"', 'width="1e-9" height="0"'):
        assert read(tmp_path / "a.svg", drawing(sides)).size == (1, 1)
    for side in ("1e999", "1e40"):
        assert max(read(tmp_path / "a.svg", drawing(f'width="{side}" height="{side}"')).size) < 2**31


def test_only_the_root_element_is_read(tmp_path: Path) -> None:
    assert read(tmp_path / "a.svg", drawing('width="9" height="8"')[:-6] + "<broken").size == (9, 8)


def test_comments_and_declarations_may_precede_it(tmp_path: Path) -> None:
    head = '\ufeff<?xml version="1.0"?><!DOCTYPE svg PUBLIC "a" "b">' + f"<!-- {'x' * 9000} -->"
    assert read(tmp_path / "a.svg", head + drawing('width="9" height="8"')).size == (9, 8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("<svg/>", "the root element is <svg> without a namespace; expected <svg xmlns='http://www.w3.org/2000/svg'>"),
        ('<html xmlns="http://www.w3.org/1999/xhtml"/>', "the root element is <html> in the namespace"),
        (f"<!-- {'x' * 40_000} -->" + drawing(), "does not begin within 32,000 bytes"),
        ("", "not XML"),
        ("plain text", "not XML"),
        ('<!DOCTYPE svg [<!ENTITY a SYSTEM "b">]>' + drawing(), "declares entities"),
    ],
)
def test_anything_else_is_refused_with_a_reason(tmp_path: Path, data: str, reason: str) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        read(tmp_path / "a.svg", data)


def test_no_beginning_of_a_file_causes_another_error(tmp_path: Path) -> None:
    whole = ('<?xml version="1.0"?>' + drawing('width="9" height="8"')).encode()
    for length in range(len(whole)):
        try:
            assert read(tmp_path / "a.svg", whole[:length]).size == (9, 8)
        except ImagesError:
            assert length <= whole.index(b"></svg>")
