"""Tombstones: found by every process at once, lost by none, and silent about what they stand for."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from conftest import Start

from cache.shared import made, posix
from flask_images_vips.cache import tombstones
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.tombstones import Tombstones
from flask_images_vips.errors import Busy

NAME, OTHER = "5a" * 16, "77" * 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "forgotten"


def test_a_tombstone_is_made_once_found_by_others_and_removed_once(folder: Path) -> None:
    here, there = Tombstones(str(folder)), Tombstones(str(folder))
    assert NAME not in here
    assert here.add(NAME)
    assert not there.add(NAME)
    assert [name in each for name in (NAME, OTHER) for each in (here, there)] == [True, True, False, False]
    assert there.remove(NAME)
    assert not here.remove(NAME)
    assert NAME not in here


def test_no_name_is_found_in_the_folder(folder: Path) -> None:
    Tombstones(str(folder)).add(NAME)
    names = [path.name for path in folder.iterdir()]
    assert len(names) == 2
    assert not any(NAME in name for name in names)
    assert NAME.encode() not in b"".join(path.read_bytes() for path in folder.iterdir())


@posix
def test_only_this_user_can_read_them(folder: Path) -> None:
    Tombstones(str(folder)).add(NAME)
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def add_elsewhere(folder: str) -> None:
    Tombstones(folder).add(NAME)


def test_a_tombstone_of_another_process_is_found_at_once(folder: Path, elsewhere: Start) -> None:
    here = Tombstones(str(folder))
    assert NAME not in here
    assert not here.may_have_any()
    assert elsewhere(add_elsewhere, folder).wait() == 0
    assert NAME in here


def test_whether_there_may_be_any_is_known_here_at_once_and_elsewhere_soon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "LOOK_SECONDS", 0)
    here, there = Tombstones(str(folder)), Tombstones(str(folder))
    assert not there.may_have_any()
    monkeypatch.setattr(tombstones, "LOOK_SECONDS", 1000)
    assert not here.may_have_any()
    here.add(NAME)
    assert here.may_have_any()
    assert there.may_have_any()


def test_a_folder_that_was_deleted_begins_anew_with_another_key(folder: Path) -> None:
    here, there = Tombstones(str(folder)), Tombstones(str(folder))
    here.add(NAME)
    assert NAME in there
    shutil.rmtree(folder)
    assert NAME not in there
    here.add(OTHER)
    assert [name in there for name in (NAME, OTHER)] == [False, True]


def test_many_threads_make_one_key(folder: Path) -> None:
    names, barrier = [f"{number:032x}" for number in range(16)], threading.Barrier(16)

    def add(name: str) -> None:
        barrier.wait()
        Tombstones(str(folder)).add(name)

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(name in Tombstones(str(folder)) for name in names)


def test_if_they_cannot_be_read_nobody_says_that_there_is_none(folder: Path) -> None:
    here = Tombstones(str(folder))
    here.add(NAME)
    (folder / "key").unlink()
    (folder / "key").mkdir()
    with pytest.raises(Busy, match="cannot be read"):
        NAME in Tombstones(str(folder))  # noqa: B015


@pytest.mark.parametrize("links", [True, False])
def test_a_killed_process_leaves_no_half_key(folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", killed)
        with pytest.raises(Killed):
            Tombstones(str(folder)).add(NAME)
    assert NAME not in Tombstones(str(folder))
    assert Tombstones(str(folder)).add(NAME)
    assert NAME in Tombstones(str(folder))


def test_a_key_that_is_cut_short_is_an_error(folder: Path) -> None:
    Tombstones(str(folder)).add(NAME)
    (folder / "key").write_bytes(b"short")
    with pytest.raises(Busy, match="has 5 bytes"):
        NAME in Tombstones(str(folder))  # noqa: B015
    with pytest.raises(OSError, match="has 5 bytes"):
        Tombstones(str(folder)).add(OTHER)


def test_neither_a_purge_nor_eviction_removes_one(tmp_path: Path, folder: Path) -> None:
    from flask_images_vips.cache.eviction import Bound

    here, cache = Tombstones(str(folder)), str(tmp_path / "cache")
    here.add(NAME)
    small = DiskCache(cache, lock_timeout=1, temp_max_age=0, bound=Bound(cache, 16, 0))
    for number in range(20):
        made(small, (f"{number:02x}" * 16, "a.jpg"), lambda: b"x")
    small.purge_all()
    assert NAME in here


@posix
def test_a_cache_of_another_user_has_none_unless_the_folder_was_chosen(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tombstones(str(folder)).add(NAME)
    knowing = Tombstones(str(folder), optional=True)
    assert NAME in knowing

    def refuse(path: object, *arguments: object, **keywords: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    for call in ("stat", "open"):
        monkeypatch.setattr(os, call, refuse)
    assert NAME not in Tombstones(str(folder), optional=True)
    assert "another user owns the cache" in caplog.text
    for each in (knowing, Tombstones(str(folder))):
        with pytest.raises(Busy, match="cannot be read"):
            NAME in each  # noqa: B015
