"""The survey of a cache folder: what it counts, and the names that it finds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import fetch
from flask import Flask

from flask_images_vips.operating.survey import FACTS, RENDITIONS, names_of, survey
from flask_images_vips.rendition import source_folder
from flask_images_vips.state import images_of


def test_files_are_counted_by_kind_format_and_source(app: Flask, draw: Any) -> None:
    draw("a.png")
    for width in (10, 20):
        fetch(app, "a.png", width=width)
    fetch(app, "a.png", width=10, format="webp")
    cache = images_of(app).pipeline.cache
    folder = source_folder("a.png")
    before = survey(cache.folder, 10).kinds[FACTS].files
    cache.put_bytes((folder, "header-0.txt"), b"12345", 0)
    store = Path(cache.folder, "copies", folder[:2], folder)
    store.mkdir(parents=True)
    (store / "1-2048").write_bytes(b"1234567")
    found = survey(cache.folder, 10)
    assert {kind: size.files for kind, size in found.kinds.items()} == {
        RENDITIONS: 3,
        "copies": 1,
        "remote sources": 0,
        "store sources": 0,
        FACTS: before + 1,
    }
    assert found.kinds["copies"].size_bytes == 7
    assert {format: size.files for format, size in found.by_format.items()} == {"png": 2, "webp": 1}
    assert {folder: size.files for folder, size in found.by_folder.items()} == {folder: 3}
    files = [path for path in Path(cache.folder).glob(f"{folder[:2]}/*/*") if path.suffix != ".txt"]
    assert found.kinds[RENDITIONS].size_bytes == sum(path.stat().st_size for path in files)
    assert found.size_bytes == sum(size.size_bytes for size in found.kinds.values())


def test_the_oldest_and_the_biggest_are_listed(tmp_path: Path) -> None:
    now = time.time()
    for number in range(1, 5):
        path = tmp_path / "ab" / f"ab0{number}" / "0-1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * number)
        os.utime(path, (now - number * 86_400, now))
    found = survey(str(tmp_path), 2)
    assert [file.folder for file in found.biggest] == ["ab04", "ab03"]
    assert [file.folder for file in found.oldest] == ["ab04", "ab03"]
    assert found.oldest[0].read_at == pytest.approx(now - 4 * 86_400, abs=1)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links and FIFOs")
def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "ab" / "ab01"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "0-1.png")
    (folder / "0-2.png").symlink_to("/etc/passwd")
    (folder / "0-3.png").mkdir()
    (tmp_path / "cd").write_text("no folder")
    assert survey(str(tmp_path), 5).size_bytes == 0


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        survey(str(tmp_path / "nowhere"), 5)


def test_names_are_found_among_the_known_ones_and_the_files(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.png").touch()
    wanted = {source_folder(ref): ref for ref in ("https://example.com/a", "photos/b.png")}
    assert names_of([*wanted, "ab00"], ["https://example.com/a", "c.png"], [str(tmp_path)]) == wanted
    assert names_of(["ab00"], [], [str(tmp_path)]) == {}
