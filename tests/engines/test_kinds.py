"""Every libvips shows every kind of picture with the sizes and the colours that libvips 8.18 shows.

To write the expected colours anew, call `main`, which needs an empty folder.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import TESTS, gradient, url_of
from flask import Flask
from PIL import Image, ImageCms

from engines.test_colour import display_p3_profile, gamma, grey_profile
from flask_images_vips.engines.vips import abilities

EXPECTED = TESTS / "data" / "libvips_8_18.json"
SIZE = 128, 96
GRID = 4, 3
TOLERANCE = 4  # levels of 255, of the mean of a twelfth of the picture: encoders and their versions differ by 2
TOLERANCE_OF_BLUE = 13  # of CMYK with a profile, where both libraries have an old Little CMS
FORMATS = "jpeg", "png", "webp", "avif"
MODES: dict[str, dict[str, Any]] = {
    "fit": {"width": 64, "height": 64, "mode": "fit"},
    "crop": {"width": 48, "height": 48, "mode": "crop"},
    "pad": {"width": 64, "height": 64, "mode": "pad", "background": "#36c"},
}


def alpha() -> Image.Image:
    image = gradient(SIZE)
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return image


def animation() -> tuple[Image.Image, dict[str, Any]]:
    first = gradient(SIZE)
    return first, {"save_all": True, "append_images": [first.rotate(180)], "duration": 100}


def draw_sources(folder: Path) -> None:
    """Draw one picture of each kind."""
    plain, p3 = gradient(SIZE), display_p3_profile()
    for extension in ("jpg", "png", "webp", "avif", "tif"):
        plain.save(folder / f"plain.{extension}")
        plain.save(folder / f"p3.{extension}", icc_profile=p3)
    for extension in ("png", "webp", "avif", "tif"):
        alpha().save(folder / f"alpha.{extension}")
    plain.convert("CMYK").save(folder / "cmyk.jpg")
    plain.convert("CMYK").save(folder / "cmyk.tif")
    press = bytes(pyvips.Image.profile_load("cmyk"))
    wanted = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(press))
    printed = ImageCms.profileToProfile(plain, *wanted, outputMode="CMYK")
    assert printed is not None
    for extension in ("jpg", "tif"):
        printed.save(folder / f"cmyk-profile.{extension}", icc_profile=press)
    plain.convert("L").save(folder / "grey.jpg")
    for extension in ("jpg", "png"):
        plain.convert("L").save(folder / f"grey-profile.{extension}", icc_profile=grey_profile(gamma(1.8)))
    deep = np.asarray(plain.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "grey-16-bit.png")
    deep = np.asarray(plain).astype(np.uint16) * 257
    _write_deep_png(folder / "16-bit.png", deep)
    plain.quantize(16).save(folder / "palette.png")
    for extension in ("gif", "webp"):
        first, options = animation()
        first.save(folder / f"animation.{extension}", **options)


def _write_deep_png(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    """Write a PNG of 16 bits in RGB, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


SOURCES = [
    *("plain.jpg", "plain.png", "plain.webp", "plain.avif", "plain.tif"),
    *("p3.jpg", "p3.png", "p3.webp", "p3.avif", "p3.tif"),
    *("alpha.png", "alpha.webp", "alpha.avif", "alpha.tif", "cmyk.jpg", "cmyk.tif", "grey.jpg"),
    *("cmyk-profile.jpg", "cmyk-profile.tif"),
    *("grey-profile.jpg", "grey-profile.png", "grey-16-bit.png", "16-bit.png", "palette.png"),
    *("animation.gif", "animation.webp"),
]


def colours(data: bytes) -> str:
    """The means of the parts of a picture, as hexadecimal RGBA. Hidden colours count as black."""
    with Image.open(io.BytesIO(data)) as image:
        picture = np.asarray(image.convert("RGBA")).astype(float)
    picture[..., :3] *= picture[..., 3:] / 255
    rows = (np.array_split(row, GRID[0], axis=1) for row in np.array_split(picture, GRID[1], axis=0))
    means = [part.mean(axis=(0, 1)) for row in rows for part in row]
    return bytes(np.rint(means).astype(np.uint8).flatten().tolist()).hex()


def rendered(app: Flask, name: str) -> dict[str, Any]:
    """The size and the colours of each rendition of the source *name*."""
    made = {}
    for format in FORMATS:
        for mode, options in MODES.items():
            # At a quality of the encoder's own, because the scale depends on whether a picture is flat.
            response = app.test_client().get(url_of(app, name, format=format, quality="raw75", **options))
            assert response.status_code == 200, (name, format, mode, response.text)
            with Image.open(io.BytesIO(response.data)) as image:
                assert image.format == format.upper()
                size = image.size
            made[f"{format} {mode}"] = [*size, colours(response.data)]
    return made


def pillow_converts_cmyk() -> bool:
    """Return whether Pillow converts CMYK by its profile accurately. With Little CMS 2.17, black becomes blue."""
    press = ImageCms.ImageCmsProfile(io.BytesIO(bytes(pyvips.Image.profile_load("cmyk"))))
    all_inks = Image.new("CMYK", (1, 1), (255, 255, 255, 255))
    black = ImageCms.profileToProfile(all_inks, press, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return black is not None and max(black.tobytes()) <= 2


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    draw_sources(folder)
    return folder


@pytest.mark.parametrize("engine", ["auto", "vips"])
@pytest.mark.parametrize("name", SOURCES)
def test_each_kind_is_shown_as_by_libvips_8_18(
    name: str,
    engine: str,
    sources: Path,
    make_app: Callable[..., Flask],
    static: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    is_accurate = abilities.converts_cmyk() or pillow_converts_cmyk() or not name.startswith("cmyk-profile")
    tolerance = TOLERANCE if is_accurate else TOLERANCE_OF_BLUE
    shutil.copy(sources / name, static)
    expected = json.loads(EXPECTED.read_text())[name]
    with caplog.at_level(logging.ERROR, "flask_images_vips"):
        made = rendered(make_app(IMAGES_ENGINE=engine, IMAGES_MAX_RENDERS=0), name)
    assert {kind: values[:2] for kind, values in made.items()} == {
        kind: values[:2] for kind, values in expected.items()
    }
    for kind, (_, _, parts) in made.items():
        got, wanted = (np.frombuffer(bytes.fromhex(text), np.uint8).astype(int) for text in (parts, expected[kind][2]))
        assert np.abs(got - wanted).max() <= tolerance, kind
    assert not caplog.records


def main(folder: str) -> None:
    """Write the expected colours, with sources and cache in *folder*."""
    from servers import site

    draw_sources(Path(folder))
    app = site(folder, IMAGES_PATH=".", IMAGES_MAX_RENDERS=0)
    lines = [f"{json.dumps(name)}: {json.dumps(rendered(app, name))}" for name in SOURCES]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
