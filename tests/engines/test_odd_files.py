"""Files that one of the libraries shows in another way than the rest of the world, or not at all.

Every test runs on both engines, and most compare their pictures with what Pillow decodes of a plainer file.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import fetch, gradient
from flask import Flask
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from engines.conftest import converted
from engines.test_engine import ORIENTATION, psnr
from flask_images_vips.engines.vips import abilities

MakeApp = Callable[..., Flask]

SIZE = (96, 64)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.fixture(params=["vips", "pillow"])
def app(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    return make_app(IMAGES_ENGINE=request.param)


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


# JPEG


@pytest.mark.skipif(not abilities.has_operation("uhdrsave_buffer"), reason="this libvips does not write Ultra HDR")
def test_an_ultra_hdr_jpeg_is_shown_as_a_jpeg_on_every_way(app: Flask, static: Path, make_app: MakeApp) -> None:
    light = pyvips.Image.new_from_array(np.asarray(gradient(SIZE)), interpretation="srgb").colourspace("scrgb") * 2
    data = light.copy(interpretation="scrgb").uhdrsave_buffer(Q=95)
    (static / "a.jpg").write_bytes(data)
    gradient((8, 8)).save(static / "plain.png")
    with Image.open(io.BytesIO(data)) as shown:
        profile = shown.info.get("icc_profile")
        base = converted(shown, profile) if profile else shown.convert("RGB")
    for wishes in ({}, {"trim": 1}, {"watermark": "a.jpg,center,0,0.5,1"}):
        assert fetch(app, "a.jpg", format="png", **wishes).size[0] > 80
    assert psnr(fetch(app, "a.jpg", format="png"), base) > 38
    half = base.resize((48, 32), Image.Resampling.LANCZOS)
    assert psnr(fetch(app, "a.jpg", format="png", width=48), half) > 38
    assert fetch(app, "plain.png", watermark="a.jpg,center,0,1,1").size == (8, 8)
    smart = fetch(make_app(), "a.jpg", width=32, height=32, mode="crop", gravity="attention")
    assert smart.size == (32, 32)


# Hidden colours


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"quality": 90, "exact": True}),
        ("a.webp", {"lossless": True, "exact": True}),
        ("a.avif", {"quality": 90}),
        ("a.png", {}),
        ("a.tif", {}),
    ],
)
def test_a_shrunk_disc_has_no_halo_of_hidden_colours(
    name: str, options: dict[str, Any], app: Flask, static: Path
) -> None:
    disc = Image.new("RGBA", (800, 800), (255, 255, 255, 0))
    ImageDraw.Draw(disc).ellipse((40, 40, 760, 760), fill=(20, 20, 40, 255))
    disc.save(static / name, **options)
    made = np.asarray(fetch(app, name, width=90, format="png").convert("RGBA")).astype(int)
    seen = made[made[..., 3] > 30]
    assert np.abs(seen[:, :3] - (20, 20, 40)).max() <= 20


# Orientation


def turned_elsewhere(orientation: int) -> dict[str, bytes]:
    """Files that state an orientation, but not in EXIF, where browsers and libvips look for it."""
    picture, xmp = gradient(SIZE), XMP % orientation
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    block = b"Exif\0\0" + tags.tobytes().removeprefix(b"Exif\0\0")
    in_xmp, in_text = PngInfo(), PngInfo()
    in_xmp.add_itxt("XML:com.adobe.xmp", xmp.decode())
    in_text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
    return {
        "a.jpg": saved(picture, "JPEG", quality=95, xmp=xmp),
        "a.webp": saved(picture, "WEBP", quality=95, xmp=xmp),
        "a.avif": saved(picture, "AVIF", quality=95, xmp=xmp),
        "a.tif": saved(picture, "TIFF", tiffinfo={700: xmp}),
        "a.png": saved(picture, "PNG", pnginfo=in_xmp),
        "b.png": saved(picture, "PNG", pnginfo=in_text),
    }


@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_outside_of_exif_does_not_count(orientation: int, app: Flask, static: Path) -> None:
    for name, data in turned_elsewhere(orientation).items():
        (static / name).write_bytes(data)
        assert psnr(fetch(app, name, format="png"), gradient(SIZE)) > 34, name


# SVG


def test_an_inch_of_an_svg_has_96_pixels(make_app: MakeApp, static: Path) -> None:
    app = make_app(IMAGES_SVG=True)
    for number, sides in enumerate(('width="1in" height="0.5in"', 'width="96" height="48"', 'viewBox="0 0 96 48"')):
        name = f"{number}.svg"
        inside = '<rect width="100%" height="100%" fill="lime"/>'
        (static / name).write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {sides}>{inside}</svg>')
        for wishes, size in (({}, (96, 48)), ({"width": 192, "enlarge": True}, (192, 96)), ({"width": 48}, (48, 24))):
            made = fetch(app, name, format="png", **wishes)
            assert (made.size, made.convert("RGB").getextrema()) == (size, ((0, 0), (255, 255), (0, 0))), sides
