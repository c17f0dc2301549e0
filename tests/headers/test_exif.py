"""The orientation of EXIF is found in either byte order, and broken EXIF states none."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.headers.bounded import BoundedFile
from flask_images_vips.headers.exif import orientation
from headers.containers import exif


def stated(data: bytes, folder: Path, *, before: int = 0, behind: int = 0) -> int:
    path = folder / "exif"
    path.write_bytes(bytes(before) + data + bytes(behind))
    with path.open("rb") as file:
        return orientation(BoundedFile(file.fileno(), "a"), before, before + len(data))


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize(
    "how", [{}, {"order": ">"}, {"kind": 4}, {"kind": 4, "order": ">"}, {"gap": 5000}, {"before": 100}]
)
def test_it_is_found(number: int, how: dict[str, Any], tmp_path: Path) -> None:
    assert stated(exif(number, **how), tmp_path, before=77, behind=9) == number


@pytest.mark.parametrize("number", [0, 9, 255, 65_535])
def test_an_impossible_orientation_is_none(number: int, tmp_path: Path) -> None:
    assert stated(exif(number), tmp_path) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"JJ*\0\x08\0\0\0\0\0",
        b"II*\0\xff\xff\xff\xff" + bytes(20),
        exif(6)[:-8],
        exif(6).replace(struct.pack("<HHI", 0x0112, 3, 1), struct.pack("<HHI", 0x0112, 3, 9)),
        exif(6).replace(struct.pack("<HHI", 0x0112, 3, 1), struct.pack("<HHI", 0x0112, 2, 1)),
        exif(6).replace(struct.pack("<HHI", 0x0112, 3, 1), struct.pack("<HHI", 0x0113, 3, 1)),
    ],
)
def test_broken_data_states_none(data: bytes, tmp_path: Path) -> None:
    assert stated(data, tmp_path) == 1


def test_nothing_behind_its_end_is_read(tmp_path: Path) -> None:
    data = exif(6)
    for length in range(len(data) - 6):
        path = tmp_path / "exif"
        path.write_bytes(data)
        with path.open("rb") as file:
            assert orientation(BoundedFile(file.fileno(), "a"), 0, length) == 1


def test_any_bytes_are_an_orientation(tmp_path: Path) -> None:
    chance = random.Random(4)
    for _ in range(300):
        data = bytearray(exif(6, chance.choice("<>")))
        for _ in range(3):
            data[chance.randrange(4, len(data))] = chance.randrange(256)
        assert 1 <= stated(bytes(data), tmp_path) <= 8
