"""What encoders are asked for besides a format: progressive, lossless, and what of the metadata is to stay.

Where it says *engine*, each one is tested. Files are read by Pillow, and EXIF tag by tag.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import fetch, gradient, url_of
from flask import Flask
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from engines.test_colour import (
    ADOBE_RGB,
    display_p3_profile,
    gamma,
    grey_profile,
    icc_profile,
    matrix_profile,
    srgb_profile,
)
from engines.test_engine import ENGINES, by_lanczos, decoded, psnr, render
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.rights import rights
from flask_images_vips.formats import FORMATS, by_name
from flask_images_vips.geometry import Size, plan
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source

MakeApp = Callable[..., Flask]

ARTIST, COPYRIGHT = 0x013B, 0x8298
GPS, EXIF, THUMBNAILS = 0x8825, 0x8769, 1
# What libvips writes into every block of EXIF: orientation (1), resolution, and below it the version, the colour space
# and the rendition's own size. TIFF has its own tags of layout.
LAYOUT = {274, 282, 283, 296, EXIF}
LAYOUT_BELOW = {0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003}
LAYOUT_OF_TIFF = {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 283, 284, 296, 317, 338, 339}
WITH_METADATA = ("jpeg", "png", "webp", "avif", "tiff")
SECRET = "taken at my home"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    made: Engine = ENGINES[request.param]()
    return made


def outputs(engine: Engine, *names: str) -> list[str]:
    return [name for name in names if not engine.refusal(Options(), by_name(name))]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    gradient((64, 48)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


# What was asked for before gives what it gave


@pytest.mark.parametrize(
    ("query", "format", "file"),
    [
        ({}, "jpeg", "ba5477fe1468-2b2a9b5fcd0da3236c3c8e642ad5f88f.jpg"),
        ({"w": "400", "h": "300", "m": "crop"}, "jpeg", "fc21dd32d285-3edfe8633d75485a69c8d319ae088adb.jpg"),
        (
            {"w": "400", "e": "1", "q": "60", "usm": "0.3,250,2"},
            "png",
            "be0b2e6d04b7-bff0c55049941959e39892de86c87105.png",
        ),
        (
            {"w": "80", "h": "80", "m": "pad", "b": "#fa780a"},
            "avif",
            "ad179f32e613-874889d73ba1f8842ee7a37df57df139.avif",
        ),
        (
            {"x": "EXTENT_0_0_10p_10p_90p_90p", "h": "90"},
            "tiff",
            "5fb789bfb400-ed63087a6571a0d48ba0e4187d107d9a.tif",
        ),
    ],
)
def test_the_keys_of_still_pictures_change_with_the_revision_alone(
    query: dict[str, str], format: str, file: str
) -> None:
    source = Source("cat.jpg", "/static", "/static/cat.jpg", 1000, 1_700_000_000_000_000_000)
    assert Rendition(source, Options.parse(query), by_name(format), "a recipe").key[1] == file


@pytest.mark.parametrize("wishes", [{"progressive": False}, {"lossless": False}, {"keep": ""}, {"animated": True}])
@pytest.mark.parametrize("format", [format.name for format in FORMATS])
def test_the_defaults_change_no_byte(engine: Engine, format: str, wishes: dict[str, Any], picture: Path) -> None:
    if not engine.refusal(Options(), by_name(format)):
        assert render(engine, picture, width=32, format=format, **wishes) == render(
            engine, picture, width=32, format=format
        )


# Progressive and lossless


def test_a_progressive_jpeg_is_one(engine: Engine, picture: Path) -> None:
    plain, progressive = (
        decoded(render(engine, picture, width=32, format="jpeg", progressive=wanted)) for wanted in (False, True)
    )
    assert [bool(image.info.get("progressive")) for image in (plain, progressive)] == [False, True]
    assert plain.tobytes() == progressive.tobytes()


def test_a_progressive_png_is_interlaced_by_libvips(picture: Path) -> None:
    """Pillow writes none, and gives a plain one."""
    for engine, interlaced in ((ENGINES["vips"](), 1), (ENGINES["pillow"](), 0)):
        plain, progressive = (
            render(engine, picture, width=32, format="png", progressive=wanted) for wanted in (False, True)
        )
        assert [data[28] for data in (plain, progressive)] == [0, interlaced]  # the last byte of IHDR
        assert decoded(plain).tobytes() == decoded(progressive).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("format", ["webp", "avif"])
def test_a_lossless_picture_has_the_pixels_of_a_png(engine: Engine, format: str, mode: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 4), np.uint8)
    Image.fromarray(noise).convert(mode).save(tmp_path / "a.png")
    made = decoded(render(engine, tmp_path / "a.png", format=format, lossless=True, quality=30))
    reference = decoded(render(engine, tmp_path / "a.png", format="png"))
    # Pillow has no lossless AVIF.
    assert psnr(made, reference) >= (40 if (engine.name, format) == ("pillow", "avif") else 99)
    assert psnr(decoded(render(engine, tmp_path / "a.png", format=format, quality=30)), reference) < 30


@pytest.mark.parametrize("format", ["jpeg", "png", "gif"])
def test_formats_without_a_lossless_mode_do_not_look_at_it(engine: Engine, format: str, picture: Path) -> None:
    plain, lossless = (render(engine, picture, width=32, format=format, lossless=wanted) for wanted in (False, True))
    assert plain == lossless


# Copyright


def tags() -> Image.Exif:
    """EXIF with an author, a copyright, and what must not get out."""
    exif = Image.Exif()
    exif[ARTIST], exif[COPYRIGHT] = "Anna Bell", "(c) 2024 Anna Bell"
    exif[270] = exif[305] = SECRET
    exif.get_ifd(GPS).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    exif.get_ifd(EXIF).update({0x9003: "2024:05:06 07:08:09", 0x927C: SECRET.encode(), 0xA431: SECRET})
    return exif


def lay(path: Path, exif: Image.Exif, **save: Any) -> Path:
    if path.suffix == ".tif":
        info = ImageFileDirectory_v2()
        for number in (ARTIST, COPYRIGHT, 270, 305):
            if number in exif:
                info[number] = exif[number]
        save |= {"tiffinfo": info}
    else:
        save |= {"exif": exif}
    gradient((64, 48)).save(path, **save)
    assert SECRET.encode() in path.read_bytes()
    return path


def tags_of(data: bytes, engine: Engine) -> dict[int, Any]:
    """All tags of EXIF in a file, but for those of its layout. A place or a thumbnail fails the test."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        layout = LAYOUT_OF_TIFF if image.format == "TIFF" else LAYOUT if engine.name == "vips" else set()
        assert not {GPS, 0x8825} & exif.keys()
        assert not exif.get_ifd(GPS)
        assert not exif.get_ifd(THUMBNAILS)
        assert not exif.get_ifd(EXIF).keys() - (LAYOUT_BELOW if engine.name == "vips" else set())
        return {number: value for number, value in exif.items() if number not in layout}


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif"])
def test_copyright_and_artist_are_kept_and_nothing_else(engine: Engine, extension: str, tmp_path: Path) -> None:
    path = lay(tmp_path / f"a.{extension}", tags())
    for format in outputs(engine, *WITH_METADATA):
        data = render(engine, path, width=32, format=format, keep="copyright")
        assert tags_of(data, engine) == {ARTIST: "Anna Bell", COPYRIGHT: "(c) 2024 Anna Bell"}, format
        assert SECRET.encode() not in data
        assert not decoded(data).info.get("icc_profile")
        assert SECRET.encode() not in render(engine, path, width=32, format=format)
    for format in outputs(engine, "gif", "bmp", "ico"):
        assert b"Anna" not in render(engine, path, width=32, format=format, keep="copyright")


