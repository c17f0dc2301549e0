"""One value per process: the same for all its threads, and another one in a forked child."""

from __future__ import annotations

import json
import os
import threading

import pytest
from conftest import Start

from cache.shared import eager_threads, outcome, posix, together
from flask_images_vips.cache.per_process import PerProcess


def test_a_value_is_made_at_its_first_use_and_kept() -> None:
    made: list[int] = []
    value = PerProcess(lambda: made.append(len(made)) or [len(made)])
    assert made == []
    assert value.get() is value.get()
    assert made == [0]


def test_a_value_that_is_false_is_kept_too() -> None:
    value: PerProcess[list[int]] = PerProcess(list)
    assert value.get() is value.get()


def test_two_of_them_share_nothing() -> None:
    assert PerProcess(object).get() is not PerProcess(object).get()


def test_threads_that_ask_first_at_the_same_time_get_the_same_value() -> None:
    with eager_threads():
        for _ in range(100):
            value = PerProcess(object)
            assert len({id(each) for each in together(12, lambda _, value=value: value.get())}) == 1


def test_an_error_while_it_is_made_is_raised_and_the_next_call_tries_again() -> None:
    outcomes = iter([ValueError("not yet"), "made"])

    def make() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    value = PerProcess(make)
    with pytest.raises(ValueError, match="not yet"):
        value.get()
    assert value.get() == "made"


def fork_with_a_lock_that_is_held() -> None:
    value = PerProcess(threading.Lock)
    parents = value.get()
    with parents:
        child = os.fork()
        if not child:
            os._exit(0 if value.get() is not parents and value.get().acquire(timeout=1) else 1)
        _, status = os.waitpid(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), value.get() is parents]))


@posix
def test_a_forked_child_has_a_value_of_its_own(elsewhere: Start) -> None:
    assert outcome(elsewhere(fork_with_a_lock_that_is_held)) == [0, True]
