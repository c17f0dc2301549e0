"""Faces found in a portrait in the public domain, and crops that keep them, by both engines."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOGRAPHS, fetch, url_of
from flask import Flask
from PIL import Image

from flask_images_vips import Images
from flask_images_vips.errors import ConfigError
from flask_images_vips.faces import detector
from flask_images_vips.faces.detector import find, lacking
from flask_images_vips.state import images_of

MakeApp = Callable[..., Flask]
FACE = (178, 63, 268, 176)
"""The box of the face of Eileen Collins in NASA's portrait, which scikit-image carries."""


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    pytest.importorskip("cv2")
    data = pytest.importorskip("skimage.data")
    return Image.fromarray(data.astronaut())


@pytest.fixture
def site(make_app: MakeApp, static: Path, portrait: Image.Image, engine: str) -> Flask:
    """A site with a wide picture, with the portrait at its right end, and the same turned by EXIF."""
    wide = Image.new("RGB", (1600, 512), (90, 120, 90))
    wide.paste(portrait, (1088, 0))
    wide.save(static / "wide.jpg", quality=90)
    orientation = Image.Exif()
    orientation[0x112] = 6
    wide.rotate(90, expand=True).save(static / "turned.jpg", quality=90, exif=orientation)
    return make_app(IMAGES_ENGINE=engine)


@pytest.fixture(params=["vips", "pillow"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def has_the_face(picture: Image.Image) -> bool:
    return bool(find(png(picture.convert("RGB").resize((512, 512)))))


def test_a_face_is_found_where_it_is(portrait: Image.Image) -> None:
    (face,) = find(png(portrait))
    assert face.score > 0.8
    box = face.left, face.top, face.left + face.width, face.top + face.height
    assert [512 * part for part in box] == pytest.approx(FACE, abs=12)


@pytest.mark.parametrize("path", sorted(PHOTOGRAPHS.glob("*.jpg")), ids=lambda path: path.stem)
def test_there_are_no_faces_of_people_in_the_demo(path: Path) -> None:
    pytest.importorskip("cv2")
    with Image.open(path) as picture:
        picture.thumbnail((640, 640))
        assert find(png(picture)) == []


@pytest.mark.parametrize("name", ["wide.jpg", "turned.jpg"])
def test_a_crop_keeps_the_face(site: Flask, name: str) -> None:
    square = {"width": 200, "height": 200, "mode": "crop"}
    assert has_the_face(fetch(site, name, gravity="face", **square))
    assert not has_the_face(fetch(site, name, **square))


def test_it_keeps_the_face_of_a_picture_that_is_turned_and_mirrored(site: Flask) -> None:
    picture = fetch(site, "wide.jpg", width=200, height=200, mode="crop", gravity="face", rotate=90, flip="h")
    assert has_the_face(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(90))


def test_further_sizes_do_not_look_again(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(site, "wide.jpg", width=200, height=200, mode="crop", gravity="face")
    pixels = images_of(site).pipeline.facts.pixels
    source = images_of(site).pipeline.sources.here("wide.jpg")
    across, down = pixels.focus(source) or ()
    assert (across * 1600, down * 512) == pytest.approx((1088 + 223, 119), abs=12)
    pixels.add_focus(source, [0.0, 0.5])  # as if the face were at the left
    assert not has_the_face(fetch(site, "wide.jpg", width=190, height=190, mode="crop", gravity="face"))


def test_a_picture_without_a_face_is_cropped_all_the_same(site: Flask, static: Path) -> None:
    Image.new("RGB", (80, 40), "red").save(static / "red.png")
    assert fetch(site, "red.png", width=20, height=20, mode="crop", gravity="face").size == (20, 20)
    assert images_of(site).pipeline.facts.focus(images_of(site).pipeline.sources.here("red.png")) is None


def test_nothing_is_looked_for_if_nothing_is_cropped(site: Flask) -> None:
    fetch(site, "wide.jpg", width=200, gravity="face")
    pipeline = images_of(site).pipeline
    assert pipeline.facts.pixels.focus(pipeline.sources.here("wide.jpg")) is None


def test_a_script_asks_for_the_point_when_a_picture_is_uploaded(site: Flask) -> None:
    images = site.extensions["images"]
    across, down = images.find_faces("wide.jpg")
    assert (across * 1600, down * 512) == pytest.approx((1088 + 223, 119), abs=12)


def test_without_the_extra_it_is_refused_and_says_what_to_install(
    make_app: MakeApp, static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "_model", lambda: None)
    Image.new("RGB", (80, 40), "red").save(static / "red.png")
    app = make_app(IMAGES_MAX_RENDERS=0)
    options: dict[str, Any] = {"width": 20, "height": 20, "mode": "crop", "gravity": "face"}
    assert app.test_client().get(url_of(app, "red.png", **options)).status_code == 400
    with pytest.raises(RuntimeError, match=r"flask-images-vips\[faces\]"):
        app.extensions["images"].find_faces("red.png")
    other = Flask("other")
    other.config["IMAGES_PRESETS"] = {"avatar": options}
    with pytest.raises(ConfigError, match=r"IMAGES_PRESETS\['avatar'\].*flask-images-vips\[faces\]"):
        Images(other)


def test_the_packages_are_there_or_the_sentence_says_what_to_install() -> None:
    assert lacking() in (None, "pip install 'flask-images-vips[faces]'")
    assert detector.SIDE == 640
