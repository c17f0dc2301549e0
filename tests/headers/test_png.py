"""PNG headers: alpha by colour type or tRNS, EXIF before the pixels alone, and bombs are refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from flask_images_vips.errors import LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers import png
from flask_images_vips.headers.header import FileHeader
from headers.containers import exif, png_of
from headers.drawn import read

PIXELS = (b"IDAT", zlib.compress(bytes(9999)))
RAW_PROFILE = b"Raw profile type exif\0\0" + zlib.compress(
    b"\nexif\n%8d\n" % len(b"Exif\0\0" + exif(6)) + (b"Exif\0\0" + exif(6)).hex().encode() + b"\n"
)


def ihdr(width: int = 40, height: int = 30, depth: int = 8, colour: int = 2, *more: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, *(*more, 0, 0, 0)[:3])


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.png"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize(("colour", "alpha"), [(0, False), (2, False), (4, True), (6, True)])
@pytest.mark.parametrize("clear", [False, True])
def test_alpha_is_a_channel_or_a_transparent_colour(colour: int, alpha: bool, clear: bool, tmp_path: Path) -> None:
    chunks = [(b"tRNS", b"\0\1" * 3), PIXELS] if clear else [PIXELS]
    expected = FileHeader(Size(40, 30), "png", alpha=alpha or clear)
    assert header_of(png_of(ihdr(colour=colour), *chunks), tmp_path) == expected


def test_an_interlaced_one_is_decoded_as_a_whole(tmp_path: Path) -> None:
    header = header_of(png_of(ihdr(40, 30, 8, 2, 0, 0, 1), PIXELS), tmp_path)
    assert header == FileHeader(Size(40, 30), "png", whole=True)


@pytest.mark.parametrize(
    ("chunks", "orientation"),
    [
        ([(b"eXIf", exif(6)), PIXELS], 6),
        ([(b"eXIf", exif(6, ">")), (b"eXIf", exif(3)), PIXELS], 6),
        ([(b"tEXt", b"x" * 90_000), (b"eXIf", exif(8)), PIXELS], 8),
        ([PIXELS, (b"eXIf", exif(6))], 1),
        ([(b"zTXt", RAW_PROFILE), PIXELS], 1),
        ([(b"eXIf", b""), PIXELS], 1),
    ],
)
def test_the_orientation_is_that_of_exif_before_the_pixels(
    chunks: list[tuple[bytes, bytes]], orientation: int, tmp_path: Path
) -> None:
    header = header_of(png_of(ihdr(), *chunks), tmp_path)
    assert header is not None
    assert header.orientation == orientation


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png_of(ihdr(width=0), PIXELS), "size"),
        (png_of(ihdr(width=2**31), PIXELS), "size"),
        (png_of(ihdr(depth=3), PIXELS), "depth"),
        (png_of(ihdr(colour=5), PIXELS), "depth"),
        (png_of(ihdr()), "without pixels"),
        (png_of(ihdr(), (b"t\0xt", b""), PIXELS), "broken chunk"),
        (png_of(ihdr(), PIXELS)[:33], "ends within its header"),
        (png_of(ihdr(), PIXELS)[:20], "ends within its header"),
        (png_of(ihdr(), (b"tEXt", b"x" * 99))[:60], "ends within its header"),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(data, tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        png_of(ihdr(), PIXELS).replace(b"IHDR", b"CgBI"),
        png_of(ihdr(40, 30, 8, 2, 1), PIXELS),
        png_of(ihdr(40, 30, 8, 2, 0, 0, 2), PIXELS),
    ],
)
def test_rare_kinds_are_left_to_the_engines(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) is None


def test_a_bomb_of_chunks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="chunks"):
        header_of(png_of(ihdr(), *[(b"tEXt", b"a\0b")] * 100_000, PIXELS), tmp_path)


@pytest.mark.parametrize(
    ("name", "start", "refused"),
    [
        (b"zTXt", b"a\0\0", True),
        (b"iTXt", b"a\0\1\0\0\0", True),
        (b"iTXt", b"a\0\0\0\0\0", False),
        (b"tEXt", b"a\0", False),
    ],
)
def test_much_compressed_text_is_refused(name: bytes, start: bytes, refused: bool, tmp_path: Path) -> None:
    text = (name, start + bytes(200_000))
    assert header_of(png_of(ihdr(), *[text] * 5, PIXELS), tmp_path) == FileHeader(Size(40, 30), "png")
    many = png_of(ihdr(), *[text] * 6, PIXELS)
    if refused:
        with pytest.raises(LimitExceeded, match="compressed bytes"):
            header_of(many, tmp_path)
    else:
        assert header_of(many, tmp_path)


GOOD = png_of(ihdr(), (b"tEXt", b"a"), PIXELS)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (GOOD, None),
        (GOOD + b"behind", None),
        (b"GIF89a" + GOOD[6:], None),
        (GOOD[:18] + b"x" + GOOD[19:], "the checksum of its chunk IHDR at byte 8 is wrong"),
        (GOOD.replace(b"tEXta", b"tEXtb"), "the checksum of its chunk tEXt at byte 33 is wrong"),
        (GOOD[:60], "the file ends within its chunk IDAT at byte 46"),
        (GOOD[:33], "the file ends before its last chunk"),
        (GOOD[:37] + b"\0\0" + GOOD[39:], "there is no chunk at byte 33"),
    ],
)
def test_a_fault_of_its_chunks_is_named(data: bytes, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with (tmp_path / "a.png").open("rb") as file:
        assert png.fault(file.fileno()) == fault
