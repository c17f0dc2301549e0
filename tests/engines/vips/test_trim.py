"""The border of one colour, as libvips finds it. That both engines agree: `engines.test_effects`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from engines.test_engine import exif, stored
from flask_images_vips.engines.vips.deadline import Deadline
from flask_images_vips.engines.vips.reader import Reader
from flask_images_vips.engines.vips.trim import trim_box
from flask_images_vips.formats import INPUTS
from flask_images_vips.geometry import Box


def found(path: Path, region: Box, threshold: int) -> Box:
    reader = Reader(INPUTS, "truncated", auto_orient=True, headroom=1.8)
    with path.open("rb") as file, Deadline(60) as deadline:
        return trim_box(reader, file.fileno(), path.name, region, threshold, deadline)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_box_is_one_of_the_upright_picture(orientation: int, tmp_path: Path) -> None:
    upright = Image.new("RGB", (30, 20), "white")
    upright.paste((0, 0, 0), (5, 4, 12, 14))
    stored(upright, orientation).save(tmp_path / "a.png", exif=exif(orientation))
    assert found(tmp_path / "a.png", Box(0, 0, 30, 20), 10) == (5, 4, 7, 10)
    assert found(tmp_path / "a.png", Box(2, 3, 8, 9), 10) == (5, 4, 5, 8)


def test_the_threshold_is_still_border(tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 9), (100, 100, 100))
    picture.putpixel((4, 4), (100, 110, 100))
    picture.save(tmp_path / "a.png")
    everything = Box(0, 0, 9, 9)
    assert found(tmp_path / "a.png", everything, 9) == (4, 4, 1, 1)
    assert found(tmp_path / "a.png", everything, 10) == everything
