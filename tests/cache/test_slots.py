"""Render slots: so many at once on a host, so heavy in a process, a short queue, and nothing left by the dead."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import TESTS

from flask_images_vips.cache.slots import AT_ONCE, Slots
from flask_images_vips.errors import Busy

PATIENCE_SECONDS = 60  # how long a test waits for what must happen
LIGHT = 1

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: fork, kill")


def slots_in(folder: str | Path, count: int, *, waiting: int = 100, weight: int = 10**9, timeout: float = 60) -> Slots:
    return Slots(str(folder), count, waiting=waiting, weight=weight, timeout=timeout)


def until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain until {what}")
        time.sleep(0.002)


def queue_length(slots: Slots) -> int:
    return len(slots._process.get().queue)


class Holder:
    """A thread that asks for a slot, and holds it until it is told to leave."""

    def __init__(self, slots: Slots, weight: int = LIGHT, entered: Callable[[], object] = lambda: None) -> None:
        self.holds, self._leave, self._entered = threading.Event(), threading.Event(), entered
        self.refused: Busy | None = None
        self.thread = threading.Thread(target=self._hold, args=(slots, weight), daemon=True)
        self.thread.start()

    def _hold(self, slots: Slots, weight: int) -> None:
        try:
            with slots.hold(weight):
                self._entered()
                self.holds.set()
                self._leave.wait(PATIENCE_SECONDS)
        except Busy as error:
            self.refused = error

    def leave(self) -> None:
        self._leave.set()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    """Starts holders, which leave after the test."""
    holders: list[Holder] = []

    def start(slots: Slots, weight: int = LIGHT, *, queued: bool = False) -> Holder:
        """A holder that has its slot, or else stands in the queue."""
        length = queue_length(slots)
        holder = Holder(slots, weight)
        holders.append(holder)
        if queued:
            until(lambda: queue_length(slots) > length, "a thread stands in the queue")
        else:
            until(holder.holds.is_set, "a thread has a slot")
        return holder

    yield start
    for holder in holders:
        holder._leave.set()
    for holder in holders:
        holder.leave()


# Other processes.


def start(function: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that calls a function of this file."""
    call = f"import sys; from cache.test_slots import {function}; {function}(*sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", call, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def running(function: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """As `start`; the process and what it forked are gone after the block."""
    with start(function, *arguments) as process:
        # A process that neither speaks nor ends would hold up the test for ever.
        watchdog = threading.Timer(PATIENCE_SECONDS, kill_group, (process,))
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            kill_group(process)


def kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # as macOS says of a dead group
        os.killpg(process.pid, signal.SIGKILL)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def say(word: str) -> None:
    print(word, flush=True)


def hold_often(folder: str, log: str, count: str, threads: str) -> None:
    """Threads that take a slot and leave it, and write both into *log* while they hold it."""
    slots = slots_in(folder, int(count))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # one write is one line, in the true order

    def work() -> None:
        for _ in range(10):
            with slots.hold(LIGHT):
                os.write(descriptor, b"+\n")
                time.sleep(0.003)
                os.write(descriptor, b"-\n")

    workers = [threading.Thread(target=work) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_SECONDS)


def most_holders(log: Path) -> tuple[int, int]:
    """How many held a slot at the same time, at most, and how many did in all."""
    now = most = total = 0
    for line in log.read_text().split():
        now += 1 if line == "+" else -1
        most, total = max(most, now), total + (line == "+")
    assert now == 0
    return most, total


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_threads_than_slots_hold_one(tmp_path: Path, count: int) -> None:
    hold_often(str(tmp_path / "slots"), str(tmp_path / "log"), str(count), "12")
    assert most_holders(tmp_path / "log") == (count, 120)


@posix
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_threads_of_all_processes_than_slots_hold_one(tmp_path: Path, count: int) -> None:
    arguments = (tmp_path / "slots", tmp_path / "log", count, 3)
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(running("hold_often", *arguments)) for _ in range(4)]
        assert [process.wait(PATIENCE_SECONDS) for process in processes] == [0] * 4
    assert most_holders(tmp_path / "log") == (count, 120)


# Weight.


