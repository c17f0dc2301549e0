"""Locks have one holder at a time, and are freed by errors and by the end of a process. Those in files stay."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import Start

from cache.shared import (
    DATA,
    KEY,
    PATIENCE_SECONDS,
    STRANGER,
    CannotBeMadeError,
    Tally,
    disk_cache,
    fails,
    fork,
    lock_files,
    locks_at,
    made,
    outcome,
    posix,
    status_of,
    together,
    until,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.locks import FileLocks

# Locks of one host and of all hosts.


def test_a_lock_excludes_other_threads_and_other_objects(place: str) -> None:
    inside: list[int] = []
    most = [0]
    shared = locks_at(place, PATIENCE_SECONDS)

    def work(index: int) -> bool:
        locks = shared if index % 2 else locks_at(place, PATIENCE_SECONDS)
        with locks.hold("c0ffee") as held:
            inside.append(index)
            most[0] = max(most[0], len(inside))
            time.sleep(0.01)
            inside.remove(index)
        return held

    assert together(10, work) == [True] * 10
    assert most == [1]


def test_a_lock_is_free_again_after_an_error(place: str) -> None:
    with pytest.raises(CannotBeMadeError), locks_at(place, PATIENCE_SECONDS).hold("c0ffee"):
        fails()
    with locks_at(place, 0.0).hold("c0ffee") as held:
        assert held


def test_a_lock_that_is_held_is_not_had_within_the_timeout(place: str, warned: list[str]) -> None:
    with locks_at(place, 0.1).hold("c0ffee") as first:
        with locks_at(place, 0.1).hold("c0ffee") as second:
            assert (first, second) == (True, False)
        with locks_at(place, 0.1).hold("beef00") as of_another_name:
            assert of_another_name
    assert len(warned) == 1
    assert "hang" in warned[0]


def test_the_timeout_counts_from_the_time_that_is_given(place: str, warned: list[str]) -> None:
    long_ago = time.monotonic() - 2 * PATIENCE_SECONDS
    first, second = (locks_at(place, PATIENCE_SECONDS) for _ in range(2))
    with first.hold("c0ffee", since=long_ago) as free, second.hold("c0ffee", since=long_ago) as waited:
        assert (free, waited) == (True, False)
    assert len(warned) == 1


def test_who_waits_goes_on_without_the_lock_if_the_work_is_done(place: str, warned: list[str]) -> None:
    done, waits = threading.Event(), threading.Event()

    def work(index: int) -> bool:
        if index == 0:
            with locks_at(place, PATIENCE_SECONDS).hold("c0ffee") as held:
                waits.set()
                time.sleep(0.2)  # until the others wait
                done.set()
            return held
        assert waits.wait(PATIENCE_SECONDS)
        with locks_at(place, PATIENCE_SECONDS).hold("c0ffee", needless=done.is_set) as held:
            return held

    assert together(6, work) == [True, False, False, False, False, False]
    assert warned == []


def hold_for_ever(place: str, begun: str) -> None:
    with locks_at(place, PATIENCE_SECONDS).hold("c0ffee"):
        Tally(begun).add()
        time.sleep(10 * PATIENCE_SECONDS)


@posix
def test_a_killed_process_frees_its_lock_without_a_word(
    place: str, tally: Tally, elsewhere: Start, warned: list[str]
) -> None:
    holder = elsewhere(hold_for_ever, place, tally.path)
    until(lambda: tally.count, "the lock is held")
    holder.kill()
    with locks_at(place, PATIENCE_SECONDS).hold("c0ffee") as held:
        assert held
    assert warned == []  # so it did not wait until the timeout


def fork_while_locks_are_held_and_awaited(place: str) -> None:
    locks = locks_at(place, PATIENCE_SECONDS)
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.hold("c0ffee"):
            held.set()
            assert forked.wait(PATIENCE_SECONDS)
            time.sleep(0.3)  # until the child waits

    def work() -> bytes:
        with locks.hold("c0ffee") as had, locks.hold("beef00") as other:
            return DATA if had and other else b""

    for _ in range(2):  # one holds it, and one waits
        threading.Thread(target=hold, daemon=True).start()
    assert held.wait(PATIENCE_SECONDS)
    child = fork(work)
    forked.set()
    print(json.dumps(status_of(child)))


@posix
def test_locks_that_are_in_use_while_a_process_forks_work_in_the_child(place: str, elsewhere: Start) -> None:
    assert outcome(elsewhere(fork_while_locks_are_held_and_awaited, place)) == 0


# Locks in files.


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
