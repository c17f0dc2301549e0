"""Entries on the disk: found by their key, made if they are missing, stored or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from cache.shared import (
    DATA,
    KEY,
    MTIME_NS,
    NEIGHBOUR,
    STRANGER,
    CannotBeMadeError,
    disk_cache,
    fails,
    kept,
    made,
    posix,
    temporary_files,
    together,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.eviction import Bound
from flask_images_vips.errors import Busy


@pytest.fixture
def cache(each_cache: DiskCache) -> DiskCache:
    return each_cache


# Entries that are made when they are first asked for.


def test_an_entry_is_made_once_and_then_read(cache: DiskCache) -> None:
    assert made(cache) == DATA
    assert made(cache, create=fails) == DATA
    assert kept(cache) == DATA


def test_get_makes_nothing(cache: DiskCache) -> None:
    assert kept(cache) is None
    made(cache, NEIGHBOUR)
    assert kept(cache) is None


def test_each_key_has_an_entry_of_its_own(cache: DiskCache) -> None:
    for key in (KEY, NEIGHBOUR, STRANGER):
        made(cache, key, key[1].encode)
    assert [kept(cache, key) for key in (KEY, NEIGHBOUR, STRANGER)] == [
        key[1].encode() for key in (KEY, NEIGHBOUR, STRANGER)
    ]


def test_another_cache_in_the_same_folder_has_the_same_entries(cache: DiskCache) -> None:
    made(cache)
    assert made(disk_cache(cache.folder), create=fails) == DATA


def test_an_entry_has_the_mtime_it_was_given(cache: DiskCache) -> None:
    with cache.get_or_create(KEY, MTIME_NS, lambda: DATA) as fresh, cache.get_or_create(KEY, 0, fails) as stored:
        assert fresh.mtime == stored.mtime == 1_700_000_000
    assert os.stat(cache.path(KEY)).st_mtime_ns == MTIME_NS


def test_an_empty_entry_is_made_again(cache: DiskCache) -> None:
    made(cache)
    os.truncate(cache.path(KEY), 0)  # as a crash of the host leaves it
    assert kept(cache) is None
    anew = b"anew" if cache.shared is None else DATA  # the store still has it
    assert made(cache, create=lambda: b"anew") == anew
    assert kept(cache) == anew


def test_an_empty_result_is_not_kept(cache: DiskCache) -> None:
    assert made(cache, create=bytes) == b""
    assert made(cache) == DATA


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process's open files")
def test_no_file_is_left_open(cache: DiskCache) -> None:
    together(8, lambda _: made(cache))
    made(cache)
    os.unlink(cache.path(KEY))
    with pytest.raises(CannotBeMadeError):
        made(cache, STRANGER, create=fails)
    assert made(cache) == DATA
    assert [path for path in open_files() if path.startswith(cache.folder)] == []


def open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the list itself
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


@posix
def test_a_link_in_the_place_of_an_entry_is_not_followed(cache: DiskCache, tmp_path: Path) -> None:
    made(cache)
    target = tmp_path / "target"
    target.write_bytes(b"of someone else")
    os.unlink(cache.path(KEY))
    os.symlink(target, cache.path(KEY))
    assert made(cache) == DATA
    assert target.read_bytes() == b"of someone else"


@posix
def test_a_fifo_in_the_place_of_an_entry_is_not_waited_for(cache: DiskCache) -> None:
    made(cache)
    os.unlink(cache.path(KEY))
    os.mkfifo(cache.path(KEY))
    assert made(cache) == DATA
    assert kept(cache) == DATA


@posix
def test_a_link_in_the_place_of_the_counts_is_not_followed(tmp_path: Path, warned: list[str]) -> None:
    cache = disk_cache(tmp_path / "cache", bound=Bound(str(tmp_path / "cache"), 1 << 30, 0))
    (tmp_path / "cache" / "locks").mkdir(parents=True)
    target = tmp_path / "target"
    target.write_bytes(b"of someone else")
    (tmp_path / "cache" / "locks" / "sizes").symlink_to(target)
    assert made(cache) == DATA
    assert kept(cache) == DATA
    assert target.read_bytes() == b"of someone else"
    assert len(warned) == 1, warned


def test_an_entry_that_cannot_be_read_is_busy_and_made_again(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cache)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, cache.get(KEY) or pytest.fail("gone") as entry:
        patch.setattr(os, "read", fail)
        with pytest.raises(Busy, match="cannot be read"):
            entry.read()
    assert made(cache) == DATA


def test_what_create_raises_is_raised_and_the_next_call_tries_again(cache: DiskCache) -> None:
    for _ in range(2):
        with pytest.raises(CannotBeMadeError):
            made(cache, create=fails)
        assert kept(cache) is None
    assert made(cache) == DATA


def test_an_error_of_the_system_in_create_is_no_error_of_the_cache(cache: DiskCache, warned: list[str]) -> None:
    def create() -> bytes:
        raise PermissionError("the source, say")

    with pytest.raises(PermissionError, match="the source, say"):
        made(cache, create=create)
    assert warned == []


# Entries that are stored by hand, and removed.


def test_what_is_put_is_an_entry(cache: DiskCache) -> None:
    assert cache.put_bytes(KEY, DATA, MTIME_NS) == cache.path(KEY)
    assert kept(cache) == DATA
    assert os.stat(cache.path(KEY)).st_mtime_ns == MTIME_NS
    assert cache.put_bytes(KEY, b"newer", MTIME_NS) is not None
    assert kept(cache) == (b"newer" if cache.shared is None else DATA)  # what other hosts have is kept


def test_an_error_while_an_entry_is_written_leaves_the_one_that_is_there(cache: DiskCache) -> None:
    cache.put_bytes(KEY, DATA, MTIME_NS)

    def fill(file: BinaryIO) -> int:
        file.write(b"half")
        raise CannotBeMadeError

    with pytest.raises(CannotBeMadeError):
        cache.put(KEY, fill)
    assert kept(cache) == DATA
    assert temporary_files(cache) == []


def test_a_put_into_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = disk_cache(tmp_path / "file" / "cache", private=str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot be used"):
        cache.put_bytes(KEY, DATA, MTIME_NS)


def test_has_says_whether_there_is_an_entry(cache: DiskCache) -> None:
    assert not cache.has(KEY)
    cache.put_bytes(KEY, DATA, MTIME_NS)
    assert cache.has(KEY)
    assert not cache.has(NEIGHBOUR)


def test_siblings_are_the_entries_of_a_folder_that_begin_alike(cache: DiskCache) -> None:
    assert cache.siblings(KEY[0], "") == []
    for key in (KEY, NEIGHBOUR, STRANGER):
        cache.put_bytes(key, DATA, MTIME_NS)
    assert sorted(cache.siblings(KEY[0], "")) == sorted([KEY, NEIGHBOUR])
    assert sorted(cache.siblings(KEY[0], "c0ff")) == sorted([KEY, NEIGHBOUR])
    assert cache.siblings(KEY[0], "c0ffee") == [KEY]


def test_purging_removes_the_entries_of_one_folder_or_of_all(cache: DiskCache) -> None:
    for key in (KEY, NEIGHBOUR, STRANGER):
        cache.put_bytes(key, DATA, MTIME_NS)
    assert cache.purge(KEY[0]) == 2
    assert cache.purge(KEY[0]) == 0
    assert [cache.has(key) for key in (KEY, NEIGHBOUR, STRANGER)] == [False, False, True]
    assert not os.path.exists(os.path.dirname(cache.path(KEY)))
    assert cache.purge_all() == 1
    assert not cache.has(STRANGER)
