"""What the tests of the engines share: both engines, and photographs."""

from __future__ import annotations

import io
from collections.abc import Generator
from pathlib import Path

import pytest
from conftest import SMALL_PHOTOGRAPHS
from PIL import Image, ImageCms, ImageOps

from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.pillow.engine import PillowEngine
from flask_images_vips.engines.vips import abilities
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.errors import UnsupportedHere

NEWEST = 8, 18
"""The version of libvips with which nothing may be lacking."""

ENGINES = {"vips": VipsEngine, "pillow": PillowEngine}


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a test of the engine by libvips alone if this libvips lacks something, so that Pillow would render."""
    try:
        return (yield)
    except UnsupportedHere as error:
        if abilities.version() >= NEWEST:
            raise
        pytest.skip(f"libvips {abilities.version_name()}: {error.reason}")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = ENGINES[request.param]()
    return made


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's small photographs, upright and in sRGB, as PNG files and, where they are opaque, as JPEG files."""
    folder = tmp_path_factory.mktemp("photographs")
    for path in SMALL_PHOTOGRAPHS:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if profile := image.info.get("icc_profile"):
                upright = converted(upright, profile)
        upright.info = {}
        upright.save(folder / f"{path.stem}.png", compress_level=1)
        if upright.mode == "RGB":
            upright.save(folder / f"{path.stem}.jpg", quality=92)
    return folder


def converted(picture: Image.Image, profile: bytes) -> Image.Image:
    """*picture* in sRGB, from the colours of *profile*."""
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    made = ImageCms.profileToProfile(picture, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert made is not None
    return made
