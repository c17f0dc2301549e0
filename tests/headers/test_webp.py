"""WebP headers: three kinds of images, the flags of the extended format, and bombs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.header import FileHeader
from headers.containers import exif, saved, webp, webp_chunk, webp_header
from headers.drawn import differences, picture, read

LOSSY = saved(picture("RGB", (40, 30)), "WEBP")[12:]
LOSSLESS = saved(picture("RGB", (40, 30)), "WEBP", lossless=True)[12:]
CLEAR = saved(picture("RGBA", (40, 30)), "WEBP", lossless=True)[12:]
MOVING = saved(picture("RGB", (40, 30)), "WEBP", save_all=True, append_images=[picture("RGB", (40, 30)).rotate(180)])
EXIF = webp_chunk(b"EXIF", exif(6))


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.webp"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (webp(LOSSY), False),
        (webp(LOSSLESS), False),
        (webp(CLEAR), True),
        (webp(webp_header(0, 40, 30), LOSSY), False),
        (webp(webp_header(0x10, 40, 30), CLEAR), True),
        (webp(LOSSY) + b"more", False),
    ],
)
def test_a_still_image_has_a_size_and_alpha(data: bytes, alpha: bool, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) == FileHeader(Size(40, 30), "webp", alpha=alpha)
    assert differences(tmp_path / "a.webp") == {}


@pytest.mark.parametrize(
    ("chunks", "orientation"),
    [
        ([webp_header(8, 40, 30), LOSSY, EXIF], 6),
        ([webp_header(8, 40, 30), EXIF, LOSSY], 6),
        ([webp_header(8, 40, 30), LOSSY, webp_chunk(b"EXIF", b"Exif\0\0" + exif(6))], 6),
        ([webp_header(8, 40, 30), LOSSY, EXIF, webp_chunk(b"EXIF", exif(3))], 6),
        ([webp_header(0, 40, 30), LOSSY, EXIF], 1),
        ([webp_header(8, 40, 30), LOSSY], 1),
        ([webp_header(0x28, 40, 30), webp_chunk(b"ICCP", bytes(90_001)), LOSSY, EXIF], 6),
        ([LOSSY, EXIF], 1),
    ],
)
def test_exif_counts_where_a_flag_announces_it(chunks: list[bytes], orientation: int, tmp_path: Path) -> None:
    header = header_of(webp(*chunks), tmp_path)
    assert header is not None
    assert header.orientation == orientation
    assert differences(tmp_path / "a.webp") == {}


def test_the_frames_of_an_animation_are_counted(tmp_path: Path) -> None:
    assert header_of(MOVING, tmp_path) == FileHeader(Size(40, 30), "webp", frames=2)


def _animation(frames: int, *more: bytes, flags: int = 2) -> bytes:
    at = MOVING.index(b"ANMF")
    frame = MOVING[at : at + 8 + int.from_bytes(MOVING[at + 4 : at + 8], "little")]
    return webp(webp_header(flags, 40, 30), webp_chunk(b"ANIM", bytes(6)), *[frame] * frames, *more)


def test_the_frames_of_a_long_animation_are_not_known(tmp_path: Path) -> None:
    header = header_of(_animation(300), tmp_path)
    assert header is not None
    assert header.frames == 300
    assert header_of(_animation(5000), tmp_path) == FileHeader(Size(40, 30), "webp", frames=None)
    assert header_of(_animation(5000, EXIF, flags=10), tmp_path) is None


def test_a_broken_chunk_behind_a_frame_is_left_to_the_engines(tmp_path: Path) -> None:
    assert header_of(_animation(2, b"junk\xff\xff\xff\xff"), tmp_path) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (webp(LOSSY)[:-10], "cut short"),
        (webp(webp_header(0, 40, 31), LOSSY), "does not fit"),
        (webp(webp_header(2, 40, 30), LOSSY), "does not fit"),
        (_animation(1, flags=0), "does not fit"),
        (webp(webp_chunk(b"VP8X", bytes(8)), LOSSY), "broken header"),
        (webp(b"ABCD" + LOSSY[4:]), "without an image"),
        (webp(LOSSY[:8] + b"\x01" + LOSSY[9:]), "broken one"),
        (webp(LOSSLESS[:8] + b"\x2e" + LOSSLESS[9:]), "broken one"),
        (webp(LOSSY[:4] + b"\xff\xff\xff\xff" + LOSSY[8:]), "broken chunk"),
        (webp(webp_chunk(b"VP8X", bytes(4) + b"\xff" * 6), LOSSY), "does not fit"),
        (b"RIFF\4\0\0\0WEBP", "ends within its header"),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(data, tmp_path)