def test_a_turned_picture_keeps_its_copyright_and_is_turned_once(engine: Engine, tmp_path: Path) -> None:
    exif = tags()
    exif[0x0112] = 6
    for format in ("jpeg", "webp"):
        data = render(engine, lay(tmp_path / "a.jpg", exif), width=24, format=format, keep="copyright")
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (24, 32)
            assert image.getexif().get(0x0112, 1) == 1


def test_an_animation_keeps_its_copyright(engine: Engine, make_app: MakeApp, static: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(static / "a.webp", save_all=True, append_images=frames[1:], exif=tags())
    made = fetch(make_app(IMAGES_ENGINE=engine.name), "a.webp", width=20, keep="copyright")
    assert made.n_frames == 3  # type: ignore[attr-defined]
    assert made.getexif()[COPYRIGHT] == "(c) 2024 Anna Bell"


def test_a_picture_without_rights_gets_no_block(engine: Engine, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = SECRET
    path = lay(tmp_path / "a.jpg", exif)
    plain, kept = (render(engine, path, width=32, keep=keep) for keep in (None, "copyright"))
    assert plain == kept


def test_letters_beyond_ascii_and_short_texts_are_kept(engine: Engine, tmp_path: Path) -> None:
    name, mine = "Анна Ó".encode(), b"me"
    entries = struct.pack(">HHI4s", ARTIST, 2, len(mine) + 1, mine + b"\0\0")
    entries += struct.pack(">HHII", COPYRIGHT, 2, len(name) + 1, 38)
    block = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + entries + bytes(4) + name + b"\0"
    gradient((64, 48)).save(tmp_path / "a.jpg", exif=block)
    for format in ("jpeg", "png", "webp", "avif"):
        data = render(engine, tmp_path / "a.jpg", width=32, format=format, keep="copyright")
        assert name in data, format
        assert tags_of(data, engine)[ARTIST] == "me", format


def test_rights_are_read_in_both_byte_orders_and_written_as_one() -> None:
    big, little = (
        b"Exif\0\0" + start + struct.pack(order + "IHHHI4sI", 8, 1, COPYRIGHT, 2, 3, b"me\0\0", 0)
        for order, start in ((">", b"MM\0*"), ("<", b"II*\0"))
    )
    assert rights(big) == rights(little) == big
    assert rights(b"Exif\0\0") is None
    assert rights(b"") is None


def test_a_block_with_changed_bytes_is_answered_without_an_error() -> None:
    chance, whole = random.Random(5), tags().tobytes()
    for length in range(len(whole)):
        assert rights(whole[:length]) is None or len(rights(whole[:length]) or b"") < 200
    for _ in range(5000):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        block = rights(bytes(changed))
        assert block is None or rights(block) == block


# Colours


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "tif"])
def test_a_wide_gamut_is_kept_as_it_is(engine: Engine, extension: str, mode: str, tmp_path: Path) -> None:
    if (extension, mode) == ("jpg", "RGBA"):
        mode = "RGB"
    path, profile = tmp_path / f"a.{extension}", display_p3_profile()
    lossless = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}, "avif": {"quality": 100}}
    gradient((128, 96)).convert(mode).save(path, icc_profile=profile, **lossless.get(extension, {}))
    with Image.open(path) as image:
        image.load()
        reference = by_lanczos(image, plan(Size(128, 96), Options(width=48)))
    for format in outputs(engine, *WITH_METADATA):
        made = decoded(render(engine, path, width=48, format=format, quality=100, lossless=True, keep="icc"))
        assert made.info["icc_profile"] == profile, format
        assert psnr(made, reference) >= (45 if format in ("png", "webp", "tiff") else 38), format
        converted = decoded(render(engine, path, width=48, format=format, quality=100, lossless=True))
        assert "icc_profile" not in converted.info, format
        assert psnr(converted, reference) < 38, format


