"""oxipng makes PNGs smaller and changes no pixel. Without it, they stay as they are."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import gradient, url_of
from flask import Flask
from PIL import Image, ImageDraw

from flask_images_vips.rendering.oxipng import smaller

SECONDS = 10.0
_INTERLACE = 28  # the offset of this byte in a PNG


def text(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (300, 200), "white")
    for line in range(8):
        ImageDraw.Draw(picture).text((10, 10 + 20 * line), f"{line} northern lights", "black")
    if mode == "RGBA":
        picture.putalpha(gradient(picture.size).convert("L"))
    return picture.convert(mode)


def png(picture: Image.Image, **save: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **save)
    return file.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_the_same_pixels_take_fewer_bytes(mode: str) -> None:
    before = png(text(mode), compress_level=9)
    after = smaller(before, SECONDS)
    assert len(after) < len(before)
    assert pixels(after) == pixels(before)


def test_metadata_stays() -> None:
    exif = Image.Exif()
    exif[0x8298] = "the photographer"
    profile = (b"\0" * 36 + b"acsp").ljust(128, b"\0")
    with Image.open(io.BytesIO(smaller(png(text(), exif=exif, icc_profile=profile), SECONDS))) as image:
        assert image.getexif()[0x8298] == "the photographer"
        assert image.info["icc_profile"] == profile


def test_an_interlaced_png_stays_interlaced(make_app: Callable[..., Flask], static: Path) -> None:
    text().save(static / "text.png")
    app = make_app(IMAGES_EFFORT="small")
    for progressive in (True, False):
        answer = app.test_client().get(url_of(app, "text.png", width=150, progressive=progressive))
        assert answer.status_code == 200
        assert answer.data[_INTERLACE] == progressive


def test_without_oxipng_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oxipng", None)
    before = png(text())
    assert smaller(before, SECONDS) == before


def test_what_oxipng_refuses_stays_as_it_is() -> None:
    for data in (b"", b"no PNG", png(text())[:200]):
        assert smaller(data, SECONDS) == data


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_only_the_effort_small_uses_it(engine: str, make_app: Callable[..., Flask], static: Path) -> None:
    text().save(static / "text.png")
    sizes = {}
    for effort in ("fast", "balanced", "small"):
        app = make_app(IMAGES_EFFORT=effort, IMAGES_ENGINE=engine)
        answer = app.test_client().get(url_of(app, "text.png", width=200))
        assert answer.status_code == 200
        made = answer.data
        again = len(smaller(made, SECONDS))
        sizes[effort] = len(made)
        assert (again < len(made)) == (effort != "small"), effort
    assert sizes["small"] < min(sizes["fast"], sizes["balanced"])
