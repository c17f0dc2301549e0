"""A lease is open again after the pool has closed it, however many threads use it."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

pytest.importorskip("fcntl")  # a place of renderers needs it

from flask_images_vips.pool.lease import Lease
from flask_images_vips.pool.place import Place

THREADS, TIMES = 8, 300


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
def test_threads_may_renew_a_lease_at_the_same_time(runtime: Path) -> None:
    place = Place()
    assert place.folder.startswith(str(runtime))
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(place.path("leases"))
        listener.listen(100)
        closer = threading.Thread(target=close_all, args=(listener,))
        closer.start()
        lease = Lease(place, 1)

        def hold_often() -> None:
            for _ in range(TIMES):
                lease.hold()

        with ThreadPoolExecutor(THREADS) as threads:
            results = [threads.submit(hold_often) for _ in range(THREADS)]
        listener.shutdown(socket.SHUT_RDWR)
        closer.join()
    lease._close()
    assert [result.exception() for result in results] == [None] * THREADS


def test_a_lease_that_is_older_than_its_connection_is_collected_without_a_warning(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    place = Place()
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(place.path("leases"))
        listener.listen(100)
        circle: list[object] = [lease := Lease(place, 1)]
        circle.append(circle)
        gc.collect(0)  # the youngest objects are finalized before those that have survived this once
        lease.hold()
        del circle, lease
        gc.collect()
    assert not unraisable


def test_the_lease_of_an_application_that_is_gone_is_closed(runtime: Path) -> None:
    place = Place()
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(place.path("leases"))
        listener.listen(100)
        gc.collect()  # the applications of other tests
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            Lease(place, 1).hold()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == before


def close_all(listener: socket.socket) -> None:
    """Close each connection at once, as a pool does that ends."""
    with suppress(OSError):
        while True:
            listener.accept()[0].close()
