"""A JPEG in JPEG XL: its pixels, and nothing else of it."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PHOTOGRAPHS, gradient, needs, url_of
from engines.test_colour import display_p3_profile, srgb_profile
from flask import Flask
from headers.containers import segment, with_segments
from headers.test_jxl import needs_codec
from PIL import Image

from flask_images_vips.engines import jxl
from flask_images_vips.geometry import Size
from flask_images_vips.rendering.wrapped_jpeg import plain_jpeg, wrapped_jpeg

EXIFTOOL = shutil.which("exiftool")
SECRET = b"51.5007N 0.1246W"


def jpeg(image: Image.Image | None = None, **settings: object) -> bytes:
    file = io.BytesIO()
    (image or gradient((64, 48))).save(file, "JPEG", **{"quality": 90, **settings})
    return file.getvalue()


def with_secrets(data: bytes) -> bytes:
    """*data* with all kinds of metadata, and with a second picture behind its end."""
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    tags.get_ifd(0x8825)[29] = SECRET.decode()
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + SECRET + b"</x:xmpmeta>"
    segments = [
        segment(0xE1, tags.tobytes()),
        segment(0xE1, xmp),
        segment(0xEC, b"Ducky" + SECRET),
        segment(0xED, b"Photoshop 3.0\0" + SECRET),
        segment(0xEB, SECRET),
        segment(0xFE, SECRET),
    ]
    return with_segments(data, *segments) + jpeg() + SECRET


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_a_plain_jpeg_has_the_same_pixels_and_no_metadata(mode: str, settings: dict[str, object]) -> None:
    image = gradient((64, 48)).convert(mode)
    whole = with_secrets(jpeg(image, **settings))
    plain = plain_jpeg(whole)
    assert plain is not None
    assert SECRET not in plain
    assert (pixels(plain) == pixels(whole)).all()
    assert plain_jpeg(plain) == plain


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="another format"),
        pytest.param(jpeg()[:-200], id="cut short"),
        pytest.param(jpeg()[:300], id="cut within its header"),
        pytest.param(jpeg(gradient((64, 48)).convert("CMYK")), id="inks"),
        pytest.param(jpeg(icc_profile=display_p3_profile()), id="a wide gamut"),
        pytest.param(with_segments(jpeg(), segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")), id="not YCbCr"),
        pytest.param(jpeg().replace(b"\xff\xc0", b"\xff\xc9"), id="arithmetic coding"),
        pytest.param(jpeg().replace(b"\xff\xda", b"\xff\xe3"), id="no scan"),
    ],
)
def test_rare_and_broken_files_are_not_wrapped(data: bytes) -> None:
    assert plain_jpeg(data) is None


def test_a_profile_that_means_srgb_is_dropped() -> None:
    plain = plain_jpeg(jpeg(icc_profile=srgb_profile()))
    assert plain is not None
    assert b"ICC_PROFILE" not in plain


def test_any_bytes_are_refused_or_reduced() -> None:
    chance, whole = random.Random(4), with_secrets(jpeg())
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        plain = plain_jpeg(bytes(data))
        assert plain is None or (plain.startswith(b"\xff\xd8") and plain.endswith(b"\xff\xd9"))


@needs_codec
def test_a_wrapped_jpeg_is_smaller_and_shows_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    whole = (PHOTOGRAPHS / "cat.jpg").read_bytes()
    path.write_bytes(with_secrets(whole))
    with path.open("rb") as file:
        made = wrapped_jpeg(file.fileno(), Size(451, 300), upright=True, beyond=len(whole))
        assert wrapped_jpeg(file.fileno(), Size(451, 300), upright=True, beyond=len(whole) // 2) is None
        assert wrapped_jpeg(file.fileno(), Size(450, 300), upright=True, beyond=len(whole)) is None
    assert made is not None
    assert len(made) < 0.9 * len(whole)
    found = jxl.decoded(made)
    shown = np.frombuffer(found.data, np.uint8).reshape(300, 451, 3).astype(int)
    assert np.abs(shown - pixels(whole)).mean() < 1  # decoders round differently


@needs_codec
def test_a_picture_that_must_be_turned_is_not_wrapped(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=tags))
    with (tmp_path / "a.jpg").open("rb") as file:
        assert wrapped_jpeg(file.fileno(), Size(64, 48), upright=True, beyond=10**6) is None
        assert wrapped_jpeg(file.fileno(), Size(64, 48), upright=False, beyond=10**6) is not None


@needs_codec
@pytest.mark.parametrize(
    ("options", "is_wrapped"),
    [
        ({"quality": 98}, True),
        ({"lossless": True}, True),
        ({"quality": 40}, False),
        ({"quality": 98, "width": 300}, False),
        ({"quality": 98, "blur": 2}, False),
        ({"quality": 98, "flip": "horizontal"}, False),
    ],
)
def test_a_source_is_wrapped_where_that_is_smaller_than_encoding_it(
    options: dict[str, object], is_wrapped: bool, make_app: Callable[..., Flask], static: Path
) -> None:
    (static / "a.jpg").write_bytes(with_secrets((PHOTOGRAPHS / "cat.jpg").read_bytes()))
    app = make_app(IMAGES_ENGINE="auto")
    answer = app.test_client().get(url_of(app, "a.jpg", format="jxl", **options))
    assert (answer.status_code, answer.mimetype) == (200, "image/jxl")
    with (static / "a.jpg").open("rb") as file:
        wrapped = wrapped_jpeg(file.fileno(), Size(451, 300), upright=True, beyond=10**6)
    assert (answer.data == wrapped) == is_wrapped


@needs_codec
def test_nothing_of_the_metadata_comes_along(tmp_path: Path) -> None:
    needs("exiftool", EXIFTOOL, "apt-get install libimage-exiftool-perl")
    path = tmp_path / "a.jpg"
    path.write_bytes(with_secrets((PHOTOGRAPHS / "cat.jpg").read_bytes()))
    with path.open("rb") as file:
        made = wrapped_jpeg(file.fileno(), Size(451, 300), upright=True, beyond=10**6)
    assert made is not None
    (tmp_path / "a.jxl").write_bytes(made)

    def said(name: str) -> str:
        command = [str(EXIFTOOL), "-a", "-G1", "-ee", "-api", "RequestAll=3", str(tmp_path / name)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert SECRET.decode() in said("a.jpg")
    groups = {line.partition("]")[0].strip("[ ") for line in said("a.jxl").splitlines()}
    assert groups <= {"ExifTool", "System", "File", "Composite"}
    assert SECRET not in made
    assert struct.unpack("2B", made[:2]) == (0xFF, 0x0A)  # without a container, there is no place for more
