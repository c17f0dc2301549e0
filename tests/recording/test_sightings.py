"""What nginx serves by itself is counted by the times at which it read the files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from flask_images_vips.recording.counts import Asked, Counts
from flask_images_vips.recording.journal import Journal
from flask_images_vips.recording.sightings import count_sightings, journal_of
from flask_images_vips.rendition import source_folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = source_folder("a.png")
    path = tmp_path / folder[:2] / folder / "0-1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a picture")
    return path


def counts_of_file() -> Counts:
    counts = Counts()
    counts.ask("a.png", "w=50", "png", Asked(1, "0-1.png"))
    counts.ask("a.png", "w=60", "png", Asked(1, "gone.png"))
    counts.ask("a.png", "w=70", "png", Asked(1))
    return counts


def read(file: Path, after: float = 10) -> None:
    """As if *file* was read so many seconds from now."""
    os.utime(file, (time.time() + after, 1_700_000_000))


def counted(counts: Counts) -> list[float]:
    return [asked.count for asked in counts.sources["a.png"].asked.values()]


def test_a_file_that_was_read_since_counts_once_more(file: Path, tmp_path: Path) -> None:
    counts = counts_of_file()
    read(file, -10)  # before it was written: it was not read yet
    count_sightings(str(tmp_path), counts)
    assert counted(counts) == [1, 1, 1]
    read(file)
    count_sightings(str(tmp_path), counts)
    count_sightings(str(tmp_path), counts)
    assert counted(counts) == [2, 1, 1]
    status = file.stat()
    assert status.st_atime_ns < status.st_ctime_ns  # so that relatime sets it at the next reading
    assert status.st_mtime == 1_700_000_000
    read(file, 3600)
    count_sightings(str(tmp_path), counts)
    assert counted(counts) == [3, 1, 1]


def test_files_are_looked_at_when_the_log_is_added_to_the_summary(file: Path, tmp_path: Path) -> None:
    read(file)
    for front_door, count in ((False, 1), (True, 2), (True, 2)):
        journal = journal_of(str(tmp_path), front_door=front_door)
        if not count - 1:
            journal.append(counts_of_file(), time.time())
        journal.compact()
        assert counted(Journal(str(tmp_path)).read())[0] == pytest.approx(count, abs=0.01)
