"""The largest picture of an icon, and icons whose directory does not tell the truth."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient, url_of
from PIL import Image, ImageChops

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.headers.icons import is_icon, largest_picture


def encoded(format: str, size: tuple[int, int], mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    gradient(size).convert(mode).save(file, format)
    return file.getvalue()


def bitmap(size: tuple[int, int]) -> bytes:
    """A bitmap as in icons: its height counts twice, because of a mask, which is clear here."""
    width, height = size
    data = encoded("DIB", size)
    return data[:8] + struct.pack("<i", 2 * height) + data[12:] + bytes((width + 31) // 32 * 4 * height)


def icon(*pictures: tuple[int, int, int, bytes]) -> bytes:
    """An icon of pictures, each with the width, height and depth that the directory states."""
    directory, data = b"", b""
    for width, height, depth, picture in pictures:
        offset = 6 + 16 * len(pictures) + len(data)
        directory += struct.pack("<BBBBHHII", width % 256, height % 256, 0, 0, 1, depth, len(picture), offset)
        data += picture
    return struct.pack("<HHH", 0, 1, len(pictures)) + directory + data


def found_in(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    with path.open("rb") as file:
        assert is_icon(file.fileno())
        return largest_picture(file.fileno(), "a.ico")


def test_the_largest_picture_of_the_most_colours_is_found(tmp_path: Path) -> None:
    small, large = bitmap((16, 16)), encoded("PNG", (512, 512))
    data = found_in(tmp_path / "a.ico", icon((16, 16, 24, small), (256, 256, 32, large), (256, 256, 8, b"x" * 99)))
    assert data == large
    assert found_in(tmp_path / "b.ico", icon((16, 16, 24, small), (8, 8, 32, b"x" * 99))) == icon((16, 16, 24, small))


@pytest.mark.parametrize(
    "data",
    [
        icon(),
        icon(*[(8, 8, 24, b"")] * 101),
        icon((16, 16, 24, bitmap((400, 400)))),
        icon((16, 16, 24, b"\x0c\0\0\0" + bytes(99))),
        icon((16, 16, 24, bitmap((16, 16))))[:-1],
        icon((16, 16, 24, bitmap((16, 16))))[:20],
        icon((16, 16, 24, b"")),
    ],
)
def test_broken_icons_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableSource):
        found_in(tmp_path / "a.ico", data)


def test_icons_that_are_cut_anywhere_are_refused(tmp_path: Path) -> None:
    whole = icon((16, 16, 24, bitmap((16, 16))), (32, 32, 32, encoded("PNG", (32, 32), "RGBA")))
    for length in range(4, len(whole), 7):
        with pytest.raises(UnreadableSource):
            found_in(tmp_path / "a.ico", whole[:length])


@pytest.mark.parametrize("engine", ["auto", "pillow"])
def test_icons_are_shown_in_the_size_of_their_largest_picture(make_app: Any, static: Path, engine: str) -> None:
    client = (app := make_app(IMAGES_ENGINE=engine)).test_client()
    large = 256, 256, 32, encoded("PNG", (300, 300), "RGBA")
    for name, picture, size in (("png.ico", large, (300, 300)), ("dib.ico", (24, 20, 24, bitmap((24, 20))), (24, 20))):
        (static / name).write_bytes(icon(picture))
        response = client.get(url_of(app, name, height=10))
        assert response.mimetype == "image/vnd.microsoft.icon"
        shown = Image.open(io.BytesIO(response.data))
        assert shown.size == (10 * size[0] // size[1], 10)
        expected = gradient(size).resize(shown.size)
        difference = ImageChops.difference(shown.convert("RGB"), expected)
        assert max(high for _, high in difference.getextrema()) < 12
