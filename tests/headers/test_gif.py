"""GIF headers: the frames of small files are counted, and doubtful sizes are left to the engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_images_vips.errors import UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.header import FileHeader
from headers.containers import gif, gif_frame
from headers.drawn import differences, read

FRAME = gif_frame(0, 0, 40, 30)
CLEAR = gif_frame(0, 0, 40, 30, clear=True)


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.gif"
    path.write_bytes(data)
    return read(path)


@pytest.mark.parametrize(
    ("data", "frames", "alpha"),
    [
        (gif(40, 30, FRAME), 1, False),
        (gif(40, 30, FRAME, FRAME, FRAME), 3, False),
        (gif(40, 30, CLEAR, FRAME), 2, True),
        (gif(40, 30, FRAME, FRAME, end=b""), 2, False),
        (gif(40, 30, FRAME, b";", FRAME), 1, False),
        (gif(40, 30, b"\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0", FRAME), 1, False),
        (gif(40, 30, *[FRAME] * 150), 150, False),
    ],
)
def test_the_frames_of_a_small_file_are_counted(data: bytes, frames: int, alpha: bool, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) == FileHeader(Size(40, 30), "gif", frames=frames, alpha=alpha, whole=True)
    assert differences(tmp_path / "a.gif") == {}


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (gif(40, 30, gif_frame(0, 0, 40, 30, blocks=300), FRAME), None),
        (gif(40, 30, gif_frame(0, 0, 40, 30, blocks=300, clear=True), FRAME), True),
        (gif(40, 30, FRAME, FRAME[:-9], end=b""), None),
        (gif(40, 30, FRAME, b"x", FRAME), None),
        (gif(40, 30, FRAME[:-1] + b"\1x\2xx" * 10_000, b"\0"), None),
        (gif(40, 30, FRAME, *[gif_frame(0, 0, 1, 1, blocks=0)] * 1000), None),
    ],
)
def test_what_is_not_read_is_not_known(data: bytes, alpha: bool | None, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) == FileHeader(Size(40, 30), "gif", frames=None, alpha=alpha, whole=True)


def test_transparency_of_any_frame_is_alpha(tmp_path: Path) -> None:
    header = header_of(gif(40, 30, FRAME, CLEAR), tmp_path)
    assert header is not None
    assert header.alpha  # as libvips says


@pytest.mark.parametrize(
    ("screen", "size"), [((20, 20), (40, 30)), ((50, 20), (50, 30)), ((0, 0), (40, 30)), ((640, 480), (640, 480))]
)
def test_a_screen_that_is_too_small_grows_to_its_first_frame(
    screen: tuple[int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    first = gif_frame(0, 0, *size) if screen == size else FRAME
    header = header_of(gif(*screen, first), tmp_path)
    assert header is not None
    assert header.size == size
    assert differences(tmp_path / "a.gif") == {}


@pytest.mark.parametrize("screen", [(640, 480), (1024, 768), (3000, 30), (0, 30)])
def test_a_size_that_decoders_guess_is_left_to_them(screen: tuple[int, int], tmp_path: Path) -> None:
    frame = gif_frame(0, 0, 30, 20)
    assert header_of(gif(*screen, frame), tmp_path) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gif(40, 30), "without a frame"),
        (gif(40, 30, end=b""), "without a frame"),
        (gif(40, 30, FRAME)[:12], "ends within its header"),
        (gif(40, 30, FRAME[:8], end=b""), "before its first frame"),
        (gif(40, 30, FRAME[:-9], end=b""), "within its first frame"),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(data, tmp_path)


def test_a_first_frame_far_behind_is_left_to_the_engines(tmp_path: Path) -> None:
    comment = b"\x21\xfe" + (b"\xff" + b"x" * 255) * 300 + b"\0"
    assert header_of(gif(40, 30, comment, FRAME), tmp_path) is None
