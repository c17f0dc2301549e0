"""JPEGs of very many scans are refused, however their bytes are split into pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_images_vips.errors import LimitExceeded
from flask_images_vips.headers.scans import MAX_SCANS, check_scans
from headers.containers import page, saved, segment, tiff
from headers.drawn import picture

JPEG = saved(picture("RGB", (40, 30)), "JPEG", progressive=True)


def check(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with path.open("rb") as file:
        check_scans(file.fileno())


@pytest.mark.parametrize("components", [1, 2, 3, 4])
@pytest.mark.parametrize("gap", [0, 997, 65_000])
def test_scans_are_counted_in_all_of_the_file(components: int, gap: int, tmp_path: Path) -> None:
    scan = segment(0xDA, bytes([components]) + bytes(2 * components + 3)) + bytes(gap)
    check(b"\xff\xd8" + scan * MAX_SCANS, tmp_path / "a")
    with pytest.raises(LimitExceeded, match="scans"):
        check(b"\xff\xd8" + scan * (MAX_SCANS + 1), tmp_path / "a")


def test_scans_in_tiles_count_by_the_pixels_of_a_tile(tmp_path: Path) -> None:
    scan = segment(0xDA, b"\1\1\0\0\0\0")

    def tiled(side: int, count: int) -> bytes:
        tags = page(8000, 8000, t259=(3, [7]), t322=(4, [side]), t323=(4, [side]), t324=(4, [9]), t273=None)
        return tiff(tags, following=scan * count)

    check(tiled(1024, 2000), tmp_path / "a")
    check(tiled(8000, MAX_SCANS), tmp_path / "a")
    with pytest.raises(LimitExceeded, match="scans"):
        check(tiled(8000, MAX_SCANS + 1), tmp_path / "a")


def test_other_files_pass(tmp_path: Path) -> None:
    scan = segment(0xDA, b"\1\1\0\0\0\0")
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff", JPEG, JPEG + b"\xff\xda\0\0" * 1000, b"GIF89a" + scan * 1000):
        check(data, tmp_path / "a")


@pytest.mark.parametrize("at", range(-6, 6))
def test_a_scan_on_the_border_of_two_pieces_counts_once(at: int, tmp_path: Path) -> None:
    scan = segment(0xDA, b"\1\1\0\0\0\0")
    data = (b"\xff\xd8" + scan * MAX_SCANS).ljust((1 << 20) + at, b"\0")
    check(data, tmp_path / "a")
    check(data.replace(scan, bytes(len(scan)), 1) + scan, tmp_path / "a")
    with pytest.raises(LimitExceeded):
        check(data + scan, tmp_path / "a")
