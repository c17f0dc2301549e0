"""What stands in a picture's place: checked against the public implementations of the two hashes."""

from __future__ import annotations

import base64
import io
import os
import random
from pathlib import Path
from typing import Any

import blurhash
import pytest
import thash
from conftest import SMALL_PHOTOGRAPHS, gradient
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flask_images_vips import resized_img_placeholder
from flask_images_vips.engines.engine import Tiny
from flask_images_vips.errors import InvalidOption
from flask_images_vips.geometry import Size
from flask_images_vips.rendering import placeholders


def small(path: Path, mode: str = "RGBA") -> Image.Image:
    with Image.open(path) as picture:
        picture.thumbnail((32, 32))
        return picture.convert(mode)


def pixels(picture: Image.Image) -> tuple[Size, bytes]:
    return Size(*picture.size), picture.convert("RGBA").tobytes()


def noise(width: int, height: int, alpha: bool, seed: int) -> Image.Image:
    """A picture of smooth noise, from a *seed*: nothing in it cancels out."""
    grains = random.Random(seed)
    bands = "RGBA" if alpha else "RGB"
    data = bytes(grains.randrange(256) for _ in range(16 * len(bands)))
    return Image.frombytes(bands, (4, 4), data).resize((width, height), Image.Resampling.BICUBIC)


def theirs(picture: Image.Image, components: tuple[int, int]) -> str:
    rows = [[picture.getpixel((x, y)) for x in range(picture.width)] for y in range(picture.height)]
    text: str = blurhash.encode(rows, *components)
    return text


@pytest.mark.parametrize("path", SMALL_PHOTOGRAPHS, ids=lambda path: path.name)
@pytest.mark.parametrize("components", [(4, 3), (3, 4), (1, 1), (9, 9)])
def test_blurhash_is_that_of_the_public_implementation(path: Path, components: tuple[int, int]) -> None:
    picture = small(path, "RGB")
    assert placeholders.blurhash(*pixels(picture), components=components) == theirs(picture, components)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_blurhash_is_that_of_the_public_implementation_for_any_picture(width: int, height: int, seed: int) -> None:
    picture = noise(width, height, False, seed)
    components = (4, 3) if width >= height else (3, 4)
    assert placeholders.blurhash(*pixels(picture)) == theirs(picture, components)


def test_blurhash_sees_no_colour_behind_what_is_transparent() -> None:
    clear = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (8, 8, 24, 24))
    assert placeholders.blurhash(*pixels(clear)) == placeholders.blurhash(*pixels(Image.new("RGB", (32, 32), "blue")))


def their_thumbhash(picture: Image.Image) -> str:
    values = thash.rgba_to_thumb_hash(*picture.size, list(picture.convert("RGBA").tobytes()))
    return base64.b64encode(bytes(values)).decode()


@pytest.mark.parametrize("path", SMALL_PHOTOGRAPHS, ids=lambda path: path.name)
def test_thumbhash_is_that_of_the_public_implementation(path: Path) -> None:
    picture = small(path)
    assert placeholders.thumbhash(*pixels(picture)) == their_thumbhash(picture)


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 40), st.integers(8, 40), st.booleans(), st.integers(0, 10**6))
def test_thumbhash_is_that_of_the_public_implementation_for_any_picture(
    width: int, height: int, alpha: bool, seed: int
) -> None:
    picture = noise(width, height, alpha, seed)
    assert_same_but_for_rounding(placeholders.thumbhash(*pixels(picture)), their_thumbhash(picture))


def assert_same_but_for_rounding(ours: str, public: str) -> None:
    """Means, spans and waves may lie between two steps, where the last bit of a sum decides."""
    one, other = base64.b64decode(ours), base64.b64decode(public)
    for (number, exact), (theirs, _) in zip(stated(one), stated(other), strict=True):
        assert number == theirs if exact else abs(number - theirs) <= 1
    for pair in zip(one[5:], other[5:], strict=True):
        assert all(abs((pair[0] >> shift & 15) - (pair[1] >> shift & 15)) <= 1 for shift in (0, 4))


def stated(thumbhash: bytes) -> list[tuple[int, bool]]:
    """The numbers at the beginning of *thumbhash*, and whether they are exact: of the shape, not of the pixels."""
    begin = int.from_bytes(thumbhash[:5], "little")
    widths = [(6, False), (6, False), (6, False), (5, False), (1, True), (3, True), (6, False), (6, False), (1, True)]
    found = []
    for bits, exact in widths:
        found.append((begin & ((1 << bits) - 1), exact))
        begin >>= bits
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 40), st.booleans(), st.integers(0, 10**6))
def test_a_thumbhash_of_fewer_pixels_than_waves_is_that_one_but_for_rounding(
    width: int, height: int, alpha: bool, seed: int
) -> None:
    picture = noise(width, height, alpha, seed)
    assert_same_but_for_rounding(placeholders.thumbhash(*pixels(picture)), their_thumbhash(picture))


