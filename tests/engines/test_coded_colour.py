"""Numbers that state how colours are coded (CICP, gAMA, cHRM) count as much as a profile, in both engines."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import fetch, gradient
from flask import Flask
from PIL import Image

from engines.conftest import converted
from engines.test_colour import display_p3_profile
from engines.test_engine import psnr
from flask_images_vips.engines.coded_colour import profile_of
from flask_images_vips.engines.colour import is_rgb, is_srgb
from flask_images_vips.headers.coding import SRGB, Coding, read_coding

SIZE = (96, 64)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SRGB_GAMMA = struct.pack(">I", 45455)


@pytest.fixture(params=["vips", "pillow"])
def app(request: pytest.FixtureRequest, make_app: Callable[..., Flask]) -> Flask:
    return make_app(IMAGES_ENGINE=request.param)


def chromaticities(values: tuple[float, ...]) -> bytes:
    return struct.pack(">8I", *(round(value * 100_000) for value in values))


def png(picture: Image.Image, chunks: dict[bytes, bytes]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = file.getvalue()
    more = [
        struct.pack(">I", len(each)) + name + each + struct.pack(">I", zlib.crc32(name + each))
        for name, each in chunks.items()
    ]
    return data[:33] + b"".join(more) + data[33:]


def avif(picture: Image.Image, primaries: int, transfer: int, **save: Any) -> bytes:
    """An AVIF that states other numbers than the ones that Pillow writes."""
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=95, subsampling="4:4:4", **save)
    data = file.getvalue()
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def coding_of(data: bytes, format: str, folder: Path) -> Coding | None:
    (folder / "a").write_bytes(data)
    with (folder / "a").open("rb") as file:
        return read_coding(file.fileno(), format)


def test_the_most_precise_statement_counts(tmp_path: Path) -> None:
    p3 = chromaticities(P3)
    for chunks, coding in (
        ({}, None),
        ({b"gAMA": SRGB_GAMMA, b"cHRM": chromaticities(SRGB)}, None),
        ({b"cHRM": p3}, None),
        ({b"gAMA": SRGB_GAMMA, b"cHRM": p3}, Coding(P3)),
        ({b"gAMA": struct.pack(">I", 100_000)}, Coding(SRGB, gamma=1.0)),
        ({b"gAMA": bytes(4)}, None),
        ({b"gAMA": b"x"}, None),
        ({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100_000), b"cHRM": p3}, None),
        ({b"cICP": bytes([12, 13, 0, 1]), b"sRGB": b"\0"}, Coding(P3)),
        ({b"cICP": bytes([1, 13, 0, 1]), b"gAMA": struct.pack(">I", 100_000)}, None),
        ({b"cICP": bytes([250, 250, 0, 1])}, None),
    ):
        assert coding_of(png(gradient(SIZE), chunks), "png", tmp_path) == coding, chunks
    assert coding_of(avif(gradient(SIZE), 12, 13), "avif", tmp_path) == Coding(P3)
    assert coding_of(avif(gradient(SIZE), 1, 13), "avif", tmp_path) is None
    for broken in (b"", b"\x89PNG", avif(gradient(SIZE), 12, 13)[:150]):
        assert coding_of(broken, "png", tmp_path) is coding_of(broken, "avif", tmp_path) is None


def test_its_profile_is_that_of_others() -> None:
    made = profile_of(Coding(P3), grey=False)
    assert made is not None
    assert is_rgb(made)
    assert psnr(converted(gradient(SIZE), made), converted(gradient(SIZE), display_p3_profile())) > 45
    srgb = profile_of(Coding(SRGB), grey=False)
    assert srgb is not None
    assert is_srgb(srgb)


@pytest.mark.parametrize(
    "primaries", [(0.0,) * 8, (0.3, 0.3) * 4, (0.3, 0.3, 0.00001, 0.00001, 9999.0, 0.00001, 1.0, 1.0)]
)
def test_impossible_primaries_are_ignored(primaries: Any, app: Flask, static: Path) -> None:
    (static / "a.png").write_bytes(png(gradient(SIZE), {b"gAMA": SRGB_GAMMA, b"cHRM": chromaticities(primaries)}))
    assert fetch(app, "a.png", width=48).size == (48, 32)


@pytest.mark.parametrize("width", [96, 48])
def test_colours_of_p3_are_converted(width: int, app: Flask, static: Path) -> None:
    reference = converted(gradient(SIZE), display_p3_profile()).resize(
        (width, width * 2 // 3), Image.Resampling.LANCZOS
    )
    (static / "a.avif").write_bytes(avif(gradient(SIZE), 12, 13))
    (static / "a.png").write_bytes(png(gradient(SIZE), {b"cICP": bytes([12, 13, 0, 1])}))
    (static / "b.png").write_bytes(png(gradient(SIZE), {b"gAMA": SRGB_GAMMA, b"cHRM": chromaticities(P3)}))
    for name in ("a.avif", "a.png", "b.png"):
        assert psnr(fetch(app, name, format="png", width=width), reference) > 34, name


def test_light_by_another_gamma_is_converted_in_colour_and_in_grey(app: Flask, static: Path) -> None:
    linear = {b"gAMA": struct.pack(">I", 100_000)}
    (static / "a.png").write_bytes(png(gradient(SIZE), linear))
    (static / "b.png").write_bytes(png(gradient(SIZE).convert("L"), linear))
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.0031308, 12.92 * levels, 1.055 * levels ** (1 / 2.4) - 0.055)
    table_of = [round(255 * value) for value in curve]
    assert psnr(fetch(app, "a.png", format="png"), gradient(SIZE).point(table_of * 3)) > 40
    assert psnr(fetch(app, "b.png", format="png").convert("L"), gradient(SIZE).convert("L").point(table_of)) > 40


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)])
def test_hdr_is_tone_mapped(transfer: int, white: float, app: Flask, static: Path) -> None:
    """Diffuse white becomes a light grey, the peak becomes white, and levels keep their order."""
    ramp = Image.new("RGB", (256, 8))
    ramp.putdata([(level,) * 3 for level in range(256)] * 8)
    (static / "a.avif").write_bytes(avif(ramp, 9, transfer))
    (static / "a.png").write_bytes(png(ramp, {b"cICP": bytes([9, transfer, 0, 1])}))
    for name in ("a.avif", "a.png"):
        made = np.asarray(fetch(app, name, format="png").convert("RGB")).astype(int)[4]
        assert np.ptp(made, axis=1).max() <= 4  # still grey
        assert (np.diff(made[:, 1]) >= -2).all()
        assert made[1, 1] < 20
        assert 150 < made[round(255 * white), 1] < 215
        assert made[-1, 1] >= 250


def by_method_a(nits: Any) -> Any:
    """The levels of grey light by method A of ITU-R BT.2446-1, from a peak of 1000 to one of 100 cd/m²."""
    hdr, sdr = (1 + 32 * (peak / 10_000) ** (1 / 2.4) for peak in (1000, 100))
    luma = np.log(1 + (hdr - 1) * (nits / 1000) ** (1 / 2.4)) / np.log(hdr)
    knee = -1.1510 * luma**2 + 2.7811 * luma - 0.6302
    mapped = np.where(luma <= 0.7399, 1.0770 * luma, np.where(luma < 0.9909, knee, 0.5 * luma + 0.5))
    light = ((sdr**mapped - 1) / (sdr - 1)) ** 2.4
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def test_the_curve_is_a_little_brighter_than_that_of_bt_2446(app: Flask, static: Path) -> None:
    ramp = Image.new("RGB", (192, 8))
    ramp.putdata([(level,) * 3 for level in range(192)] * 8)
    (static / "a.png").write_bytes(png(ramp, {b"cICP": bytes([9, 16, 0, 1])}))
    made = np.asarray(fetch(app, "a.png", format="png").convert("RGB")).astype(float)[4, :, 1]
    root = (np.arange(192) / 255) ** (1 / 78.84375)
    nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    above = made - by_method_a(np.minimum(nits, 1000))
    assert above.min() > -8
    assert 10 < above.max() < 28


def test_a_profile_of_numbers_can_be_kept(app: Flask, static: Path) -> None:
    (static / "a.png").write_bytes(png(gradient(SIZE), {b"cICP": bytes([12, 13, 0, 1])}))
    kept = fetch(app, "a.png", format="png", keep="icc")
    assert psnr(kept, gradient(SIZE)) > 50
    assert is_rgb(kept.info["icc_profile"])
