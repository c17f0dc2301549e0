"""What libvips is told to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pyvips
from conftest import gradient
from PIL import Image

from engines.conftest import ENGINES
from engines.test_engine import decoded, render
from flask_images_vips.engines.encoder_settings import formats_of
from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.vips import abilities, writer
from flask_images_vips.engines.vips.writer import encode, together
from flask_images_vips.formats import by_name
from flask_images_vips.geometry import Geometry, Size
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Keep

NAMES = formats_of("vips")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    gradient((64, 48)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_progressive_png_is_interlaced_by_libvips(picture: Path) -> None:
    """Pillow writes none, and gives a plain one."""
    for engine, interlaced in ((ENGINES["vips"](), 1), (ENGINES["pillow"](), 0)):
        plain, progressive = (
            render(engine, picture, width=32, format="png", progressive=wanted) for wanted in (False, True)
        )
        assert [data[28] for data in (plain, progressive)] == [0, interlaced]  # the last byte of IHDR
        assert decoded(plain).tobytes() == decoded(progressive).tobytes()


def encoded(image: pyvips.Image, format: str, effort: str = "balanced", **options: Any) -> bytes:
    size = Size(image.width, image.height)
    spec = Spec(Options(**options), by_name(format), Geometry(size, size))
    return encode(image, spec, effort, lambda watched: watched)


@pytest.mark.parametrize("format", NAMES)
def test_each_format_is_written_as_itself(format: str) -> None:
    made = decoded(encoded(pyvips.Image.black(40, 30, bands=3).copy(interpretation="srgb"), format))
    assert (made.format, made.size) == (format.upper(), (40, 30))


def test_the_quality_reaches_the_encoder() -> None:
    image = (pyvips.Image.gaussnoise(64, 64) + 0).cast("uchar")
    low, high = (len(encoded(image, "jpeg", quality=quality)) for quality in (10, 90))
    assert 2 * low < high


@pytest.mark.parametrize("quality", [30, 95])
def test_a_lossless_avif_keeps_its_chroma_at_each_quality(quality: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """libvips 8.15 obeys if it is told to halve the chroma, and no decoder reads the result."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(abilities, "writes_lossless_avif", lambda: True)
    monkeypatch.setattr(writer, "write", lambda *arguments: told.append(arguments[3]) or b"")
    encoded(pyvips.Image.black(8, 8, bands=3), "avif", quality=quality, lossless=True)
    assert [(each["lossless"], each["subsample_mode"]) for each in told] == [(True, "off")]


@pytest.mark.skipif(not abilities.can_keep(), reason="this libvips keeps no EXIF in a PNG without comments")
def test_a_png_keeps_its_copyright_where_libvips_would_write_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x8298] = "(c) 2024 Anna Bell"
    image = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb")
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Comment", "a secret")
    monkeypatch.setattr(abilities, "keeps_comments", lambda: True)
    spec = Spec(Options(keep=Keep(copyright=True)), by_name("png"), Geometry(Size(8, 8), Size(8, 8)))
    made = encode(image, spec, "balanced", lambda watched: watched, exif.tobytes())
    assert decoded(made).getexif()[0x8298] == "(c) 2024 Anna Bell"
    assert b"a secret" not in made


def test_a_small_jpeg_is_progressive_without_mozjpeg(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pyvips.Image.thumbnail(str(photographs / "earth.png"), 300).copy_memory()
    progressive = encoded(image, "jpeg", progressive=True)
    assert (encoded(image, "jpeg", "small") == progressive) is not abilities.has_mozjpeg()
    monkeypatch.setattr(abilities, "has_mozjpeg", lambda: False)
    assert encoded(image, "jpeg", "small") == progressive


def test_frames_are_joined_one_below_the_other() -> None:
    frame = pyvips.Image.black(40, 30)
    assert together([frame]) is frame
    joined = together([frame] * 3)
    assert (joined.width, joined.height, joined.get("page-height")) == (40, 90, 30)
