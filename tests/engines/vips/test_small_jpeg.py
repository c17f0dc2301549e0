"""Pillow encodes small JPEGs, and the files are those of libvips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import gradient
from PIL import ImageFile

from engines.conftest import NEWEST
from engines.test_colour import display_p3_profile
from engines.test_engine import decoded, render
from flask_images_vips.engines.encoder_settings import arguments_of
from flask_images_vips.engines.vips import abilities, small_jpeg
from flask_images_vips.engines.vips.engine import VipsEngine
from flask_images_vips.engines.vips.small_jpeg import encoded
from flask_images_vips.engines.vips.writer import write
from flask_images_vips.formats import JPEG
from flask_images_vips.options.options import Options


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process encode as a renderer does."""
    monkeypatch.setattr(small_jpeg, "_pillow", None)
    small_jpeg.load()


def parameters(effort: str = "balanced", **options: Any) -> dict[str, Any]:
    return arguments_of("vips", effort, JPEG, Options(**options), flat=False)


def noise(bands: int, levels: int, width: int = 490, height: int = 490) -> pyvips.Image:
    """A picture of random pixels with so many levels. No JPEG of this size is larger."""
    values = np.random.default_rng(1).integers(0, levels, (height, width, bands)) * (255 // (levels - 1))
    interpretation = "srgb" if bands == 3 else "b-w"
    return pyvips.Image.new_from_array(values.astype("uint8"), interpretation=interpretation)


@pytest.mark.parametrize("effort", ["fast", "balanced"])
@pytest.mark.parametrize("bands", [1, 3])
def test_the_file_is_that_of_libvips(bands: int, effort: str, photographs: Path) -> None:
    photograph = pyvips.Image.new_from_file(str(photographs / "cat.jpg")).colourspace("srgb" if bands == 3 else "b-w")
    for picture in (photograph, photograph.crop(3, 5, 17, 1), noise(bands, 256), noise(bands, 2)):
        for quality in (1, 30, 75, 89):
            settings = parameters(effort, quality=quality)
            mine, other = encoded(picture, settings), write(picture, "jpeg", 0, settings)
            assert mine is not None
            assert decoded(mine).tobytes() == decoded(other).tobytes()
            assert mine == other or abilities.version() < NEWEST


@pytest.mark.parametrize(
    "settings",
    [parameters(quality=90), parameters(progressive=True), parameters("small")],
    ids=["all colours", "progressive", "small"],
)
def test_what_only_libvips_does_is_left_to_it(settings: dict[str, Any]) -> None:
    assert encoded(pyvips.Image.black(8, 8), settings) is None


def test_other_pictures_are_left_to_libvips(monkeypatch: pytest.MonkeyPatch) -> None:
    grey, settings = pyvips.Image.black(10, 10).copy(interpretation="b-w"), parameters()
    assert encoded(grey, settings)
    assert encoded(grey.cast("ushort"), settings) is None
    assert encoded(grey.bandjoin(255), settings) is None
    assert encoded(grey.bandjoin([grey] * 3).copy(interpretation="cmyk"), settings) is None
    monkeypatch.setattr(small_jpeg, "_MOST_PIXELS", 99)
    assert encoded(grey, settings) is None


@pytest.mark.parametrize(("width", "height"), [(65_500, 3), (2000, 33), (300, 257)])
def test_noise_in_a_strip_is_encoded(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that are cut at the edge are encoded whole, so such a file may have more bytes than pixels."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 65_536)
    strip, settings = noise(3, 2, width, height), parameters(quality=89)
    mine, other = encoded(strip, settings), write(strip, "jpeg", 0, settings)
    assert mine is not None
    assert decoded(mine).tobytes() == decoded(other).tobytes()


def test_a_rendition_is_encoded_by_pillow(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_libvips = []

    def listening(image: pyvips.Image, suffix: str, **options: Any) -> bytes:
        by_libvips.append(suffix)
        data: bytes = plain(image, suffix, **options)
        return data

    plain = pyvips.Image.write_to_buffer
    monkeypatch.setattr(pyvips.Image, "write_to_buffer", listening)
    made = render(VipsEngine(), photographs / "cat.jpg", width=300)
    assert by_libvips == []
    monkeypatch.setattr(small_jpeg, "_pillow", None)
    assert render(VipsEngine(), photographs / "cat.jpg", width=300) == made or abilities.version() < NEWEST
    assert by_libvips == [".jpeg"]


def test_metadata_is_written_by_libvips(tmp_path: Path) -> None:
    gradient((40, 30)).save(tmp_path / "a.jpg", icc_profile=display_p3_profile())
    for keep, profile in (("icc", True), (None, False)):
        made = decoded(render(VipsEngine(), tmp_path / "a.jpg", keep=keep))
        assert ("icc_profile" in made.info) is profile
