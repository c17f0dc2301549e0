"""The folder of a cache: files whole or not at all, and never in the way of the answer."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from conftest import Start

from cache.shared import (
    DATA,
    KEY,
    MTIME_NS,
    NEIGHBOUR,
    NOBODY,
    PATIENCE_SECONDS,
    RIGHT,
    STORED,
    STRANGER,
    UNSTORED,
    CannotBeMadeError,
    Warned,
    as_root,
    disk_cache,
    eager_threads,
    kept,
    lock_files,
    made,
    numbered,
    outcome,
    posix,
    temporary_files,
    together,
    tried,
    until,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Entry
from flask_images_vips.cache.folder import Folder

# Files that are written.


def large(number: int) -> bytes:
    return bytes([number]) * 2_000_000


def make_large_entries(folder: str) -> None:
    cache = disk_cache(folder)
    for number in range(40):
        made(cache, numbered(number), lambda number=number: large(number))


@posix
def test_a_reader_never_sees_half_an_entry(cache: DiskCache, elsewhere: Start) -> None:
    elsewhere(make_large_entries, cache.folder)
    for number in range(40):
        found: list[Entry | None] = [None]

        def is_there(number: int = number, found: list[Entry | None] = found) -> bool:
            found[0] = cache.get(numbered(number))
            return found[0] is not None

        until(is_there, f"entry {number} is there")
        assert found[0] is not None
        with found[0] as entry:
            assert entry.read() == large(number)


@posix
def test_the_cache_is_closed_to_other_users(cache: DiskCache) -> None:
    made(cache)
    for path in (cache.folder, cache.path(KEY), *lock_files(cache)):
        assert os.stat(path).st_mode & 0o077 == 0, path


@pytest.mark.parametrize("error", [None, CannotBeMadeError, KeyboardInterrupt], ids=["success", "error", "interrupt"])
def test_no_temporary_file_remains_after(cache: DiskCache, error: type[BaseException] | None) -> None:
    seen = []

    def create() -> bytes:
        seen.extend(temporary_files(cache))
        if error is not None:
            raise error
        return DATA

    with pytest.raises(error) if error else contextlib.nullcontext():
        made(cache, create=create)
    assert len(seen) == 1  # it is there before the work, or this test would see nothing
    assert temporary_files(cache) == []


def leave(cache: DiskCache, name: str, *, age_seconds: float) -> str:
    """A temporary file as a killed process leaves it."""
    path = Path(cache.folder, "tmp", name)
    path.write_bytes(b"\xff\xd8 half a JPE")
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return name


def test_old_temporary_files_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    made(disk_cache(tmp_path), STRANGER)  # makes the folders
    cache = disk_cache(tmp_path, temp_max_age=100)
    leave(cache, ".tmp-old", age_seconds=150)
    young = leave(cache, ".tmp-young", age_seconds=50)
    made(cache)
    assert temporary_files(cache) == [young]


def test_a_process_that_stays_sweeps_from_time_to_time(cache: DiskCache) -> None:
    made(cache)
    leave(cache, ".tmp-old", age_seconds=7200)
    for number in range(1000):
        made(cache, numbered(number), lambda: b"small")
        if not temporary_files(cache):
            break
    assert temporary_files(cache) == []


# A folder that cannot be used costs the cache, not the answer.


def become_nobody() -> None:
    """Root may write anywhere: modes stop only other users."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def use_a_folder_that_cannot_be_made(folder: str) -> None:
    become_nobody()
    with Warned() as warned:
        print(json.dumps([tried(disk_cache(os.path.join(folder, "cache")), KEY, KEY, STRANGER), warned]))


def use_a_folder_that_is_read_only(folder: str) -> None:
    become_nobody()
    made(disk_cache(os.path.join(folder, "cache")), STRANGER)
    folders = [path for path, _, _ in os.walk(folder) if path != folder]
    for path in folders:
        os.chmod(path, 0o555)
    use_a_folder_that_cannot_be_made(folder)
    for path in folders:
        os.chmod(path, 0o700)


def use_a_full_disk(folder: str, size_bytes: str) -> None:
    import resource

    cache = disk_cache(folder)
    made(cache, STRANGER, lambda: b"of better times")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # writing fails as on a full disk, by another number
    with Warned() as warned:
        found = tried(cache, KEY, KEY, NEIGHBOUR, data=b"x" * int(size_bytes))
    print(json.dumps([found, warned, temporary_files(cache), kept(cache) is None]))


