"""A web worker whose threads are all taken by renders says so once, as far as the server tells how many there are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from servers import NO_THREADS

from flask_images_vips.cache.per_process import PerProcess
from flask_images_vips.serving import server_threads as module


@pytest.fixture
def waitress(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Starts threads as waitress names them."""
    over = threading.Event()
    started: list[threading.Thread] = []

    def start(count: int) -> None:
        started.extend(threading.Thread(target=over.wait, name=f"waitress-{number}") for number in range(count))
        for thread in started:
            thread.start()

    monkeypatch.setattr(module, "_process", PerProcess(module._Process))
    yield start
    over.set()
    for thread in started:
        thread.join()


def taken(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith(NO_THREADS)]


def take(threads: int) -> None:
    """Take so many threads at the same time."""
    with ExitStack() as stack:
        for _ in range(threads):
            stack.enter_context(module.take_thread())


def test_a_process_tells_once_that_its_last_thread_is_taken(waitress: Callable[[int], None], caplog: Any) -> None:
    waitress(3)
    take(2)
    assert taken(caplog) == []
    for _ in range(3):
        take(3)
    (message,) = taken(caplog)
    assert message.startswith(f"{NO_THREADS}(3)")
    assert message.endswith("such as 64.")


def test_more_than_the_usual_number_is_recommended_if_that_was_not_enough(
    waitress: Callable[[int], None], caplog: Any
) -> None:
    waitress(80)
    take(80)
    assert taken(caplog)[0].endswith("such as 160.")


def test_fewer_threads_at_the_same_time_are_nothing_to_tell(waitress: Callable[[int], None], caplog: Any) -> None:
    waitress(2)
    for _ in range(5):
        with pytest.raises(ValueError, match="failed"), module.take_thread():
            raise ValueError("failed")
    assert taken(caplog) == []


def test_a_server_that_does_not_say_is_not_guessed(waitress: Callable[[int], None], caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    assert module.server_threads() is None
    take(100)
    assert taken(caplog) == []
