"""The pictures in a folder, with presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.operating.warming.folders import in_folder
from flask_images_vips.operating.warming.wanted import label
from flask_images_vips.state import images_of


def test_pictures_of_all_roots_are_found_once_and_in_order(make_app: Any, draw: Any, tmp_path: Path) -> None:
    for name in ("photos/b.png", "photos/a.JPG", "photos/deep/c.webp", "other/d.png"):
        draw(name)
    (tmp_path / "static" / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "more" / "photos").mkdir(parents=True)
    for name in ("a.JPG", "e.png"):
        (tmp_path / "more" / "photos" / name).write_bytes((tmp_path / "static/photos/b.png").read_bytes())
    presets = {"one": {"width": 1}, "two": {"width": 2}}
    app = make_app(IMAGES_PATH=["static", "more"], IMAGES_PRESETS=presets)
    with app.app_context():
        images = images_of(app)
        found = [label(each.url) for each in in_folder(images, "photos", ["one", "two"])]
        names = ("photos/a.JPG", "photos/b.png", "photos/deep/c.webp", "photos/e.png")
        assert found == [f"{name}?w={width}" for name in names for width in (1, 2)]
        assert len([*in_folder(images, "", ["one"])]) == 5
        with pytest.raises(FileNotFoundError, match="no folder 'none' in IMAGES_PATH"):
            list(in_folder(images, "none", ["one"]))
