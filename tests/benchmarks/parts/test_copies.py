"""Copies, sets and efforts are measured on whole answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import only_in_long_runs

from bench import workload
from bench.contenders import BARE, FULL
from bench.parts import copies
from bench.workload import Picture

LARGE = Picture("a picture with copies", "large.jpg", (3000, 2000), "earth.jpg", grain=0, save=(("quality", 60),))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("skimage")
    monkeypatch.setattr(copies, "WIDTHS", (320, 480))
    workload.copy_into(tmp_path / "static", LARGE, [LARGE.file])
    return tmp_path


@only_in_long_runs
def test_later_renditions_come_from_the_copies(folder: Path) -> None:
    rows = copies.later(folder, LARGE, rounds=1)
    assert [row["width"] for row in rows] == [400, 800, 1200, 1600]
    for row in rows:
        assert row["cpu_ms"].keys() == {copies.SOURCE, copies.TIFF, copies.JPEG, FULL}
        assert min(row["ssim"].values()) > 0.9
        assert row["ssim"][copies.TIFF] != row["ssim"][copies.SOURCE]


def test_first_renditions_are_new_and_sets_are_offered(folder: Path) -> None:
    first, sets = copies.first(folder, LARGE, rounds=1), copies.sets(folder, LARGE, rounds=1)
    assert all(row["cpu_ms"].keys() == {"this package", BARE} for row in first)
    assert not any(row["copies"] for row in first)  # the second rendition makes them
    assert [row["format"] for row in sets] == ["jpeg", "webp", "avif"]
    efforts = copies.efforts(folder / "static" / LARGE.file, 1, (200,))
    assert {row["format"]: min(row["bytes"].values()) > 0 for row in efforts} == dict.fromkeys(
        ("jpeg", "webp", "avif", "png"), True
    )
    data = {"rounds": 1, "later": [], "first": first, "sets": sets, "efforts": efforts}
    assert [len(table.rows) for table in copies.tables(data)] == [0, 3, 3, 13]