@pytest.mark.parametrize("colour", ["white", "black", "#3366cc", "#00000000"])
@pytest.mark.parametrize("size", [(1, 1), (32, 1), (32, 24)])
def test_a_flat_picture_is_one_colour(colour: str, size: tuple[int, int]) -> None:
    picture = Image.new("RGBA", size, colour)
    values = list(base64.b64decode(placeholders.thumbhash(*pixels(picture))))
    *found, alpha = thash.thumb_hash_to_average_rgba(values)
    expected = picture.getpixel((0, 0))
    assert alpha == pytest.approx(expected[3] / 255, abs=0.04)
    assert [255 * band for band in found] == pytest.approx(expected[:3], abs=8)
    assert placeholders.colour(*pixels(picture)) == f"#{bytes(expected[:3]).hex()}"
    if size == (32, 24):  # BlurHash's waves do not cancel out over a row of few pixels
        decoded = blurhash.decode(placeholders.blurhash(*pixels(picture)), 4, 4)
        assert decoded[2][2] == pytest.approx(list(expected[:3]), abs=4)


def test_the_colour_is_the_mean_of_what_can_be_seen() -> None:
    half = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    half.putpixel((1, 0), (0, 0, 200, 255))
    assert placeholders.colour(*pixels(half)) == "#0000c8"
    mixed = Image.new("RGB", (2, 1), "black")
    mixed.putpixel((1, 0), (255, 255, 255))
    assert placeholders.colour(*pixels(mixed)) == "#808080"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidOption, match="color, lqip, blurhash, thumbhash"):
        placeholders.draw(["color", "blur"], Tiny(Size(1, 1), rgba=bytes(4)))


def test_of_a_tiny_picture_that_is_empty_nothing_is_drawn() -> None:
    assert placeholders.draw(placeholders.KINDS, Tiny(Size(1, 1))) == {}
    of_pixels = placeholders.draw(placeholders.KINDS, Tiny(Size(1, 1), rgba=bytes(4)))
    assert of_pixels.keys() == {*placeholders.KINDS} - {"lqip"}
    (only,) = placeholders.draw(["lqip"], Tiny(Size(1, 1), webp=b"data")).items()
    assert only == ("lqip", "data:image/webp;base64,ZGF0YQ==")


def test_a_placeholder_has_the_form_of_its_kind_and_is_short() -> None:
    assert placeholders.is_valid("color", "#0a1b2c")
    assert not any(placeholders.is_valid("color", other) for other in ("", "#0a1b2", "#0a1b2c;", "red", "#0A1B2C"))
    head = "data:image/webp;base64,"
    assert placeholders.is_valid("lqip", head + "A" * 4000)
    assert not any(placeholders.is_valid("lqip", other) for other in (head, head + "A" * 4003, head + 'A"', "A"))
    assert not placeholders.is_valid("blur", "#0a1b2c")


@pytest.mark.parametrize("engine", ["vips", "pillow"])
def test_all_kinds_are_of_the_picture(make_app: Any, static: Path, engine: str) -> None:
    gradient((600, 400)).save(static / "a.png")
    app: Flask = make_app(IMAGES_ENGINE=engine)
    with app.app_context():
        found = {kind: resized_img_placeholder("a.png", kind) for kind in placeholders.KINDS}
    with Image.open(static / "a.png") as picture:
        reference = picture.resize((32, 21), Image.Resampling.LANCZOS)
    assert found["blurhash"] is not None
    shown = blurhash.decode(found["blurhash"], 32, 21)
    differences = [
        abs(shown[y][x][band] - reference.getpixel((x, y))[band])
        for y in range(21)
        for x in range(32)
        for band in range(3)
    ]
    assert sum(differences) / len(differences) < 12
    assert found["color"] is not None
    mean = reference.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert list(bytes.fromhex(found["color"][1:])) == pytest.approx(mean, abs=2)
    assert found["lqip"] is not None
    kind, _, data = found["lqip"].partition(",")
    assert kind == "data:image/webp;base64"
    assert len(data) < 400
    with Image.open(io.BytesIO(base64.b64decode(data))) as tiny:
        assert (tiny.size, tiny.format) == ((16, 10), "WEBP")


def test_a_picture_that_is_upright_by_its_exif_has_an_upright_placeholder(app: Flask, static: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient((60, 40)).save(static / "a.jpg", exif=exif)
    with app.app_context():
        text = resized_img_placeholder("a.jpg", "thumbhash")
        assert text is not None
    assert thash.thumb_hash_to_approximate_aspect_ratio(list(base64.b64decode(text))) < 1


def test_what_is_no_picture_has_none(app: Flask, static: Path, caplog: Any) -> None:
    (static / "a.jpg").write_text("no picture")
    with app.app_context():
        assert [resized_img_placeholder("a.jpg", kind) for kind in placeholders.KINDS] == [None] * 4
    assert len(caplog.records) == 4
    assert os.listdir(static) == ["a.jpg"]
