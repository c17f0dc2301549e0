"""What is told of a picture: right, found once, and the same in Python and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import lack
from flask import Flask
from PIL import Image

from flask_images_vips import Images, resized_img_placeholder
from flask_images_vips.errors import SourceNotFound, UnreadableSource
from flask_images_vips.rendering.request import Request, Work
from flask_images_vips.state import images_of


def images(app: Flask) -> Images:
    found: Images = app.extensions["images"]
    return found


def test_a_picture_is_described(app: Flask, static: Path, tmp_path: Path) -> None:
    picture = Image.new("RGB", (60, 40), "#ff0000")
    picture.paste("#0000ff", (0, 0, 20, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(static / "a.png", exif=exif)
    info = images(app).info("a.png")
    assert (info.ref, info.width, info.height, info.format) == ("a.png", 40, 60, "png")
    assert (info.frames, info.alpha, info.focal_point) == (1, False, None)
    assert info.size_bytes == (static / "a.png").stat().st_size
    assert info.modified == int((static / "a.png").stat().st_mtime)
    assert info.dominant == info.palette[0]
    assert len(info.palette) <= 6
    red, green, blue = bytes.fromhex(info.dominant[1:])
    assert red > 240
    assert max(green, blue) < 20
    assert {*info.placeholders} == {"color", "lqip", "blurhash", "thumbhash"}
    with app.app_context():
        for kind, placeholder in info.placeholders.items():
            assert resized_img_placeholder("a.png", kind) == placeholder
    told = info.to_json()
    assert told["dominant"] == info.dominant
    assert (told["width"], told["placeholders"]) == (40, info.placeholders)


def test_an_animation_has_frames_and_a_clear_picture_has_alpha(app: Flask, static: Path) -> None:
    first, *others = (Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue"))
    first.save(static / "moving.gif", save_all=True, append_images=others, duration=100)
    Image.new("RGBA", (8, 8), (255, 0, 0, 40)).save(static / "clear.png")
    moving, clear = images(app).info("moving.gif"), images(app).info("clear.png")
    assert (moving.format, moving.frames) == ("gif", 3)
    assert (clear.frames, clear.alpha, clear.palette) == (1, True, ("#ff0000",))


def test_all_that_needs_pixels_is_found_by_one_decode_and_kept(
    make_app: Any, draw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("a.jpg", (640, 480))
    first = make_app()
    runs = []
    renderers = images_of(first).pipeline.producer.renderers
    own = renderers.run

    def run(request: Request, *arguments: Any, **keywords: Any) -> Any:
        runs.append(request.work)
        return own(request, *arguments, **keywords)

    monkeypatch.setattr(renderers, "run", run)
    found = images(first).info("a.jpg")
    assert runs == [Work.ABILITIES, Work.RENDER]
    assert images(first).info("a.jpg") == found
    second = make_app()
    monkeypatch.setattr(images_of(second).pipeline.producer.renderers, "run", None)
    assert images(second).info("a.jpg") == found
    assert len(runs) == 2


def test_the_site_says_where_the_subject_is(app: Flask, draw: Any) -> None:
    draw("a.png")
    images(app).focal_point(lambda ref: (0.25, 0.75) if ref == "a.png" else None)
    assert images(app).info("a.png").focal_point == (0.25, 0.75)


def test_without_webp_there_is_no_tiny_picture(app: Flask, draw: Any) -> None:
    draw("a.png")
    lack(app, "webp")
    assert {*images(app).info("a.png").placeholders} == {"color", "blurhash", "thumbhash"}


def test_what_is_no_picture_is_an_error(app: Flask, static: Path) -> None:
    (static / "a.png").write_text("no picture")
    with pytest.raises(UnreadableSource):
        images(app).info("a.png")
    with pytest.raises(SourceNotFound):
        images(app).info("gone.png")
