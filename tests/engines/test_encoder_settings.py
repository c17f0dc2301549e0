"""What encoders are asked for besides a format: progressive, lossless, and what of the metadata is to stay.

Where it says *engine*, each one is tested. Files are read by Pillow, and EXIF tag by tag.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from conftest import gradient, url_of
from flask import Flask
from PIL import Image

from engines.conftest import ENGINES
from engines.test_colour import (
    ADOBE_RGB,
    display_p3_profile,
    gamma,
    grey_profile,
    icc_profile,
    matrix_profile,
    srgb_profile,
)
from engines.test_copyright import ARTIST, COPYRIGHT, WITH_METADATA, lay, outputs, tags, tags_of
from engines.test_engine import by_lanczos, decoded, psnr, render
from flask_images_vips.engines import encoder_settings
from flask_images_vips.engines.engine import Engine
from flask_images_vips.formats import FORMATS, by_name
from flask_images_vips.geometry import Size, plan
from flask_images_vips.options.options import Options, write_query
from flask_images_vips.rendition import Rendition
from flask_images_vips.sources.source import Source

MakeApp = Callable[..., Flask]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    gradient((64, 48)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


# What was asked for before gives what it gave


@pytest.mark.parametrize(
    ("query", "format", "file"),
    [
        ({}, "jpeg", "82ba4a39c334-7ecbe7dcc3da47024113c314ca48daab.jpg"),
        ({"w": "400", "h": "300", "m": "crop"}, "jpeg", "b2d0b56aec59-d813742d73b3542563913c543879e671.jpg"),
        (
            {"w": "400", "e": "1", "q": "60", "usm": "0.3,250,2"},
            "png",
            "16b7bbab7ed0-ee3805bbbdb6c6c4a3f12fc67a9f7147.png",
        ),
        (
            {"w": "80", "h": "80", "m": "pad", "b": "#fa780a"},
            "avif",
            "f06329caa4c9-7d6bff4637ae01a1971ba1c211eb4ffb.avif",
        ),
        (
            {"x": "EXTENT_0_0_10p_10p_90p_90p", "h": "90"},
            "tiff",
            "67115d2e4ad8-7baf7a8a7fd0ed648182b175cd2d0100.tif",
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


# Efforts


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
def test_a_very_large_picture_is_encoded_at_no_more_than_the_balanced_effort(
    name: str, format: str, photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_settings, "MOST_SMALL_PIXELS", 64 * 48)
    small, balanced = (ENGINES[name](effort=effort) for effort in ("small", "balanced"))

    def files(width: int) -> tuple[bytes, bytes]:
        asked = {"width": width, "height": 48, "mode": "crop", "format": format}
        return tuple(render(engine, photographs / "cat.jpg", **asked) for engine in (small, balanced))

    at_most, larger = files(64), files(65)
    assert at_most[0] != at_most[1]
    assert larger[0] == larger[1]


# Progressive and lossless


def test_a_progressive_jpeg_is_one(engine: Engine, picture: Path) -> None:
    plain, progressive = (
        decoded(render(engine, picture, width=32, format="jpeg", progressive=wanted)) for wanted in (False, True)
    )
    assert [bool(image.info.get("progressive")) for image in (plain, progressive)] == [False, True]
    assert plain.tobytes() == progressive.tobytes()


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