def test_values_are_those_of_the_source_to_the_level(engine: Engine, tmp_path: Path) -> None:
    profile = matrix_profile(ADOBE_RGB, gamma(2.2))
    gradient((64, 48)).save(tmp_path / "a.png", icc_profile=profile)
    made = decoded(render(engine, tmp_path / "a.png", keep="icc"))
    assert made.tobytes() == gradient((64, 48)).tobytes()
    assert made.info["icc_profile"] == profile


def test_16_bits_keep_their_profile_in_8(tmp_path: Path) -> None:
    profile = display_p3_profile()
    image = pyvips.Image.new_from_array(np.asarray(gradient((64, 48))).astype(np.uint16) * 257, interpretation="rgb16")
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    image.write_to_file(str(tmp_path / "a.png"))
    made = decoded(render(ENGINES["vips"](), tmp_path / "a.png", keep="icc"))
    assert (made.mode, made.info["icc_profile"]) == ("RGB", profile)
    assert np.abs(np.asarray(made).astype(int) - np.asarray(gradient((64, 48))).astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("mode", "profile", "extension"),
    [
        pytest.param("L", grey_profile(gamma(1)), "png", id="grey"),
        pytest.param("L", display_p3_profile(), "jpg", id="grey with a profile of colours"),
        pytest.param("CMYK", pyvips.Image.profile_load("cmyk"), "jpg", id="CMYK"),
        pytest.param("RGB", grey_profile(gamma(1)), "jpg", id="colours with a profile of grey"),
        pytest.param("RGB", b"x" * 200, "jpg", id="a profile that is none"),
        pytest.param("RGB", icc_profile(b"RGB ", {}), "jpg", id="a profile without colours"),
    ],
)
def test_other_profiles_are_not_kept(engine: Engine, mode: str, profile: bytes, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{extension}"
    gradient((64, 48)).convert(mode).save(path, icc_profile=profile)
    for format in outputs(engine, *WITH_METADATA):
        plain, kept = (render(engine, path, width=32, format=format, keep=keep) for keep in (None, "icc"))
        assert plain == kept, format


@pytest.mark.parametrize("format", ["gif", "bmp", "ico"])
def test_where_no_profile_can_be_written_colours_are_converted(
    engine: Engine, format: str, make_app: MakeApp, static: Path
) -> None:
    gradient((64, 48)).save(static / "a.png", icc_profile=display_p3_profile())
    app = make_app(IMAGES_ENGINE="auto" if engine.name == "vips" else engine.name)
    plain, kept = (
        app.test_client().get(url_of(app, "a.png", width=32, format=format, keep=keep)).data for keep in (None, "icc")
    )
    assert plain == kept


def test_a_damaged_profile_spoils_no_picture(engine: Engine, make_app: MakeApp, static: Path) -> None:
    chance, whole = random.Random(6), display_p3_profile()
    app = make_app(IMAGES_ENGINE=engine.name)
    for number in range(60):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        gradient((64, 48)).save(static / f"{number}.jpg", icc_profile=bytes(changed))
        for format in ("jpeg", "png", "webp", "avif"):
            url = url_of(app, f"{number}.jpg", width=32, format=format, keep="icc")
            assert app.test_client().get(url).status_code == 200, (number, format)


@pytest.mark.parametrize("keep", ["copyright,icc", "icc,copyright", ("copyright", "icc")])
def test_both_are_kept_together(engine: Engine, keep: Any, tmp_path: Path) -> None:
    path = lay(tmp_path / "a.jpg", tags(), icc_profile=srgb_profile())
    for format in outputs(engine, "jpeg", "png", "webp", "avif"):
        data = render(engine, path, width=32, format=format, keep=keep)
        assert decoded(data).info["icc_profile"] == srgb_profile(), format
        assert tags_of(data, engine) == {ARTIST: "Anna Bell", COPYRIGHT: "(c) 2024 Anna Bell"}, format


def test_all_spellings_of_what_is_kept_are_one_rendition(app: Flask, picture: Path) -> None:
    texts = {Options.parse(write_query({"keep": keep})).canonical() for keep in ("copyright,icc", ("icc", "copyright"))}
    assert texts == {"k=copyright,icc"}
    assert Options.parse({"k": ""}).canonical() == Options().canonical()


@pytest.mark.parametrize("keep", ["gps", "all", "icc,gps", "copyright,,icc", "_fields"])
def test_what_cannot_be_kept_is_400(app: Flask, draw: Callable[..., Path], keep: str) -> None:
    draw("a.png")
    assert app.test_client().get(url_of(app, "a.png", keep=keep)).status_code == 400
