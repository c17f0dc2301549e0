"""Removal: of folders, of what depends on them, and of every trace, whatever another process is doing meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.shared import DATA, KEY, MTIME_NS, NEIGHBOUR, STRANGER, kept, made, temporary_files
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import is_owned_by, owners_of
from flask_images_vips.cache.eviction import Bound
from flask_images_vips.cache.tombstones import Tombstones

FOLDER = KEY[0]
DEPENDENT = STRANGER[0], f"beef00~{FOLDER}.png"


@pytest.fixture
def tombstones(tmp_path: Path) -> Tombstones:
    return Tombstones(str(tmp_path / "forgotten"))


@pytest.fixture
def cache(tmp_path: Path, tombstones: Tombstones) -> DiskCache:
    folder = str(tmp_path / "cache")
    bound = Bound(folder, 10**9, 0)
    return DiskCache(folder, lock_timeout=5, temp_max_age=3600, bound=bound, bars=tombstones.__contains__)


@pytest.fixture
def forget(cache: DiskCache, tombstones: Tombstones) -> Callable[[], None]:
    """What forgetting does, as by another process."""

    def forget() -> None:
        tombstones.add(FOLDER)
        cache.erase(FOLDER)

    return forget


def traces(cache: DiskCache) -> list[str]:
    """The files and folders whose path names the folder that was erased."""
    return [path for path in map(str, Path(cache.folder).rglob("*")) if FOLDER in path]


def test_an_entry_names_the_folders_that_it_depends_on() -> None:
    assert owners_of("/cache/5a/5a5a/c0ffee.jpg") == ("5a5a",)
    assert owners_of("/cache/5a/5a5a/c0ffee~7777~8888.jpg") == ("5a5a", "7777", "8888")
    assert is_owned_by("7777", "c0ffee~7777.jpg")
    assert not is_owned_by("7777", "c0ffee-7777.jpg")


def test_a_purge_removes_what_depends_on_the_folder_and_nothing_else(cache: DiskCache) -> None:
    for key in (KEY, NEIGHBOUR, STRANGER, DEPENDENT):
        made(cache, key)
    assert cache.bound is not None
    assert cache.purge(FOLDER) == 3
    assert [kept(cache, key) for key in (KEY, NEIGHBOUR, STRANGER, DEPENDENT)] == [None, None, DATA, None]
    assert cache.bound.held() == len(DATA)


def test_erasing_tells_what_was_removed_and_leaves_no_trace(cache: DiskCache, forget: Any) -> None:
    for key in (KEY, NEIGHBOUR, STRANGER, DEPENDENT):
        made(cache, key)
    left = Path(cache.folder, "tmp", f".tmp-{FOLDER}-0123456789abcdef")
    left.write_bytes(b"half a picture")
    removed = cache.erase(FOLDER)
    assert sorted(removed.own) == sorted([KEY[1], NEIGHBOUR[1]])
    assert removed.others == (DEPENDENT[1],)
    assert (removed.unfinished, removed.size_bytes) == (1, 3 * len(DATA))
    assert traces(cache) == []
    assert kept(cache, STRANGER) == DATA


def test_what_is_barred_is_made_but_not_stored(cache: DiskCache, forget: Any) -> None:
    forget()
    for key in (KEY, DEPENDENT):
        assert made(cache, key) == DATA
        assert cache.put_bytes(key, DATA, MTIME_NS) is None
    assert traces(cache) == []
    assert temporary_files(cache) == []
    assert made(cache, STRANGER) == DATA
    assert kept(cache, STRANGER) == DATA


# The three cases: the file is not complete, is complete but has no name yet, or has its name.


@pytest.mark.parametrize("key", [KEY, DEPENDENT])
def test_what_is_forgotten_during_the_work_is_not_stored(
    cache: DiskCache, forget: Any, key: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    def create() -> bytes:
        forget()
        return DATA

    assert made(cache, key, create) == DATA
    assert traces(cache) == []
    assert not caplog.records


@pytest.mark.parametrize("key", [KEY, DEPENDENT])
@pytest.mark.parametrize("moment", ["before the rename", "after the rename"])
def test_what_is_forgotten_at_the_last_moment_leaves_no_trace(
    cache: DiskCache, forget: Any, monkeypatch: pytest.MonkeyPatch, key: tuple[str, str], moment: str
) -> None:
    made(cache, STRANGER)
    replace, reached = os.replace, []

    def rename(source: Any, target: Any, **keywords: Any) -> None:
        if moment == "after the rename":
            replace(source, target, **keywords)
        reached.append(target)
        if len(reached) == 1:
            forget()
        if moment == "before the rename":
            replace(source, target, **keywords)

    made(cache, (key[0], "warm.jpg"))  # so that its folder exists
    monkeypatch.setattr(os, "replace", rename)
    assert made(cache, key) == DATA
    assert reached
    assert traces(cache) == []
    assert kept(cache, STRANGER) == DATA


def test_a_killed_process_leaves_nothing_that_can_become_an_entry(
    cache: DiskCache, forget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr("flask_images_vips.cache.folder._unlink", lambda path: None)
        with pytest.raises(Killed):
            made(cache)
    assert len(traces(cache)) == 1
    forget()
    assert traces(cache) == []


def test_what_cannot_be_removed_is_an_error(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cache)

    def refuse(path: str) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionError):
        cache.erase(FOLDER)


def test_a_folder_that_cannot_be_listed_is_an_error(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    made(cache)
    listdir = os.listdir

    def refuse(path: str) -> list[str]:
        if path.endswith(FOLDER):
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(PermissionError):
        cache.erase(FOLDER)


def test_the_least_recently_read_come_first_and_are_counted_off(cache: DiskCache) -> None:
    assert cache.bound is not None
    for age, key in enumerate((KEY, STRANGER, NEIGHBOUR)):
        made(cache, key)
        os.utime(cache.path(key), (1_700_000_000 + age, 1_700_000_000))
    found = cache.oldest_first()
    assert [each.path for each in found] == [cache.path(key) for key in (KEY, STRANGER, NEIGHBOUR)]
    assert [each.path for each in cache.oldest_first({FOLDER})] == [cache.path(key) for key in (KEY, NEIGHBOUR)]
    os.unlink(found[1].path)
    assert [each.path for each in cache.remove(found[:2])] == [cache.path(KEY)]
    assert cache.bound.held() == len(DATA) + len(DATA)  # the other shard was not looked at
    assert [kept(cache, key) for key in (KEY, NEIGHBOUR)] == [None, DATA]


def test_all_entries_are_set_aside_at_once_and_what_is_left_of_them_is_swept(cache: DiskCache) -> None:
    made(cache)
    (aside,) = cache.set_aside()
    assert kept(cache) is None
    assert not cache.oldest_first()
    assert [path for path in Path(aside).rglob("*") if path.is_file()]
    made(cache)
    os.utime(aside, (0, 0))
    list(cache.remove([]))  # sweeps
    assert not Path(aside).exists()
    assert kept(cache) == DATA
