"""An upload is read into a file without a name; new names hold letters and digits of the old one at most."""

from __future__ import annotations

import io
import os
import re

import pytest

from flask_images_vips.errors import UploadRefused
from flask_images_vips.uploads.receiving import new_name, receive, slug_of
from uploads.conftest import upload


@pytest.mark.parametrize("source", [upload(b"bytes"), io.BytesIO(b"bytes")])
def test_the_bytes_are_read_from_uploads_and_from_files(source: object) -> None:
    with receive(source, 5) as file:
        assert os.pread(file.fileno(), 9, 0) == b"bytes"
        assert os.fstat(file.fileno()).st_nlink == 0


def test_a_file_may_have_as_many_bytes_as_the_limit_and_no_more() -> None:
    receive(upload(bytes(10)), 10).close()
    with pytest.raises(UploadRefused, match="larger than 9 bytes"):
        receive(upload(bytes(10)), 9)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("The Cat.JPG", "the-cat"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\Zoë & Jürgen (1).png", "zoe-jurgen-1"),
        ("写真.png", ""),
        ("IMG_0001.HEIC", "img-0001"),
        ("x" * 99, "x" * 40),
        ("---.jpg", ""),
        (".htaccess", ""),
        ("a\0b\n.php.jpg", "a-b"),
    ],
)
def test_a_slug_has_letters_digits_and_hyphens(name: str, slug: str) -> None:
    assert slug_of(name) == slug
    assert re.fullmatch(rf"{slug}{'-' if slug else ''}[0-9a-f]{{32}}\.jpg", new_name(".jpg", name))


def test_names_are_random() -> None:
    assert len({new_name(".jpg", "a.jpg") for _ in range(1000)}) == 1000
