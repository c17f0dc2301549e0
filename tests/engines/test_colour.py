"""Which ICC profiles are sRGB, and so need no conversion? `matrix_profile` draws profiles for other tests too."""

from __future__ import annotations

import io
import random
import struct
from functools import cache

import pytest
import pyvips
from conftest import PHOTOGRAPHS
from PIL import Image, ImageCms

from flask_images_vips.engines.colour import is_srgb, keeps_profile
from flask_images_vips.formats import by_name
from flask_images_vips.options.options import Options
from flask_images_vips.options.values import Keep

Primaries = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

# XYZ of red, green and blue, adapted to D50, as profiles state them.
SRGB: Primaries = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3: Primaries = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB: Primaries = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
D50 = (0.9642, 1.0, 0.8249)

SRGB_FORMULA = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def parametric(*values: float) -> bytes:
    """A curve as the formula that sRGB has: gamma, a, b, c, d."""
    return b"para\0\0\0\0" + struct.pack(">HH5i", 3, 0, *(round(value * 65536) for value in values))


def gamma(exponent: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def table(steps: int, exponent: float | None = None) -> bytes:
    """A curve as a table of so many *steps*: sRGB's, or of a plain *exponent*."""
    encoded = [step / (steps - 1) for step in range(steps)]
    light = [_srgb_light(value) if exponent is None else value**exponent for value in encoded]
    return b"curv\0\0\0\0" + struct.pack(f">I{steps}H", steps, *(round(value * 65535) for value in light))


def matrix_profile(primaries: Primaries, curve: bytes) -> bytes:
    """An RGB profile of three primaries and one transfer curve, of the least tags that colour engines take."""
    tags = {name: _xyz(primary) for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return icc_profile(b"RGB ", {b"wtpt": _xyz(D50), **tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def grey_profile(curve: bytes) -> bytes:
    return icc_profile(b"GRAY", {b"wtpt": _xyz(D50), b"kTRC": curve})


def icc_profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """The file of a display's profile, version 2.4 (ICC.1:2001-04)."""
    start = 128 + 4 + 12 * len(tags)
    index, data = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        index += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    header = struct.pack(">I4xI4s4s4s", start + len(data), 0x02400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s28x", 2024, 1, 1, 0, 0, 0, b"acsp") + _xyz(D50)[8:]
    return header.ljust(128, b"\0") + index + data


@cache  # it says when it was made
def srgb_profile() -> bytes:
    """sRGB as Pillow has it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def display_p3_profile() -> bytes:
    return matrix_profile(DISPLAY_P3, parametric(*SRGB_FORMULA))


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _srgb_light(encoded: float) -> float:
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def profile_of(photograph: str) -> bytes:
    with Image.open(PHOTOGRAPHS / photograph) as image:
        profile = image.info["icc_profile"]
        assert isinstance(profile, bytes)
        return profile


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(srgb_profile(), id="of Pillow"),
        pytest.param(pyvips.Image.profile_load("srgb"), id="of libvips"),
        pytest.param(profile_of("flower.jpg"), id="of a camera"),
        pytest.param(matrix_profile(SRGB, parametric(*SRGB_FORMULA)), id="as a formula"),
        pytest.param(matrix_profile(SRGB, table(1024)), id="as a table of 1024"),
        pytest.param(matrix_profile(SRGB, table(4096)), id="as a table of 4096"),
    ],
)
def test_srgb_is_recognised(profile: bytes) -> None:
    assert is_srgb(profile)


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(display_p3_profile(), id="Display P3"),
        pytest.param(pyvips.Image.profile_load("p3"), id="Display P3 of libvips"),
        pytest.param(matrix_profile(ADOBE_RGB, gamma(2.2)), id="Adobe RGB"),
        pytest.param(profile_of("rocket.jpg"), id="Adobe RGB of a photograph"),
        pytest.param(matrix_profile(ADOBE_RGB, parametric(*SRGB_FORMULA)), id="other primaries"),
        pytest.param(matrix_profile(SRGB, parametric(1, 1, 0, 0, 0)), id="linear light, as a formula"),
        pytest.param(matrix_profile(SRGB, table(1024, 1)), id="linear light, as a table"),
        pytest.param(matrix_profile(SRGB, table(1024, 1.8)), id="a gamma of 1.8, as a table"),
        pytest.param(matrix_profile(SRGB, gamma(1.8)), id="a gamma of 1.8"),
        pytest.param(matrix_profile(SRGB, table(2)), id="a table of two"),
        pytest.param(grey_profile(table(1024)), id="grey"),
        pytest.param(pyvips.Image.profile_load("cmyk"), id="CMYK"),
        pytest.param(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), id="Lab"),
    ],
)
def test_another_colour_space_is_not_srgb(profile: bytes) -> None:
    assert not is_srgb(profile)


@pytest.mark.parametrize("profile", [b"", b"x", b"x" * 500, bytes(500), b"\xff" * 500, b"RGB " * 200])
def test_garbage_is_not_srgb(profile: bytes) -> None:
    assert not is_srgb(profile)


def test_one_other_curve_among_three_is_enough() -> None:
    srgb, linear = table(1024), table(1024, 1)
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    primaries = {name: _xyz(primary) for name, primary in zip(names, SRGB, strict=True)}
    curves = (b"rTRC", b"gTRC", b"bTRC")
    for changed in curves:
        profile = icc_profile(b"RGB ", {**primaries, **{name: linear if name == changed else srgb for name in curves}})
        assert not is_srgb(profile)


@pytest.mark.parametrize("whole", [srgb_profile(), matrix_profile(SRGB, table(1024)), matrix_profile(SRGB, gamma(2.2))])
def test_a_profile_cut_short_anywhere_is_answered_without_an_error(whole: bytes) -> None:
    answers = [is_srgb(whole[:length]) for length in range(len(whole))]
    assert not any(answers[:132])  # nothing but the header
    assert all(isinstance(answer, bool) for answer in answers)


def test_a_profile_with_changed_bytes_is_answered_without_an_error() -> None:
    chance = random.Random(3)
    for whole in (srgb_profile(), matrix_profile(SRGB, table(64))):
        for _ in range(5000):
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                changed[chance.randrange(len(changed))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            assert is_srgb(bytes(changed)) in (True, False)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((2.4, -1, 0, 0, 0), id="a root of a negative number"),
        pytest.param((-2.4, 0, 0, 0, 0), id="a division by zero"),
        pytest.param((32767, 32767, 0, 0, 0), id="more than a number can hold"),
    ],
)
def test_a_curve_without_a_value_is_not_srgbs(values: tuple[float, ...]) -> None:
    assert not is_srgb(matrix_profile(SRGB, parametric(*values)))


@pytest.mark.parametrize(
    "profile", [display_p3_profile(), matrix_profile(ADOBE_RGB, gamma(2.2)), grey_profile(gamma(1))]
)
def test_the_profiles_drawn_here_are_profiles(profile: bytes) -> None:
    """Or else the engines' tests would convert nothing."""
    ImageCms.ImageCmsProfile(io.BytesIO(profile))


def test_a_profile_is_kept_where_it_is_wanted_fits_and_can_be_written() -> None:
    wanted, png, gif = Options(keep=Keep(icc=True)), by_name("png"), by_name("gif")
    rgb, grey = display_p3_profile(), grey_profile(gamma(2.2))
    assert keeps_profile(rgb, wanted, png, is_rgb_picture=True)
    assert not keeps_profile(rgb, Options(), png, is_rgb_picture=True)
    assert not keeps_profile(rgb, wanted, gif, is_rgb_picture=True)
    assert not keeps_profile(rgb, wanted, png, is_rgb_picture=False)
    assert not keeps_profile(grey, wanted, png, is_rgb_picture=True)
    assert not keeps_profile(b"no profile", wanted, png, is_rgb_picture=True)
    assert not keeps_profile(None, wanted, png, is_rgb_picture=True)
