"""The kind of a file that no engine loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_images_vips.headers.kinds import SVG, kind_of, refusal


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\0\0\0 ftypavif", "an AVIF image"),
        (b"\0\0\0 ftypheic", "a HEIC image"),
        (b"\0\0\0 ftypisom", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"BM", "a BMP image"),
        (b"%PDF-1.7", "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, which was not replaced by the file"),
        (b"\n<!DOCTYPE html><svg >", "an HTML page"),
        (b"<svg >", SVG),
        (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a drawing --><s:svg xmlns:s='...'>", SVG),
        (b"a text with <svg >", "of an unknown kind"),
        (b"<" * 5000, "of an unknown kind"),
    ],
)
def test_the_kind_follows_from_the_first_bytes(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with (tmp_path / "a").open("rb") as file:
        assert kind_of(file.fileno()) == kind


def test_a_refusal_says_what_was_expected_or_that_the_file_is_broken() -> None:
    assert refusal("a BMP image", ["jpeg", "png"], "libvips") == (
        "the file is a BMP image; expected JPEG, PNG (IMAGES_INPUT_FORMATS)"
    )
    assert refusal("a PNG image", ["jpeg", "png"], "libvips") == (
        "the file begins like a PNG image, but its header is broken, or of a kind that libvips does not read"
    )


@pytest.mark.parametrize("format", ["heic", "jxl"])
def test_a_refusal_names_the_extra_and_the_key_of_a_format_that_has_one(format: str) -> None:
    assert refusal(f"a {format.upper()} image", ["jpeg"], "libvips").endswith(
        f"To accept it, pip install 'flask-images-vips[{format}]' and add '{format}' to IMAGES_INPUT_FORMATS"
    )
