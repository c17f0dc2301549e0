"""JPEG headers: segments are skipped, only the first EXIF counts, and bombs are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from flask_images_vips.errors import LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.header import FileHeader
from headers.containers import exif, saved, segment, with_segments
from headers.drawn import differences, picture, read

JPEG = saved(picture("RGB", (40, 30)), "JPEG")
FRAME = JPEG.index(b"\xff\xc0")
SCAN = JPEG.index(b"\xff\xda")


def exif_segment(orientation: int, prefix: bytes = b"Exif\0\0") -> bytes:
    return segment(0xE1, prefix + exif(orientation))


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.jpg"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize(
    "data",
    [
        with_segments(JPEG, exif_segment(6), exif_segment(1)),
        with_segments(JPEG, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"), exif_segment(6)),
        with_segments(JPEG, *[segment(0xE2, bytes(65_000))] * 200, exif_segment(6)),
        with_segments(JPEG, b"\xff\xff\xff", exif_segment(6)),
        with_segments(JPEG, b"\xff" * 5001, exif_segment(6)),
        with_segments(JPEG, b"\xff\0" + b"\xff\xff\0", exif_segment(6)),
        with_segments(JPEG, segment(0xFE, b""), b"junk" + bytes(9000), exif_segment(6)),
        with_segments(JPEG, b"\xff\xd0", exif_segment(6)),
        with_segments(JPEG, b"\xff\xfe\0\0", exif_segment(6)),
        JPEG[:SCAN] + exif_segment(6) + JPEG[SCAN:],
    ],
)
def test_the_orientation_is_found_wherever_libvips_finds_it(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) == FileHeader(Size(30, 40), "jpeg", 6)
    assert differences(tmp_path / "a.jpg") == {}


@pytest.mark.parametrize(
    "extra",
    [
        exif_segment(6, b"Exif\0\1"),
        segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'),
        exif_segment(1) + exif_segment(6),
        segment(0xE1, b"Exif"),
    ],
)
def test_nothing_but_the_first_exif_is_an_orientation(extra: bytes, tmp_path: Path) -> None:
    header = header_of(with_segments(JPEG, extra), tmp_path)
    assert header is not None
    assert header.orientation == 1


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC9, 0xCA])
def test_every_kind_that_decoders_read_has_a_size(marker: int, tmp_path: Path) -> None:
    data = JPEG[: FRAME + 1] + bytes([marker]) + JPEG[FRAME + 2 :]
    assert header_of(data, tmp_path) == FileHeader(Size(40, 30), "jpeg")


@pytest.mark.parametrize(
    "data",
    [
        JPEG[: FRAME + 1] + b"\xc3" + JPEG[FRAME + 2 :],  # lossless
        JPEG[: FRAME + 4] + b"\x0c" + JPEG[FRAME + 5 :],  # 12 bits
        with_segments(JPEG, b"\xff\0" * 1000),
    ],
)
def test_rare_kinds_are_left_to_the_engines(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (JPEG[:FRAME] + JPEG[SCAN:], "without a frame header"),
        (JPEG[:SCAN] + b"\xff\xd9\0\0", "ends before its pixels"),
        (JPEG[:SCAN], "ends within its header"),
        (JPEG[: FRAME + 5] + bytes(2) + JPEG[FRAME + 7 :], "without pixels"),
        (JPEG[: FRAME + 9] + b"\2" + JPEG[FRAME + 10 :], "wrong length"),
        (JPEG[: FRAME + 1] + b"\xc7" + JPEG[FRAME + 2 :], "no decoder"),
        (JPEG[:SCAN] + JPEG[FRAME:], "two frame headers"),
        (b"\xff\xd8\xff", "ends within its header"),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(data, tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 50])
def test_a_bomb_of_segments_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="segments"):
        header_of(with_segments(JPEG, *[segment(0xFE, content)] * 100_000), tmp_path)


def test_a_size_is_read_to_its_limit(tmp_path: Path) -> None:
    data = JPEG[: FRAME + 5] + struct.pack(">HH", 65_500, 1) + JPEG[FRAME + 9 :]
    assert header_of(data, tmp_path) == FileHeader(Size(1, 65_500), "jpeg")


def test_many_segments_with_other_data_between_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="segments"):
        header_of(with_segments(JPEG, (segment(0xFE, b"") + b"x") * 30_000), tmp_path)
