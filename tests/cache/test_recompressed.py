"""The one way in which an entry changes: once, for a smaller one of the same thing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cache.shared import (
    DATA,
    KEY,
    MTIME_NS,
    disk_cache,
    kept,
    made,
    temporary_files,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.eviction import SHARDS, Bound


@pytest.fixture
def smaller(cache: DiskCache) -> DiskCache:
    """A cache that has one entry."""
    cache.put_bytes(KEY, DATA, MTIME_NS)
    return cache


def test_a_smaller_file_takes_the_place_of_the_entry_and_is_final(smaller: DiskCache) -> None:
    assert smaller.is_final(KEY) is False
    assert smaller.replace_with_smaller(KEY, b"small") == len(DATA) - len(b"small")
    assert kept(smaller) == b"small"
    assert smaller.is_final(KEY)
    assert os.stat(smaller.path(KEY)).st_mtime_ns == MTIME_NS


@pytest.mark.parametrize("data", [None, DATA, DATA + b"more"], ids=["nothing", "equal", "larger"])
def test_what_is_not_smaller_leaves_the_entry_and_makes_it_final(smaller: DiskCache, data: bytes | None) -> None:
    assert smaller.replace_with_smaller(KEY, data) == 0
    assert kept(smaller) == DATA
    assert smaller.is_final(KEY)


def test_what_is_gone_is_not_made_again(cache: DiskCache) -> None:
    assert cache.is_final(KEY) is None
    assert cache.replace_with_smaller(KEY, b"small") == 0
    assert kept(cache) is None
    assert temporary_files(cache) == []


def test_a_reader_of_the_old_bytes_reads_them_to_the_end(smaller: DiskCache) -> None:
    with smaller.get(KEY) or pytest.fail("gone") as entry:
        smaller.replace_with_smaller(KEY, b"small")
        assert entry.read() == DATA


def test_an_entry_that_is_made_anew_is_not_final(smaller: DiskCache) -> None:
    smaller.replace_with_smaller(KEY, b"small")
    os.unlink(smaller.path(KEY))
    made(smaller)
    assert smaller.is_final(KEY) is False


def test_the_bytes_that_are_saved_are_free_for_others(tmp_path: Path) -> None:
    bound = Bound(str(tmp_path), 10**9, 0)
    cache = disk_cache(tmp_path, bound=bound)
    for number in range(SHARDS):  # until all shards are counted
        cache.put_bytes((f"{number:02x}" * 20, "file"), b"x", MTIME_NS)
    before = bound.held()
    cache.put_bytes(KEY, DATA, MTIME_NS)
    cache.replace_with_smaller(KEY, b"small")
    assert bound.held() == before + len(b"small")


def test_a_disk_that_takes_nothing_leaves_the_entry(
    smaller: DiskCache, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert smaller.replace_with_smaller(KEY, b"small") == 0
    assert kept(smaller) == DATA
    assert smaller.is_final(KEY) is False
    assert temporary_files(smaller) == []
    assert len(warned) == 1


@pytest.mark.parametrize("call", ["chmod", "fsync"])
def test_without_modes_or_syncing_an_entry_is_final_for_this_process(
    smaller: DiskCache, call: str, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, call, refuse)
    assert smaller.replace_with_smaller(KEY, b"small") == len(DATA) - len(b"small")
    assert kept(smaller) == b"small"
    assert smaller.is_final(KEY)
    assert len(warned) == 1, warned
    os.unlink(smaller.path(KEY))
    made(smaller)
    assert smaller.is_final(KEY) is False


def test_data_that_cannot_be_synced_to_the_disk_replaces_nothing(
    smaller: DiskCache, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    assert smaller.replace_with_smaller(KEY, b"small") == 0
    assert kept(smaller) == DATA
    assert len(warned) == 1, warned
