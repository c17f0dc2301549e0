"""JPEGs keep their own pixels, and are refused if some are missing, whatever their sampling."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask
from headers.containers import exif as exif_block
from headers.containers import segment, with_segments
from headers.jpegs import KINDS, jpeg, without
from PIL import Image

from flask_images_vips.errors import UploadRefused
from uploads.conftest import Door

ENGINES = ["auto", "pillow"]


@pytest.fixture(params=ENGINES)
def either(request: pytest.FixtureRequest, make_app: Callable[..., Flask], static: Path) -> Door:
    return Door(make_app(IMAGES_UPLOADS="static/uploads", IMAGES_ENGINE=request.param), static / "uploads")


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.tobytes()


def test_jpegs_of_each_sampling_keep_their_own_pixels(either: Door) -> None:
    for kind in KINDS:
        data = jpeg(kind)
        accepted = either.accept(data)
        assert accepted.facts.encoded is ("cmyk" in kind), kind
        assert accepted.facts.encoded or pixels(either.stored(accepted)) == pixels(data), kind


def test_without_strip_jpegs_of_each_sampling_keep_their_metadata(door: Door) -> None:
    exif = b"Exif\0\0" + exif_block(1)
    for kind in KINDS:
        if "cmyk" not in kind:
            data = with_segments(jpeg(kind), segment(0xE1, exif))
            assert exif in door.stored(door.accept(data, strip=False)), kind


def test_jpegs_of_each_sampling_that_lack_pixels_are_refused(either: Door) -> None:
    for kind in KINDS:
        for count in (2, 400):
            with pytest.raises(UploadRefused) as caught:
                either.accept(without(jpeg(kind), count))
            assert caught.value.reason == "damaged", kind
    assert either.files == []


def test_other_data_in_the_last_scan_is_not_stored(either: Door) -> None:
    for kind in KINDS:
        data = jpeg(kind)
        with suppress(UploadRefused):  # libvips sees such data in progressive JPEGs
            accepted = either.accept(data[:-2] + b"a page behind the pixels" * 9 + data[-2:])
            assert accepted.facts.encoded, kind
            assert b"behind" not in either.stored(accepted), kind
    assert len(either.files) >= len(KINDS) * 2 // 3
