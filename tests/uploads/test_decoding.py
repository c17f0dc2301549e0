"""The door reads what the installed extras read, whatever formats the site's own sources may have."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient, needs
from engines.test_engine import psnr
from flask import Flask
from headers.containers import saved
from PIL import Image

from flask_images_vips.engines import heic, jxl
from flask_images_vips.errors import UploadRefused
from uploads.conftest import Door

MakeApp = Callable[..., Flask]
ENGINES = [{"IMAGES_ENGINE": "auto"}, {"IMAGES_ENGINE": "pillow"}, {"IMAGES_MAX_RENDERS": 0}]


def heics() -> Any:
    return pytest.importorskip("headers.heics")


def a_jxl() -> bytes:
    needs("pillow-jxl-plugin", jxl.works(), jxl.INSTALL)
    return jxl.encoded("RGB", (64, 48), gradient((64, 48)).tobytes(), {"quality": 95, "effort": 3})


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("config", [*ENGINES, {"IMAGES_ENGINE": "vips"}])
def test_a_heic_becomes_a_jpeg_although_sources_may_not_be_one(
    make_app: MakeApp, static: Path, config: dict[str, Any]
) -> None:
    door = Door(make_app(IMAGES_UPLOADS="static/uploads", **config), static / "uploads")
    accepted = door.accept(heics().turned(6), "IMG_1.HEIC", "image/heic")
    assert (accepted.format, accepted.size) == ("jpeg", (160, 256))
    expected = gradient(heics().SIZE).transpose(Image.Transpose.ROTATE_270)
    assert psnr(opened(door.stored(accepted)).convert("RGB"), expected) > 30
    with door.app.test_request_context():
        url = door.images.build_url(accepted, width=20)
    assert door.app.test_client().get(url).status_code == 200


@pytest.mark.parametrize("config", ENGINES)
def test_a_jpeg_xl_becomes_a_jpeg_although_sources_may_not_be_one(
    make_app: MakeApp, static: Path, config: dict[str, Any]
) -> None:
    door = Door(make_app(IMAGES_UPLOADS="static/uploads", **config), static / "uploads")
    accepted = door.accept(a_jxl(), "a.jxl", "image/jxl")
    assert (accepted.format, accepted.size) == ("jpeg", (64, 48))
    assert psnr(opened(door.stored(accepted)).convert("RGB"), gradient((64, 48))) > 30


def test_a_transparent_heic_becomes_a_png_where_the_site_shows_them(
    make_app: MakeApp, static: Path, door: Door
) -> None:
    data = heics().of_kind("alpha")
    assert door.accept(data).format == "png"
    door.app.extensions.clear()
    plain = Door(make_app(IMAGES_UPLOADS="static/uploads", IMAGES_INPUT_FORMATS=["jpeg"]), door.folder)
    assert plain.accept(data).format == "jpeg"


def test_the_form_decides_whether_a_heic_may_be_sent(door: Door) -> None:
    data = heics().of_kind("one")
    with pytest.raises(UploadRefused, match=r"a HEIC image\. Choose a picture in one of these formats: JPEG, PNG"):
        door.accept(data, formats=["jpeg", "png"])
    assert door.accept(data, formats=["heic"]).format == "jpeg"
    assert len(door.files) == 1


def test_nothing_is_stored_that_the_site_cannot_show(make_app: MakeApp, door: Door) -> None:
    for data in (heics().of_kind("one"), a_jxl()):
        with pytest.raises(UploadRefused, match="which browsers cannot show"):
            door.accept(data, convert=None)
    with pytest.raises(ValueError, match="convert='jxl': expected a format that IMAGES_INPUT_FORMATS lists"):
        door.accept(a_jxl(), convert="jxl")
    assert door.files == []


@pytest.mark.parametrize("kind", ["ends early", "not a picture"])
def test_a_broken_heic_is_refused_with_a_sentence(door: Door, kind: str) -> None:
    data = heics().of_kind("grid")
    broken = data[:-400] if kind == "ends early" else data[:60] + bytes(200)
    with pytest.raises(UploadRefused, match="damaged") as caught:
        door.accept(broken)
    assert caught.value.reason == "damaged"
    assert door.files == []


def test_without_the_extras_the_door_says_what_is_missing(
    make_app: MakeApp, static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = heics().of_kind("one")
    monkeypatch.setattr(heic, "problem", lambda: "HEIC needs pillow-heif")
    monkeypatch.setattr(jxl, "is_installed", lambda: False)
    door = Door(make_app(IMAGES_UPLOADS="static/uploads", IMAGES_ENGINE="pillow"), static / "uploads")
    with pytest.raises(UploadRefused, match=r"This file is a HEIC image\. Choose a picture in one of"):
        door.accept(data)
    for name in ("heic", "jxl"):
        with pytest.raises(ValueError, match=rf"unless you run pip install 'flask-images-vips\[{name}\]'"):
            door.accept(saved(gradient((64, 48)), "PNG"), formats=["jpeg", name])
    assert door.files == []


def test_a_transparent_picture_in_a_format_that_is_not_written_here_stays_transparent(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = gradient((64, 48))
    clear.putalpha(100)
    monkeypatch.setattr("flask_images_vips.uploads.decoding.Decoder.writes", lambda self, format: format.name != "webp")
    assert door.accept(saved(clear, "WEBP")).format == "png"
