"""What Pillow is told to write."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import gradient
from PIL import Image

from engines.test_colour import display_p3_profile
from engines.test_engine import decoded
from flask_images_vips.engines.encoder_settings import formats_of
from flask_images_vips.engines.engine import Spec
from flask_images_vips.engines.pillow.writer import encode, metadata_of, movement_of
from flask_images_vips.formats import FORMATS, by_name
from flask_images_vips.geometry import Geometry, Size
from flask_images_vips.options.options import Options

SIDES = Size(40, 30)

NAMES = formats_of("pillow")


def spec(format: str, profile: bytes | None = None, **options: Any) -> Spec:
    return Spec(Options(**options), by_name(format), Geometry(SIDES, SIDES), profile=profile)


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    return encode([picture], spec(format, **options), "balanced", {}, iter)


def test_every_format_is_written() -> None:
    assert set(NAMES) == {format.name for format in FORMATS}


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("format", NAMES)
def test_each_format_is_written_in_a_mode_that_it_has(format: str, mode: str) -> None:
    if not by_name(format).alpha:
        mode = mode.removesuffix("A")  # by the step `flatten`
    made = decoded(encoded(gradient(SIDES).convert(mode), format))
    assert (made.format, made.size) == (format.upper(), SIDES)


def test_what_a_picture_carries_is_not_written() -> None:
    picture = gradient(SIDES)
    for format in NAMES:
        picture.info = {"icc_profile": display_p3_profile(), "comment": b"secret", "exif": b"Exif\0\0secret"}
        data = encoded(picture, format)
        assert b"secret" not in data, format
        assert "icc_profile" not in decoded(data).info, format


def test_a_profile_is_among_the_metadata_where_it_is_kept() -> None:
    with open(os.devnull, "rb") as file:
        assert metadata_of(Image.new("L", SIDES), file.fileno(), spec("png")) == {}
        kept = metadata_of(Image.new("L", SIDES), file.fileno(), spec("png", b"a profile"))
    assert kept == {"icc_profile": b"a profile"}


@pytest.mark.parametrize(
    ("source", "loop", "format", "expected"),
    [
        ("gif", None, "gif", None),
        ("gif", None, "webp", 1),
        ("gif", 0, "gif", 0),
        ("gif", 0, "webp", 0),
        ("gif", 2, "gif", 2),
        ("gif", 2, "webp", 3),
        ("webp", 3, "gif", 2),
        ("webp", 3, "webp", 3),
        ("webp", 0, "gif", 0),
    ],
)
def test_an_animation_is_played_as_often(
    source: str, loop: int | None, format: str, expected: int | None, tmp_path: Path
) -> None:
    frames = [Image.new("RGB", SIDES, colour) for colour in ("red", "blue")]
    save = {} if loop is None else {"loop": loop}
    frames[0].save(tmp_path / f"a.{source}", save_all=True, append_images=frames[1:], **save)
    with Image.open(tmp_path / f"a.{source}") as image:
        movement = movement_of(image, frames, [70, 80], by_name(format))
    assert movement.get("loop") == expected
    assert movement["duration"] == [70, 80]
    assert "disposal" not in movement


def test_frames_get_one_mode_and_come_through_the_clock() -> None:
    asked = []

    def timely(frames: Any) -> Any:
        for frame in frames:
            asked.append(frame.mode)
            yield frame

    frames = [gradient(SIDES).convert("L"), gradient(SIDES).convert("RGBA")]
    movement = movement_of(Image.new("RGB", SIDES), frames, [50, 50], by_name("webp"))
    data = encode(frames, spec("webp"), "balanced", movement, timely)
    assert decoded(data).n_frames == 2  # type: ignore[attr-defined]
    assert asked == ["RGBA"]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_strip_of_noise_becomes_a_jpeg(progressive: bool) -> None:
    sides = Size(2000, 33)
    noise = Image.frombytes("RGB", sides, random.Random(1).randbytes(3 * sides.pixels))
    for quality in (85, 89, 94):
        options = Options(quality=quality, progressive=progressive)
        wanted = Spec(options, by_name("jpeg"), Geometry(sides, sides))
        for effort in ("fast", "balanced", "small"):
            assert decoded(encode([noise], wanted, effort, {}, iter)).size == sides
