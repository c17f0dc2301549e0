"""The engine by Pillow, besides the contract of all engines."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from conftest import gradient
from PIL import Image

from engines.test_engine import render
from flask_images_vips.engines.engine import Header
from flask_images_vips.engines.pillow.engine import PillowEngine, _timely
from flask_images_vips.errors import LimitExceeded
from flask_images_vips.geometry import Size


def header(path: Path) -> Header:
    with path.open("rb") as file:
        return PillowEngine().header(file.fileno(), path.name)


def test_the_header_tells_that_all_but_jpeg_is_decoded_as_a_whole(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.webp", "a.gif", "a.avif", "a.tif"):
        gradient((40, 30)).save(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir() if not header(path).whole} == {"a.jpg"}


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    pictures = [gradient((40, 30)), gradient((20, 15))]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:])
    assert header(tmp_path / "a.jpg") == Header(Size(40, 30), "jpeg")
    with Image.open(io.BytesIO(render(PillowEngine(), tmp_path / "a.jpg", width=20))) as made:
        assert made.size == (20, 15)


def test_items_come_as_long_as_there_is_time() -> None:
    assert list(_timely(60, time.monotonic(), range(3))) == [0, 1, 2]
    late = _timely(60, time.monotonic() - 61, range(3))
    with pytest.raises(LimitExceeded, match="IMAGES_RENDER_TIMEOUT"):
        next(late)
    assert list(_timely(60, time.monotonic() - 61, [])) == []
