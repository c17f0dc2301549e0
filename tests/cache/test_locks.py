"""File locks: one holder at a time, freed by errors, and in files that stay."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from cache.shared import (
    KEY,
    PATIENCE_SECONDS,
    STRANGER,
    CannotBeMadeError,
    disk_cache,
    fails,
    lock_files,
    made,
    posix,
    together,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.locks import FileLocks


def test_a_lock_excludes_other_threads_and_other_objects(tmp_path: Path) -> None:
    inside: list[int] = []
    most = [0]
    shared = FileLocks(str(tmp_path / "locks"), PATIENCE_SECONDS)

    def work(index: int) -> bool:
        locks = shared if index % 2 else FileLocks(shared.folder, PATIENCE_SECONDS)
        with locks.hold("c0ffee") as held:
            inside.append(index)
            most[0] = max(most[0], len(inside))
            time.sleep(0.01)
            inside.remove(index)
        return held

    assert together(10, work) == [True] * 10
    assert most == [1]


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotBeMadeError), FileLocks(str(tmp_path), PATIENCE_SECONDS).hold("c0ffee"):
        fails()
    with FileLocks(str(tmp_path), 0.0).hold("c0ffee") as held:
        assert held


def test_a_lock_that_is_held_is_not_had_within_the_timeout(tmp_path: Path, warned: list[str]) -> None:
    with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as first:
        with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as second:
            assert (first, second) == (True, False)
        with FileLocks(str(tmp_path), 0.1).hold("beef00") as of_another_stripe:
            assert of_another_stripe
    assert len(warned) == 1


def test_names_that_share_a_file_do_not_wait_for_each_other(tmp_path: Path, warned: list[str]) -> None:
    locks, others = (FileLocks(str(tmp_path), 0.1) for _ in range(2))
    one, other = "abc111222", "abc333444"
    with locks.hold(one) as first, others.hold(other) as second:
        assert (first, second) == (True, True)
        with locks.hold(other) as again, others.attempt(one) as free:
            assert (again, free) == (False, False)
    with locks.hold(other) as kept:  # in the file that it prefers
        assert kept
    assert len(warned) == 1


def test_a_name_is_locked_once_though_its_first_file_becomes_free(tmp_path: Path, warned: list[str]) -> None:
    locks, others = (FileLocks(str(tmp_path), 0.1) for _ in range(2))
    with ExitStack() as first:
        first.enter_context(locks.hold("abc111222"))
        second = ExitStack()
        assert second.enter_context(others.hold("abc333444"))
    with second, locks.attempt("abc333444") as free, locks.hold("abc333444") as held:
        assert (free, held) == (False, False)
    with locks.attempt("abc333444") as free:
        assert free
    assert len(warned) == 1


def test_the_name_of_a_holder_that_was_killed_holds_nobody_up(tmp_path: Path, warned: list[str]) -> None:
    for name in ("abc", "333"):
        (tmp_path / f"{name}.lock").write_text("abc333444")
    for name in ("abc333444", "abc555666", "abc333444"):
        with FileLocks(str(tmp_path), 0.0).hold(name) as held:
            assert held
    assert warned == []


def test_an_attempt_where_nothing_can_be_locked_is_free(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("not a folder")
    warnings: list[OSError] = []
    with FileLocks(str(tmp_path / "locks"), 0.1, warnings.append).attempt("c0ffee") as free:
        assert free
    assert len(warnings) == 1


@posix
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("of someone else")
    (tmp_path / "c0f.lock").symlink_to(target)
    with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as held:
        assert not held
    assert target.read_text() == "of someone else"


def test_lock_files_are_never_removed(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path, temp_max_age=0)
    made(cache)
    made(cache, STRANGER)
    before = lock_files(cache)
    assert len(before) == 2
    time.sleep(0.01)  # all that is there is now older than may be
    for key in (KEY, STRANGER):
        os.unlink(cache.path(key))
        with pytest.raises(CannotBeMadeError):
            made(cache, key, fails)
        made(disk_cache(tmp_path, temp_max_age=0), key)
    assert lock_files(cache) == before


def test_lock_files_are_a_fixed_set_that_names_alike_do_not_share(cache: DiskCache) -> None:
    for number in range(20):  # as the sizes of one picture are named
        made(cache, (KEY[0], f"c0ffee-{number:032x}.jpg"))
    assert len(lock_files(cache)) > 10
    assert all(re.fullmatch(r"[0-9a-f]{3}\.lock", os.path.basename(path)) for path in lock_files(cache))  # 4096 at most