@posix
def test_a_folder_that_cannot_be_made_costs_the_cache_and_one_warning(elsewhere: Start, open_folder: Path) -> None:
    open_folder.chmod(0o555)
    found, warned = outcome(elsewhere(use_a_folder_that_cannot_be_made, open_folder))
    assert found == [UNSTORED] * 3
    assert len(warned) == 1, warned


@posix
def test_a_read_only_folder_is_read_and_costs_one_warning(elsewhere: Start, open_folder: Path) -> None:
    found, warned = outcome(elsewhere(use_a_folder_that_is_read_only, open_folder))
    assert found == [UNSTORED, UNSTORED, STORED]
    assert len(warned) == 1, warned


@posix
@pytest.mark.parametrize("size_bytes", [4_000, 400_000], ids=["less than a buffer", "more than a buffer"])
def test_a_full_disk_costs_the_cache_and_one_warning(elsewhere: Start, tmp_path: Path, size_bytes: int) -> None:
    found, warned, temporary, absent = outcome(elsewhere(use_a_full_disk, tmp_path, size_bytes))
    assert found == [UNSTORED] * 3
    assert len(warned) == 1, warned
    assert temporary == []
    assert absent


def test_a_disk_that_is_found_full_only_when_a_file_is_closed_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    class Remote(io.FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fdopen", Remote)
    cache = disk_cache(tmp_path / "cache")
    assert tried(cache, KEY, KEY) == [UNSTORED] * 2
    assert kept(cache) is None
    assert temporary_files(cache) == []
    assert len(warned) == 1, warned


def test_a_file_in_the_place_of_the_folder_costs_the_cache_and_one_warning(tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "cache").write_text("a file")
    assert tried(disk_cache(tmp_path / "cache"), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert len(warned) == 1, warned
    assert (tmp_path / "cache").read_text() == "a file"


@pytest.mark.parametrize("inner", ["tmp", KEY[0][:2], "locks"])
def test_a_file_in_the_place_of_an_inner_folder_costs_one_warning(
    tmp_path: Path, inner: str, warned: list[str]
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / inner).write_text("a file")
    assert [right for right, _ in tried(disk_cache(tmp_path / "cache"), KEY, KEY, NEIGHBOUR)] == [RIGHT] * 3
    assert len(warned) == 1, warned


@posix
def test_a_folder_that_was_deleted_is_made_again(cache: DiskCache, warned: list[str]) -> None:
    made(cache)
    shutil.rmtree(cache.folder)
    assert tried(cache, KEY, STRANGER) == [STORED] * 2
    assert kept(cache) == DATA
    assert warned == []


@posix
def test_a_folder_that_is_deleted_during_the_work_costs_one_warning(cache: DiskCache, warned: list[str]) -> None:
    def create() -> bytes:
        shutil.rmtree(cache.folder)
        return DATA

    with cache.get_or_create(KEY, MTIME_NS, create) as entry:
        assert (entry.read(), entry.path) == (DATA, None)
    assert len(warned) == 1
    assert tried(cache, KEY) == [STORED]


@posix
def test_entries_are_made_while_others_delete_them(cache: DiskCache) -> None:
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            shutil.rmtree(os.path.dirname(cache.path(KEY)), ignore_errors=True)

    deleter = threading.Thread(target=delete, daemon=True)
    deleter.start()
    try:
        outcomes = together(8, lambda _: [made(cache) == DATA for _ in range(50)])
    finally:
        over.set()
        deleter.join(PATIENCE_SECONDS)
    assert outcomes == [[RIGHT] * 50] * 8


# A private folder lies where others may write, as in /tmp.


def private_cache(private: Path) -> DiskCache:
    return disk_cache(private / "site", private=str(private))


@posix
def test_a_private_folder_is_made_for_us_alone(private: Path, warned: list[str]) -> None:
    assert tried(private_cache(private), KEY, KEY) == [STORED] * 2
    assert private.stat().st_mode & 0o777 == 0o700
    assert tried(private_cache(private), KEY, STRANGER) == [STORED] * 2
    assert warned == []


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707], ids=oct)
def test_a_private_folder_that_others_may_write_is_not_used(private: Path, mode: int, warned: list[str]) -> None:
    private.mkdir()
    private.chmod(mode)
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list(private.iterdir()) == []
    assert len(warned) == 1, warned


