"""One turn for each process, a queue in the order of arrival, and none lost by errors and forks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from servers import PATIENCE_SECONDS, until

from flask_images_vips.errors import Busy, WaitedTooLong
from flask_images_vips.pool.turns import Turns


class Holder:
    """A thread that asks for a turn, and holds it until it is told to leave."""

    def __init__(self, turns: Turns) -> None:
        self.holds, self._leave = threading.Event(), threading.Event()
        self.refused: Busy | None = None
        self.thread = threading.Thread(target=self._hold, args=(turns,), daemon=True)
        self.thread.start()

    def _hold(self, turns: Turns) -> None:
        try:
            with turns.take(time.monotonic()):
                self.holds.set()
                self._leave.wait(PATIENCE_SECONDS)
        except Busy as error:
            self.refused = error

    def leave(self) -> None:
        self._leave.set()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


@pytest.fixture
def hold() -> Iterator[Callable[[Turns], Holder]]:
    """Starts holders, each of which has the turn or is in the queue when this returns. They leave after the test."""
    holders: list[Holder] = []

    def start(turns: Turns) -> Holder:
        length = queue_length(turns)
        holders.append(Holder(turns))
        until(lambda: queue_length(turns) > length, "the thread asks for a turn")
        return holders[-1]

    yield start
    for holder in holders:
        holder._leave.set()
    for holder in holders:
        holder.leave()


def queue_length(turns: Turns) -> int:
    return len(turns._process.get().queue)


def test_one_thread_has_the_turn_at_a_time_and_all_get_it_in_the_order_of_arrival(
    hold: Callable[[Turns], Holder],
) -> None:
    turns = Turns(PATIENCE_SECONDS)
    holders = [hold(turns) for _ in range(5)]
    for number, holder in enumerate(holders):
        assert holder.holds.wait(PATIENCE_SECONDS)
        assert not any(other.holds.is_set() for other in holders[number + 1 :])
        holder.leave()
    assert queue_length(turns) == 0


def test_a_thread_that_waits_too_long_is_refused_and_leaves_its_place(hold: Callable[[Turns], Holder]) -> None:
    turns = Turns(0.05)
    first = hold(turns)
    with pytest.raises(WaitedTooLong, match=r"waited 0\.05 s"), turns.take(time.monotonic()):
        pytest.fail("no turn was free")
    assert queue_length(turns) == 1
    first.leave()
    with turns.take(time.monotonic() - 100):  # it need not wait
        assert queue_length(turns) == 1


def test_work_that_yields_takes_the_turn_only_if_nobody_else_asks_for_it(hold: Callable[[Turns], Holder]) -> None:
    turns = Turns(PATIENCE_SECONDS)
    with turns.take(time.monotonic(), yields=True):
        assert queue_length(turns) == 1
    first = hold(turns)
    with pytest.raises(Busy), turns.take(time.monotonic(), yields=True):
        pytest.fail("the turn was taken")
    first.leave()
    with turns.take(time.monotonic(), yields=True):
        pass


def test_an_error_in_the_block_ends_the_turn() -> None:
    turns = Turns(0)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), turns.take(time.monotonic()):
            raise ValueError("broken")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_turn_of_its_own_while_threads_of_its_parent_hold_and_wait(
    hold: Callable[[Turns], Holder],
) -> None:
    turns = Turns(0)
    hold(turns)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with turns.take(time.monotonic()):
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
