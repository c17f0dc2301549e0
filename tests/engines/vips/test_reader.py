"""libvips loads by content, from a list of loaders, and no more pixels than are wanted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import pyvips
from conftest import gradient
from PIL import Image

from engines.test_effects import made_by
from engines.test_engine import exif, stored
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.reader import Reader, apart, cut_out, reason, upright_size
from flask_images_vips.errors import UnsupportedSource
from flask_images_vips.formats import INPUTS
from flask_images_vips.geometry import Box, Geometry, Size


def test_a_region_of_a_jpeg_is_decoded_at_a_fraction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient((1801, 1203)).save(tmp_path / "a.jpg", quality=95)
    asked: list[dict[str, Any]] = []
    opened = Reader.open

    def listening(self: Reader, descriptor: int, ref: str, **options: Any) -> Any:
        asked.append(options)
        return opened(self, descriptor, ref, **options)

    monkeypatch.setattr(Reader, "open", listening)
    made_by(VipsEngine(), tmp_path / "a.jpg", region=(0, 0, 0.5, 0.5), width=40, rotate=90)
    assert {"shrink": 2} in asked


def loaded(path: Path, size: Size, *, cut: Box | None = None, frames: int = 1, **fields: Any) -> pyvips.Image:
    """What a reader with these *fields* loads of the file at *path*, for a rendition of *size*."""
    reader = Reader(**{"inputs": INPUTS, "fail_on": "truncated", "auto_orient": True, "headroom": 1.8, **fields})
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return reader.load(descriptor, path.name, Geometry(size, size, cut=cut), frames).copy_memory()
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("extension", "sides"), [("jpg", (200, 150)), ("webp", (127, 95)), ("png", (800, 600))])
def test_formats_that_can_are_decoded_at_a_fraction(extension: str, sides: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"a.{extension}"
    gradient((800, 600)).save(path)
    image = loaded(path, Size(100, 75))
    assert (image.width, image.height) == sides


def test_more_headroom_is_decoded_larger(tmp_path: Path) -> None:
    gradient((800, 600)).save(tmp_path / "a.jpg")
    assert [loaded(tmp_path / "a.jpg", Size(100, 75), headroom=headroom).width for headroom in (1, 4)] == [100, 400]


def test_content_and_not_the_name_chooses_the_loader(tmp_path: Path) -> None:
    gradient((8, 6)).save(tmp_path / "a.jpg", "PNG")
    assert loaded(tmp_path / "a.jpg", Size(8, 6)).get("vips-loader") == "pngload_source"
    with pytest.raises(UnsupportedSource, match="the file is a PNG image; expected JPEG"):
        loaded(tmp_path / "a.jpg", Size(8, 6), inputs=("jpeg",))
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(UnsupportedSource, match="the file is of an unknown kind; expected"):
        loaded(tmp_path / "a.jpg", Size(8, 6))


def test_the_orientation_is_dropped_where_it_is_not_followed(tmp_path: Path) -> None:
    stored(gradient((80, 60)), 6).save(tmp_path / "a.jpg", exif=exif(6))
    assert upright_size(loaded(tmp_path / "a.jpg", Size(80, 60))) == (80, 60)
    assert upright_size(loaded(tmp_path / "a.jpg", Size(60, 80), auto_orient=False)) == (60, 80)


def test_a_cut_is_of_the_upright_picture(tmp_path: Path) -> None:
    picture = gradient((80, 60))
    stored(picture, 6).save(tmp_path / "a.png", exif=exif(6))
    part = loaded(tmp_path / "a.png", Size(20, 10), cut=Box(30, 40, 20, 10))
    assert upright_size(part) == (20, 10)
    upright = Image.fromarray(part.autorot().numpy())
    assert upright.tobytes() == picture.crop((30, 40, 50, 50)).tobytes()


def test_a_cut_has_a_pixel_at_least_and_lies_within() -> None:
    image = pyvips.Image.black(10, 10)
    for box in (Box(9, 9, 1, 1), Box(99, 99, 1, 1), Box(0, 0, 1, 1)):
        part = cut_out(image, box, 0.1, 0.1)
        assert (part.width, part.height) == (1, 1)


def test_frames_are_taken_apart(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    image = loaded(tmp_path / "a.webp", Size(40, 30), frames=3)
    assert (image.width, image.height) == (40, 90)
    assert [tuple(frame(20, 10)[:3]) for frame in apart(image, 3, None)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [(frame.width, frame.height) for frame in apart(image, 3, Box(1, 2, 7, 5))] == [(7, 5)] * 3


def test_a_message_is_one_line_in_any_encoding() -> None:
    assert reason(pyvips.Error("a\n  b\n", "c\nc\nd")) == "a b c d"
    assert reason(UnicodeDecodeError("utf-8", b"a \xff\nb", 2, 3, "invalid")) == "a \ufffd b"
