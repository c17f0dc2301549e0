"""The focal point of an upload: by a function of the site, or by the faces in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from conftest import gradient
from faces.test_detector import FACE, portrait
from headers.containers import saved
from PIL import Image
from werkzeug.datastructures import MultiDict
from wtforms import Form

from flask_images_vips.faces import detector
from flask_images_vips.uploads.focal_point import found_by
from flask_images_vips.uploads.forms import ImageFile
from uploads.conftest import Door, upload

__all__ = ["portrait"]  # a fixture
JPEG = saved(gradient((64, 48)), "JPEG")


def wide(portrait: Image.Image) -> bytes:
    """A wide picture with the portrait at its right end, on its side."""
    picture = Image.new("RGB", (1600, 512), (90, 120, 90))
    picture.paste(portrait, (1088, 0))
    orientation = Image.Exif()
    orientation[0x112] = 6
    return saved(picture.rotate(90, expand=True), "JPEG", exif=orientation, quality=90)


def is_on_the_face(point: tuple[float, float] | None) -> bool:
    assert point is not None
    left, top, right, bottom = FACE
    return left <= 1600 * point[0] - 1088 <= right and top <= 512 * point[1] <= bottom


def test_the_door_finds_the_faces_of_the_stored_picture(door: Door, portrait: Image.Image) -> None:
    accepted = door.accept(wide(portrait), find_faces=True)
    assert accepted.size == (1600, 512)
    assert is_on_the_face(accepted.facts.focal_point)
    assert door.accept(wide(portrait)).facts.focal_point is None
    assert door.accept(JPEG, find_faces=True).facts.focal_point is None


def test_what_the_site_says_comes_first(door: Door, portrait: Image.Image) -> None:
    answers: list[tuple[float, float] | None] = [(0.1, 0.2), None]
    door.images.find_focal_point_of = lambda descriptor: answers.pop(0)
    assert door.accept(wide(portrait), find_faces=True).facts.focal_point == (0.1, 0.2)
    assert is_on_the_face(door.accept(wide(portrait), find_faces=True).facts.focal_point)


def test_a_field_of_a_form_finds_faces(door: Door, portrait: Image.Image) -> None:
    class Portrait(Form):
        photo = ImageFile(find_faces=True)

    with door.app.app_context():
        form = Portrait(MultiDict([("photo", upload(wide(portrait)))]))
        assert form.validate()
        assert is_on_the_face(form.photo.accept().facts.focal_point)


def test_without_the_extra_the_sentence_says_what_to_install(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "_model", lambda: None)
    with pytest.raises(RuntimeError, match=r"find_faces=True: .* pip install 'flask-images-vips\[faces\]'"):
        door.accept(JPEG, find_faces=True)
    assert door.files == []


def closes(descriptor: int) -> tuple[float, float]:
    with open(descriptor, "rb") as file:
        assert file.read(2) == b"\xff\xd8"
    return 0.5, 0.5


@pytest.mark.parametrize("find", [closes, lambda descriptor: ("0.5", 0.5)])
def test_a_function_may_close_its_descriptor_and_return_any_numbers(door: Door, find: Callable[[int], Any]) -> None:
    door.images.find_focal_point_of = find
    accepted = door.accept(JPEG)
    assert accepted.facts.focal_point == (0.5, 0.5)
    assert door.stored(accepted)[:2] == b"\xff\xd8"


@pytest.mark.parametrize("point", [(320, 200), (-0.1, 0.5), (float("nan"), 0.5), (0.5,), "0.5", {"x": 1}])
def test_a_point_that_no_crop_could_have_is_logged_and_left_out(
    door: Door, point: Any, caplog: pytest.LogCaptureFixture
) -> None:
    door.images.find_focal_point_of = lambda descriptor: point
    assert door.accept(JPEG).facts.focal_point is None
    assert "It is stored without one" in caplog.text


def test_no_descriptor_stays_open(tmp_path: Any) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    with open(path, "rb") as file:
        before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
        for find in (closes, lambda descriptor: None):
            found_by(find, file.fileno())
        assert not before or len(os.listdir("/proc/self/fd")) == len(before)
