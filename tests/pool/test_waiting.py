"""How many requests wait for a renderer, as the kernel counts them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.pool.place import Place
from flask_images_vips.pool.turns import Turns
from pool.shared import header, pool, processes, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

CLIENTS = 5


@pytest.mark.parametrize("name", ["short", "long" * 30])
def test_connections_that_no_renderer_has_accepted_are_counted(runtime: Path, name: str) -> None:
    folder = runtime / name
    folder.mkdir(0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    place = Place()
    assert place.waiting() == 0
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        with place.address(f"{place.bound_name('visitors')}1234") as address:
            listener.bind(address)
        (folder / "flask-images-vips" / f"{place.bound_name('visitors')}1234").rename(place.path("visitors"))
        listener.listen(CLIENTS)
        for _ in range(CLIENTS):
            stack.enter_context(place.connect("visitors", time.monotonic() + 5))
        assert place.waiting() == CLIENTS
        stack.enter_context(listener.accept()[0])
        assert place.waiting() == CLIENTS - 1
    assert place.waiting() == 0


def test_requests_that_wait_for_real_renderers_are_counted(runtime: Path, draw: Any) -> None:
    picture, own = draw("a.png"), pool(runtime, count=1)
    header(own, picture)
    assert own.place.waiting() == 0
    stopped = processes(runtime)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(CLIENTS) as threads:
        jobs = [threads.submit(header, own, picture) for _ in range(CLIENTS)]
        until(lambda: own.place.waiting() == CLIENTS)
        for process in stopped:
            os.kill(process, signal.SIGCONT)
        assert all(job.result().result.header for job in jobs)
    assert own.place.waiting() == 0


def test_threads_that_wait_for_their_turn_are_counted() -> None:
    turns, over = Turns(10), threading.Event()

    def work() -> None:
        with turns.take(time.monotonic()):
            over.wait()

    assert turns.waiting() == 0
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while turns.waiting() < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert turns.waiting() == 2
    over.set()
    for thread in threads:
        thread.join()
    assert turns.waiting() == 0
