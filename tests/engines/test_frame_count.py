"""Files are judged by their outline: too many frames are refused, and GIFs that end within a frame."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from engines.test_animation import CANVAS, composed, gif, render, scattered, shown
from engines.test_engine import psnr
from flask_images_vips.engines.engine import Engine
from flask_images_vips.engines.frame_count import MAX_FRAMES, check_frames
from flask_images_vips.engines.gif_frames import check_gif
from flask_images_vips.errors import LimitExceeded, UnreadableSource


def test_a_gif_that_ends_within_a_frame_is_unreadable(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    parts = scattered(1, (1, 2))
    whole = gif(CANVAS, parts)
    refused = 0
    for length in range(len(whole) // 3, len(whole), 31):
        path.write_bytes(whole[:length])
        try:
            made = shown(render(engine, path, format="webp", lossless=True))
        except UnreadableSource:
            refused += 1
            continue
        for frame, reference in zip(made.frames, composed(CANVAS, parts), strict=False):
            assert psnr(frame, reference) == 99
    assert refused > 50


@pytest.mark.parametrize("end", [b"", b";", b";\0\0", b"\0\0;", b"; and more"])
def test_what_follows_the_last_frame_of_a_gif_does_not_matter(engine: Engine, end: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif(CANVAS, scattered(1, (1, 2)))[:-1] + end)
    assert len(shown(render(engine, tmp_path / "a.gif", width=20)).frames) == 8


# Counts


def _checked(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with path.open("rb") as file:
        check_frames(file.fileno())


def webp_of_chunks(chunks: int) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + b"ANMF\x01\0\0\0x\0" * chunks


def _gif(frames: int) -> bytes:
    return b"GIF89a" + bytes(7) + (b"\x2c" + bytes(11)) * frames + b";"


def _tiff(pages: int, order: str = "<", *, big: bool = False) -> bytes:
    start = {"<": b"II", ">": b"MM"}[order]
    if big:
        page = struct.calcsize("=QQ")
        data = start + struct.pack(order + "HHHQ", 43, 8, 0, 16)
        return data + b"".join(
            struct.pack(order + "QQ", 0, 16 + page * (number + 1) if number + 1 < pages else 0)
            for number in range(pages)
        )
    data = start + struct.pack(order + "HI", 42, 8)
    return data + b"".join(
        struct.pack(order + "HI", 0, 8 + 6 * (number + 1) if number + 1 < pages else 0) for number in range(pages)
    )


@pytest.mark.parametrize(
    "make",
    [
        *(webp_of_chunks, _gif, _tiff, partial(_tiff, order=">")),
        *(partial(_tiff, big=True), partial(_tiff, order=">", big=True)),
    ],
)
def test_frames_and_pages_are_counted_to_the_limit(make: Callable[[int], bytes], tmp_path: Path) -> None:
    _checked(make(MAX_FRAMES), tmp_path / "a")
    with pytest.raises(LimitExceeded, match=r"seems to have 10,001 or more frames.*; the limit is 10,000"):
        _checked(make(MAX_FRAMES + 1), tmp_path / "a")


def test_a_chain_of_pages_that_forms_a_loop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="frames, pages or chunks"):
        _checked(b"II*\0" + struct.pack("<IHI", 8, 0, 8), tmp_path / "a")


@pytest.mark.parametrize("data", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\xff\xd8"])
def test_what_is_cut_short_is_left_to_the_library(data: bytes, tmp_path: Path) -> None:
    _checked(data, tmp_path / "a")


def test_a_gif_with_something_else_between_its_frames_is_unreadable(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    data = (tmp_path / "a.gif").read_bytes()
    with (tmp_path / "a.gif").open("rb") as file:
        check_gif(file.fileno(), "a.gif", 2)
    (tmp_path / "a.gif").write_bytes(data[:-1] + b"?" + bytes(9))
    with (tmp_path / "a.gif").open("rb") as file:
        check_gif(file.fileno(), "a.gif", 2)
        with pytest.raises(UnreadableSource, match=f"unknown block at byte {len(data) - 1}"):
            check_gif(file.fileno(), "a.gif", 3)