def test_holders_of_one_process_weigh_no_more_than_its_bound(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 4, weight=10)
    first, second = hold(slots, 4), hold(slots, 6)
    third = hold(slots, 1, queued=True)
    assert not third.holds.wait(0.05)
    first.leave()
    until(third.holds.is_set, "the weight of the one that left is free")
    assert second.holds.is_set()


def test_what_weighs_more_than_the_bound_is_let_in_alone(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 4, weight=10)
    light = hold(slots, 1)
    heavy = hold(slots, 11, queued=True)
    assert not heavy.holds.wait(0.05)
    light.leave()
    until(heavy.holds.is_set, "the heavy one is let in")
    light = hold(slots, 1, queued=True)
    assert not light.holds.wait(0.05)
    heavy.leave()
    until(light.holds.is_set, "the light one is let in after it")


def test_weight_is_counted_for_each_process_by_itself(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    one, other = (slots_in(tmp_path, 2, weight=10) for _ in range(2))  # as two processes have one each
    hold(one, 10)
    hold(other, 10)


# The queue.


def test_who_finds_the_queue_full_is_refused_at_once(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 1, waiting=2, timeout=10 * PATIENCE_SECONDS)
    holder = hold(slots)
    queue = [hold(slots, queued=True) for _ in range(2)]
    with pytest.raises(Busy) as refused, slots.hold(LIGHT):
        pass
    assert refused.value.retry_after >= 1
    holder.leave()
    queue[0].leave()
    queue[1].leave()
    with slots.hold(LIGHT):
        pass


def test_a_refused_one_leaves_its_place_to_others(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 1, waiting=1, timeout=0.02)
    holder = hold(slots)
    for _ in range(3):
        with pytest.raises(Busy, match="waited"), slots.hold(LIGHT):
            pass
    holder.leave()
    with slots.hold(LIGHT):
        pass


def test_waiting_for_longer_than_the_timeout_is_refused(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 1, timeout=0.05)
    hold(slots)
    waiting = [Holder(slots) for _ in range(4)]
    for each in waiting:
        each.thread.join(PATIENCE_SECONDS)
        assert each.refused is not None


def test_waiting_for_other_processes_longer_than_the_timeout_is_refused(
    tmp_path: Path, hold: Callable[..., Holder]
) -> None:
    hold(slots_in(tmp_path, 1))
    slots = slots_in(tmp_path, 1, timeout=0.05)
    waiting = [Holder(slots) for _ in range(4)]  # the head polls the lock files, the others wait behind it
    for each in waiting:
        each.thread.join(PATIENCE_SECONDS)
        assert each.refused is not None


def test_a_slot_can_be_taken_at_once_or_not_at_all(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots, other = slots_in(tmp_path, 1), slots_in(tmp_path, 1)  # as two processes have one each
    with slots.hold(LIGHT, AT_ONCE):
        pass
    for each in (slots, other):
        holder = hold(each)
        begin = time.monotonic()
        with pytest.raises(Busy), slots.hold(LIGHT, AT_ONCE):
            pass
        assert time.monotonic() - begin < 1
        assert queue_length(slots) == 0
        holder.leave()


def test_threads_of_a_process_are_let_in_as_they_came(tmp_path: Path) -> None:
    slots = slots_in(tmp_path, 1)
    order: list[int] = []
    first = Holder(slots)
    until(first.holds.is_set, "the first has its slot")
    waiting = []
    for number in range(10):
        waiting.append(Holder(slots, LIGHT, lambda number=number: order.append(number)))
        until(lambda: queue_length(slots) == len(waiting), "the next one stands in the queue")
    for holder in (first, *waiting):
        holder.leave()
    assert order == list(range(10))


def test_a_light_one_does_not_pass_a_heavy_one(tmp_path: Path, hold: Callable[..., Holder]) -> None:
    slots = slots_in(tmp_path, 3, weight=10)
    first = hold(slots, 5)
    heavy, light = hold(slots, 10, queued=True), hold(slots, 1, queued=True)
    assert not light.holds.wait(0.05)
    first.leave()
    until(heavy.holds.is_set, "the heavy one is let in")
    assert not light.holds.is_set()
    heavy.leave()


def test_an_error_in_the_block_frees_the_slot(tmp_path: Path) -> None:
    slots = slots_in(tmp_path, 1, timeout=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="in the block"), slots.hold(LIGHT):
            raise ValueError("in the block")


# The dead, and the forked.


def hold_for_ever(folder: str, count: str) -> None:
    with slots_in(folder, int(count)).hold(LIGHT):
        say("holds")
        time.sleep(PATIENCE_SECONDS)


@posix
def test_a_killed_holder_frees_its_slot(tmp_path: Path) -> None:
    for _ in range(5):
        with running("hold_for_ever", tmp_path, 1) as process:
            assert line_of(process) == "holds"
            with pytest.raises(Busy), slots_in(tmp_path, 1, timeout=0.02).hold(LIGHT):
                pass
            process.kill()
            with slots_in(tmp_path, 1).hold(LIGHT):
                pass


def fork_while_held(folder: str) -> None:
    """Fork while one thread holds the only slot, another one waits, and the queue's own lock is taken."""
    slots = slots_in(folder, 1, waiting=1)
    holder = Holder(slots)
    until(holder.holds.is_set, "a thread has the slot")
    waiting = Holder(slots)
    until(lambda: queue_length(slots) == 1, "another one waits")
    with slots._process.get().changed:
        pid = os.fork()
    if not pid:
        status = 1
        try:
            other = Holder(slots)  # not refused: nobody of this process waits
            until(lambda: queue_length(slots) == 1, "the child's thread waits")
            say("child waits" if not other.holds.wait(0.05) else "child holds what its parent holds")
            until(other.holds.is_set, "the child's thread has the slot")
            say("child holds")
            other.leave()
            status = 0
        finally:
            os._exit(status)
    sys.stdin.readline()
    holder.leave()
    waiting.leave()
    _, status = os.waitpid(pid, 0)
    say(f"child ended with {os.waitstatus_to_exitcode(status)}")


@posix
def test_a_forked_child_starts_clean_while_its_parent_s_threads_hold_and_wait(tmp_path: Path) -> None:
    with running("fork_while_held", tmp_path) as process:
        assert line_of(process) == "child waits"
        assert process.stdin is not None
        process.stdin.write("leave\n")
        process.stdin.flush()
        assert line_of(process) == "child holds"
        assert line_of(process) == "child ended with 0"


def fork_and_sleep(folder: str) -> None:
    slots = slots_in(folder, 1)
    with slots.hold(LIGHT):
        if not os.fork():
            say("child lives")
            time.sleep(PATIENCE_SECONDS)
            os._exit(0)
        time.sleep(PATIENCE_SECONDS)


@posix
def test_a_child_keeps_no_slot_of_a_parent_that_was_killed(tmp_path: Path) -> None:
    with running("fork_and_sleep", tmp_path) as process:
        assert line_of(process) == "child lives"
        process.kill()
        with slots_in(tmp_path, 1).hold(LIGHT):
            pass


# A folder that takes no locks.


def test_where_no_locks_can_be_taken_a_process_keeps_its_own_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    caplog.set_level(logging.WARNING)
    hold_often(str(tmp_path / "file" / "slots"), str(tmp_path / "log"), "2", "8")
    assert most_holders(tmp_path / "log") == (2, 80)
    assert len([record for record in caplog.records if "cannot be used" in record.getMessage()]) == 1
    assert len(caplog.records) == 1


def test_where_no_locks_can_be_taken_the_queue_and_the_weight_are_kept(
    tmp_path: Path, hold: Callable[..., Holder]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    slots = slots_in(tmp_path / "file" / "slots", 2, waiting=1, weight=10)
    hold(slots, 10)
    hold(slots, 1, queued=True)
    with pytest.raises(Busy), slots.hold(LIGHT):
        pass


def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    slots = slots_in(tmp_path / "slots", 1)
    for _ in range(3):
        with slots.hold(LIGHT):
            shutil.rmtree(tmp_path / "slots")
        with slots.hold(LIGHT), pytest.raises(Busy), slots_in(tmp_path / "slots", 1, timeout=0.02).hold(LIGHT):
            pass
