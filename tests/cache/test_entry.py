"""An entry can be read by whoever has it, whatever becomes of its file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cache.shared import (
    DATA,
    KEY,
    MTIME_NS,
    fails,
    made,
    posix,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Entry, unstored


def test_an_entry_may_be_read_twice(cache: DiskCache) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        assert entry.read() == entry.read() == DATA
        assert entry.size_bytes == len(DATA)


@posix
def test_a_reader_keeps_its_entry_when_it_is_removed(cache: DiskCache) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        os.unlink(cache.path(KEY))
        assert entry.read() == DATA


@posix
def test_a_reader_keeps_its_entry_when_it_is_replaced(cache: DiskCache, tmp_path: Path) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        (tmp_path / "other").write_bytes(b"other")
        os.replace(tmp_path / "other", cache.path(KEY))
        assert entry.read() == DATA


def test_content_that_comes_in_pieces_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entry").write_bytes(DATA)
    with Entry(len(DATA), 0, descriptor=os.open(tmp_path / "entry", os.O_RDONLY)) as entry:
        read = os.read
        monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 1000)))
        assert entry.read() == DATA


def test_content_that_is_cut_short_ends_where_the_file_does(tmp_path: Path) -> None:
    (tmp_path / "entry").write_bytes(b"short")
    with Entry(100, 0, descriptor=os.open(tmp_path / "entry", os.O_RDONLY)) as entry:
        assert entry.read() == b"short"


def test_a_detached_file_outlives_the_block(tmp_path: Path) -> None:
    (tmp_path / "entry").write_bytes(DATA)
    with Entry(len(DATA), 0, descriptor=os.open(tmp_path / "entry", os.O_RDONLY)) as entry:
        file = entry.detach()
    with file:
        assert file.read() == DATA


def test_what_is_not_stored_is_read_from_memory() -> None:
    with unstored(DATA, MTIME_NS) as entry:
        assert (entry.size_bytes, entry.mtime, entry.path) == (len(DATA), 1_700_000_000, None)
        assert entry.read() == DATA
