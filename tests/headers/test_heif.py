"""AVIF headers: the properties of the primary image, and nothing that EXIF says."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from conftest import opened
from pool.avif_attackers import avif as grid

from flask_images_vips.errors import LimitExceeded, UnreadableSource
from flask_images_vips.geometry import Size
from flask_images_vips.headers.header import FileHeader
from flask_images_vips.headers.heif import is_cropped
from headers.containers import ALPHA, avif, box, exif
from headers.drawn import coded, differences, read

(EXTENT, CHANNELS, CODEC), PIXELS = coded("RGB", (96, 80))
PLAIN = [EXTENT, CHANNELS, CODEC]
IMAGE: dict[int, Any] = {1: (b"av01", PLAIN, PIXELS)}


def header_of(data: bytes, folder: Path) -> FileHeader | None:
    path = folder / "a.avif"
    path.write_bytes(data)
    return read(path)


def with_properties(*more: bytes) -> bytes:
    return avif({1: (b"av01", [*PLAIN, *more], PIXELS)})


@pytest.mark.parametrize("turn", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_turns_are_part_of_the_format(turn: int | None, mirror: int | None, tmp_path: Path) -> None:
    turns = [] if turn is None else [box(b"irot", bytes([turn]))]
    turns += [] if mirror is None else [box(b"imir", bytes([mirror]))]
    header = header_of(with_properties(*turns), tmp_path)
    assert header is not None
    assert header.size == ((80, 96) if turn in (1, 3) else (96, 80))
    assert read(tmp_path / "a.avif", auto_orient=False) == header
    assert differences(tmp_path / "a.avif") == {}


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirror", range(2))
def test_mirrored_and_then_turned_is_another_orientation(turn: int, mirror: int, tmp_path: Path) -> None:
    first = header_of(with_properties(box(b"imir", bytes([mirror])), box(b"irot", bytes([turn]))), tmp_path)
    other = header_of(with_properties(box(b"irot", bytes([-turn & 3])), box(b"imir", bytes([mirror]))), tmp_path)
    assert first == other


def test_the_orientation_of_exif_is_ignored(tmp_path: Path) -> None:
    tag = {20: (b"Exif", [], struct.pack(">I", 0) + exif(6))}
    header = header_of(avif(IMAGE | tag, [(b"cdsc", 20, [1])]), tmp_path)
    assert header == FileHeader(Size(96, 80), "avif", whole=True)


@pytest.mark.parametrize("meaning", [ALPHA, b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:hevc:2015:auxid:2\0"])
@pytest.mark.parametrize("wide", [False, True])
def test_alpha_is_an_auxiliary_image(meaning: bytes, wide: bool, tmp_path: Path) -> None:
    (_, grey, codec), clear = coded("L", (96, 80))
    mask = {2: (b"av01", [EXTENT, grey, codec, box(b"auxC", meaning, version=0)], clear)}
    header = header_of(avif(IMAGE | mask, [(b"auxl", 2, [1])], wide=wide), tmp_path)
    assert header == FileHeader(Size(96, 80), "avif", alpha=not meaning.endswith(b"2\0"), whole=True)
    assert differences(tmp_path / "a.avif") == {}


@pytest.mark.parametrize(
    "data",
    [
        avif(IMAGE, brand=b"mif1").replace(b"avifmif1miaf", b"heicmif1miaf"),
        avif({1: (b"hvc1", PLAIN, PIXELS)}),
        with_properties(box(b"clap", bytes(32))),
        with_properties(box(b"irot", b"\1"), box(b"irot", b"\2")),
        avif({1: (b"av01", [CHANNELS, CODEC], PIXELS)}),
        avif(IMAGE, extra=box(b"free", bytes(100_000))),
        avif(dict.fromkeys(range(1, 1500), (b"av01", PLAIN, b""))),
        avif(IMAGE).replace(b"pitm", b"pith"),
        avif(IMAGE).replace(b"\0\0\0\x0epitm", b"\0\0\0\7pitm"),
        avif(IMAGE).replace(b"\0\0\0\x0epitm", b"\0\0\xff\x0epitm"),
    ],
)
def test_rare_kinds_are_left_to_the_engines(data: bytes, tmp_path: Path) -> None:
    assert header_of(data, tmp_path) is None


@pytest.mark.parametrize(
    ("part", "cropped"),
    [
        ((48, 1, 40, 1, 0, 1, 0, 1), True),
        ((96, 1, 40, 1, 0, 1, 2, 1), True),
        ((95, 2, 80, 1, 0, 1, 0, 1), True),
        ((96, 1, 80, 1, 0, 1, 0, 1), False),
    ],
)
def test_an_image_of_which_a_part_is_shown_is_cropped(part: tuple[int, ...], cropped: bool, tmp_path: Path) -> None:
    with opened(tmp_path / "a.avif", with_properties(box(b"clap", struct.pack(">8I", *part)))) as descriptor:
        assert is_cropped(descriptor) is cropped
    with opened(tmp_path / "a.avif", with_properties()) as descriptor:
        assert not is_cropped(descriptor)


def test_a_grid_of_256_tiles_is_read(tmp_path: Path) -> None:
    whole = box(b"ispe", struct.pack(">II", 96 * 16, 80 * 16), version=0)
    items: dict[int, Any] = {1: (b"grid", [whole, CHANNELS], struct.pack(">BBBBHH", 0, 0, 15, 15, 96 * 16, 80 * 16))}
    items |= dict.fromkeys(range(2, 258), (b"av01", PLAIN, PIXELS))
    header = header_of(avif(items, [(b"dimg", 1, [*range(2, 258)])]), tmp_path)
    assert header == FileHeader(Size(96 * 16, 80 * 16), "avif", whole=True)
    assert differences(tmp_path / "a.avif") == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (avif(IMAGE)[:200], "ends within its header"),
        (avif(IMAGE).replace(struct.pack(">II", 96, 80), bytes(8)), "without pixels"),
    ],
)
def test_broken_headers_are_unreadable(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match=reason):
        header_of(data, tmp_path)


@pytest.mark.parametrize(("items", "references"), [(5000, 0), (3000, 50)])
def test_very_many_images_or_references_are_refused(items: int, references: int, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="images"):
        header_of(grid(2, items, references), tmp_path)