@posix
def test_a_private_folder_that_is_a_link_is_not_used(private: Path, tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    private.symlink_to(tmp_path / "target")
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list((tmp_path / "target").iterdir()) == []
    assert len(warned) == 1, warned


@as_root
def test_a_private_folder_of_another_user_is_not_used(private: Path, warned: list[str]) -> None:
    private.mkdir(mode=0o700)
    os.chown(private, NOBODY, NOBODY)
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list(private.iterdir()) == []
    assert len(warned) == 1, warned


@posix
def test_many_threads_at_once_give_one_warning(private: Path, warned: list[str]) -> None:
    private.mkdir()
    private.chmod(0o777)
    with eager_threads():
        for _ in range(20):
            cache = private_cache(private)
            assert together(12, lambda index, cache=cache: made(cache, numbered(index))) == [DATA] * 12
    assert len(warned) == 20


@posix
def test_a_private_folder_that_was_deleted_is_made_private_again(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    shutil.rmtree(private)  # as what cleans /tmp does
    umask = os.umask(0o002)
    try:
        made(cache)
    finally:
        os.umask(umask)
    # Else the next process finds it open to the group, and does without a cache for good.
    assert private.stat().st_mode & 0o077 == 0


@as_root
def test_an_entry_of_another_user_in_a_private_folder_is_not_served(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    shutil.rmtree(private)  # as what cleans /tmp does, and then somebody is faster than we are
    path = Path(cache.path(KEY))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a picture of another user")
    for planted in (private, *private.rglob("*")):
        os.chown(planted, NOBODY, NOBODY)
    assert made(cache) == DATA


@as_root
def test_a_private_folder_that_became_another_users_is_no_longer_used(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    for path in (private, *private.rglob("*")):  # one that another user laid there instead would look like this
        os.chown(path, NOBODY, NOBODY)
    before = set(private.rglob("*"))
    assert tried(cache, STRANGER) == [UNSTORED]
    assert set(private.rglob("*")) == before


# Other users may be allowed to read.


@posix
def test_a_readable_folder_lets_others_read_entries_but_not_list_them(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        cache = disk_cache(tmp_path / "cache", readable=True)
        made(cache)
    finally:
        os.umask(umask)
    path = Path(cache.path(KEY))
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent, path.parent.parent)] == [0o644, 0o711, 0o711]
    assert os.stat(cache.folder).st_mode & 0o777 == 0o711
    assert os.stat(os.path.join(cache.folder, "tmp")).st_mode & 0o777 == 0o700


@posix
def test_an_entry_that_is_older_than_the_permission_to_read_is_opened_up_when_it_is_used(tmp_path: Path) -> None:
    made(disk_cache(tmp_path / "cache"))
    cache = disk_cache(tmp_path / "cache", readable=True)
    os.chmod(cache.path(KEY), 0o400)
    assert kept(cache) == DATA
    path = Path(cache.path(KEY))
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent)] == [0o444, 0o711]


# A folder by itself.


def test_a_file_that_is_too_large_is_not_stored(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path), temp_max_age=3600)
    sizes: list[int] = []

    def fill(file: BinaryIO) -> int:
        file.write(DATA)
        return MTIME_NS

    path = str(tmp_path / "5a" / "5aff" / "file")
    assert not folder.write(path, fill, admits=lambda size: sizes.append(size) or False)
    assert sizes == [len(DATA)]
    assert not os.path.exists(path)
    assert os.listdir(tmp_path / "tmp") == []
    assert folder.write(path, fill)
    assert Path(path).read_bytes() == DATA
    assert os.stat(path).st_mtime_ns == MTIME_NS


def test_a_file_in_use_looks_as_if_it_was_read_and_others_do_not(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path), temp_max_age=3600)
    for in_use in (True, False):
        path = str(tmp_path / "5a" / "5aff" / "file")
        folder.write(path, lambda file: file.write(DATA), in_use=in_use)
        status = os.stat(path)
        assert (status.st_atime_ns > status.st_ctime_ns) is in_use


def test_one_warning_is_logged_for_each_reason(tmp_path: Path, warned: list[str]) -> None:
    folder = Folder(str(tmp_path), temp_max_age=3600)
    for error in (OSError(28, "full"), OSError(28, "full"), OSError(13, "denied"), OSError(28, "full")):
        folder.warn("written", error)
    assert [re.findall(r"cannot be written \((\w+)\)", message) for message in warned] == [["full"], ["denied"]]
