"""Work is done once over threads and processes, also after a fork, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import Start, share

from cache.shared import (
    DATA,
    KEY,
    NEIGHBOUR,
    PATIENCE_SECONDS,
    RIGHT,
    STRANGER,
    CannotBeMadeError,
    Tally,
    disk_cache,
    eager_threads,
    fork,
    joins,
    kept,
    made,
    numbered,
    outcome,
    posix,
    status_of,
    temporary_files,
    together,
    until,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.folder import Folder
from flask_images_vips.cache.locks import FileLocks
from flask_images_vips.cache.once import Once, _lock_name
from flask_images_vips.errors import WaitedTooLong

FORKS = share(100, 3)


@pytest.fixture
def cache(each_cache: DiskCache) -> DiskCache:
    return each_cache


def test_many_threads_make_an_entry_once(cache: DiskCache, tally: Tally) -> None:
    def create() -> bytes:
        tally.add()
        time.sleep(0.1)
        return DATA

    assert together(100, lambda _: made(cache, create=create)) == [DATA] * 100
    assert tally.count == 1


def test_those_who_want_different_things_do_not_wait_for_each_other(cache: DiskCache) -> None:
    both = threading.Barrier(2)

    def create() -> bytes:
        both.wait(PATIENCE_SECONDS)  # passes only while the other is made too
        return DATA

    assert together(2, lambda index: made(cache, (KEY, STRANGER)[index], create)) == [DATA, DATA]


def make_in_threads(folder: str, tally: str, ready: str, go: str) -> None:
    cache = disk_cache(folder)

    def create() -> bytes:
        Tally(tally).add()
        time.sleep(0.1)
        return DATA

    Tally(ready).add()
    until(lambda: os.path.exists(go), "all are ready")
    print(json.dumps([outcome == DATA for outcome in together(8, lambda _: made(cache, create=create))]))


def test_many_processes_make_an_entry_once(tally: Tally, elsewhere: Start, tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    ready, go = Tally(tmp_path / "ready"), tmp_path / "go"
    processes = [elsewhere(make_in_threads, cache.folder, tally.path, ready.path, go) for _ in range(5)]
    until(lambda: ready.count == 5, "all processes are there")
    go.touch()
    assert [outcome(process) for process in processes] == [[RIGHT] * 8] * 5
    assert tally.count == 1
    assert temporary_files(cache) == []


def test_what_create_raises_reaches_all_threads_that_wait(cache: DiskCache, tally: Tally) -> None:
    joined = joins(cache._once._flights)

    def create() -> bytes:
        tally.add()
        until(lambda: joined.count(KEY) == 16, "all the others wait")
        raise CannotBeMadeError

    outcomes = together(16, lambda _: made(cache, create=create))
    assert [type(outcome) for outcome in outcomes] == [CannotBeMadeError] * 16
    assert tally.count == 1
    assert kept(cache) is None
    assert made(cache) == DATA


def test_a_worker_that_is_told_to_stop_leaves_the_work_to_those_that_wait(cache: DiskCache) -> None:
    entered, joined = threading.Event(), joins(cache._once._flights)

    def stopped() -> bytes:
        entered.set()
        until(lambda: joined.count(KEY) == 6, "all the others wait")
        raise SystemExit

    def work(index: int) -> bytes:
        if index == 0:
            return made(cache, create=stopped)
        assert entered.wait(PATIENCE_SECONDS)
        return made(cache)

    first, *others = together(6, work)
    assert isinstance(first, SystemExit)
    assert others == [DATA] * 5


# Nobody waits for those who are gone, or for longer than the timeout.


def make_for_ever(folder: str, begun: str) -> None:
    def create() -> bytes:
        Tally(begun).add()
        time.sleep(10 * PATIENCE_SECONDS)
        return b"never"

    made(disk_cache(folder), create=create)


@posix
def test_a_killed_process_frees_its_lock(tmp_path: Path, tally: Tally, elsewhere: Start, warned: list[str]) -> None:
    cache = disk_cache(tmp_path / "cache")
    holder = elsewhere(make_for_ever, cache.folder, tally.path)
    until(lambda: tally.count, "the lock is held")
    holder.kill()
    assert made(cache) == kept(cache) == DATA
    assert warned == []  # so it did not wait until the timeout


@posix
def test_a_process_that_hangs_holds_nobody_up_for_longer_than_the_timeout(
    tmp_path: Path, tally: Tally, elsewhere: Start, warned: list[str]
) -> None:
    cache = disk_cache(tmp_path / "cache", lock_timeout=0.3)
    holder = elsewhere(make_for_ever, cache.folder, tally.path)
    until(lambda: tally.count, "the lock is held")
    os.kill(holder.pid, signal.SIGSTOP)
    assert made(cache) == kept(cache) == DATA
    assert len(warned) == 1
    assert "hangs" in warned[0]


def test_a_thread_that_hangs_holds_nobody_up_for_longer_than_the_timeout(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache", lock_timeout=0.2)
    entered, over = threading.Event(), threading.Event()

    def hang() -> bytes:
        entered.set()
        assert over.wait(PATIENCE_SECONDS)
        return DATA

    def work(index: int) -> bytes:
        if index == 0:
            return made(cache, create=hang)
        try:
            assert entered.wait(PATIENCE_SECONDS)
            return made(cache)
        finally:
            over.set()

    assert together(4, work) == [DATA] * 4


# A forked child has the memory of its parent's threads, but not the threads.


def fork_in_the_middle_of_a_flight(folder: str) -> None:
    cache = disk_cache(folder, lock_timeout=10 * PATIENCE_SECONDS)
    entered, forked = threading.Event(), threading.Event()

    def create() -> bytes:
        entered.set()
        assert forked.wait(PATIENCE_SECONDS)
        time.sleep(0.3)  # until the child waits for the same
        return DATA

    threading.Thread(target=lambda: made(cache, create=create), daemon=True).start()
    assert entered.wait(PATIENCE_SECONDS)
    child = fork(lambda: made(cache))
    forked.set()
    print(json.dumps(status_of(child)))


def fork_after_use(folder: str) -> None:
    cache = disk_cache(folder)
    made(cache, NEIGHBOUR)
    print(json.dumps(status_of(fork(lambda: made(cache)))))


def fork_and_start_threads(folder: str) -> None:
    statuses = []
    with eager_threads():
        for number in range(FORKS):
            cache = disk_cache(os.path.join(folder, str(number)))

            def work(cache: DiskCache = cache) -> bytes:
                outcomes = together(12, lambda index: made(cache, numbered(index)))
                return next((b"" for outcome in outcomes if outcome != DATA), DATA)

            statuses.append(status_of(fork(work)))
    print(json.dumps(statuses))


@posix
def test_a_fork_in_the_middle_of_a_flight_does_not_hang_the_child(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_in_the_middle_of_a_flight, tmp_path)) == 0


@posix
def test_a_cache_that_was_used_before_a_fork_works_after_it(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_after_use, tmp_path)) == 0


@posix
def test_many_threads_at_once_may_be_the_first_use_in_a_forked_child(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_and_start_threads, tmp_path)) == [0] * FORKS


# Once by itself.


def test_the_result_of_another_process_is_found_with_the_lock_held(tmp_path: Path) -> None:
    once = Once(Folder(str(tmp_path), temp_max_age=3600), PATIENCE_SECONDS)
    assert once.run(KEY, lambda: pytest.fail("it is made already"), find=lambda: "found") == "found"


def test_what_lands_has_reached_those_who_wait(tmp_path: Path) -> None:
    once = Once(Folder(str(tmp_path), temp_max_age=3600), PATIENCE_SECONDS)
    entered, told, joined = threading.Event(), threading.Event(), joins(once._flights)

    def make() -> str:
        entered.set()
        until(lambda: joined.count(KEY) == 2, "the other waits")
        return "made"

    def work(index: int) -> str:
        if index == 0:
            return once.run(
                KEY, make, landed=lambda result: told.wait(PATIENCE_SECONDS) or pytest.fail("nobody has it")
            )
        assert entered.wait(PATIENCE_SECONDS)
        try:
            return once.run(KEY, lambda: "made again")
        finally:
            told.set()

    assert together(2, work) == ["made", "made"]


def test_a_time_that_is_over_leaves_none_to_wait(tmp_path: Path, warned: list[str]) -> None:
    once = Once(Folder(str(tmp_path), temp_max_age=3600), PATIENCE_SECONDS)
    with FileLocks(str(tmp_path / "locks" / "renditions"), 0).hold(_lock_name(KEY)):
        begin = time.monotonic()
        assert once.run(KEY, lambda: "alone", since=begin - PATIENCE_SECONDS) == "alone"
        assert time.monotonic() - begin < PATIENCE_SECONDS
    assert len(warned) == 1


def test_who_has_time_left_goes_on_for_a_thread_that_has_waited_too_long(tmp_path: Path) -> None:
    once = Once(Folder(str(tmp_path), temp_max_age=3600), PATIENCE_SECONDS)
    entered, joined = threading.Event(), joins(once._flights)

    def give_up() -> str:
        entered.set()
        until(lambda: joined.count(KEY) == 6, "all the others wait")
        raise WaitedTooLong("for something else")

    def work(index: int) -> str:
        if index == 0:
            return once.run(KEY, give_up, since=time.monotonic() - PATIENCE_SECONDS)
        assert entered.wait(PATIENCE_SECONDS)
        return once.run(KEY, lambda: "made")

    first, *others = together(6, work)
    assert isinstance(first, WaitedTooLong)
    assert others == ["made"] * 5
