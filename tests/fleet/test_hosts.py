"""Work is done once over hosts that share an object store and Redis, and nobody waits for ever.

Hosts keep the same promises as the processes of one host: see ``cache/test_once.py``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from cache.shared import (
    DATA,
    PATIENCE_SECONDS,
    RIGHT,
    CannotBeMadeError,
    Tally,
    disk_cache,
    kept,
    made,
    outcome,
    together,
    until,
)
from conftest import Start
from real_servers import RedisServer, StoreServer, store_options

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore
from fleet.conftest import Log
from fleet.shared import LocksOfFleet


class Shared:
    """What all hosts share: an object store and Redis."""

    def __init__(self, store_port: int, store_url: str, redis_url: str) -> None:
        self.arguments = store_port, store_url, redis_url

    def host(self, folder: Path | str, timeout: float = PATIENCE_SECONDS) -> DiskCache:
        """The cache of a new host, whose disk is *folder*."""
        port, url, redis_url = self.arguments
        store = ObjectStore(parse_location(url), store_options(port), timeout=10)
        return disk_cache(folder, lock_timeout=timeout, shared=ObjectCache(store, LocksOfFleet(redis_url, 0)._locks))


@pytest.fixture
def shared(store_server: StoreServer, store_url: str, redis_server: RedisServer) -> Shared:
    return Shared(store_server.port, store_url, redis_server.url)


def make_in_threads(folder: str, port: str, store_url: str, redis_url: str, tally: str, ready: str, go: str) -> None:
    cache = Shared(int(port), store_url, redis_url).host(folder)

    def create() -> bytes:
        Tally(tally).add()
        time.sleep(0.1)
        return DATA

    Tally(ready).add()
    until(lambda: os.path.exists(go), "all are ready")
    print(json.dumps([found == DATA for found in together(8, lambda _: made(cache, create=create))]))


def test_many_hosts_make_an_entry_once(shared: Shared, tally: Tally, elsewhere: Start, tmp_path: Path) -> None:
    ready, go = Tally(tmp_path / "ready"), tmp_path / "go"
    folders = [tmp_path / str(number) for number in range(4)]
    files = tally.path, ready.path, go
    processes = [elsewhere(make_in_threads, folder, *shared.arguments, *files) for folder in folders]
    until(lambda: ready.count == 4, "all hosts are there")
    go.touch()
    assert [outcome(process) for process in processes] == [[RIGHT] * 8] * 4
    assert tally.count == 1
    assert [kept(shared.host(folder)) for folder in folders] == [DATA] * 4


def test_an_error_of_one_host_leaves_the_work_to_the_others(shared: Shared, tmp_path: Path, log: Log) -> None:
    entered = threading.Event()

    def create() -> bytes:
        entered.set()
        time.sleep(0.3)  # until the other waits
        raise CannotBeMadeError

    def work(index: int) -> bytes:
        cache = shared.host(tmp_path / str(index))
        if index == 0:
            return made(cache, create=create)
        assert entered.wait(PATIENCE_SECONDS)
        return made(cache)

    first, second = together(2, work)
    assert isinstance(first, CannotBeMadeError)
    assert second == DATA
    assert log.lines == []


def test_a_host_that_hangs_holds_nobody_up_for_longer_than_the_timeout(
    shared: Shared, tmp_path: Path, log: Log
) -> None:
    entered, over = threading.Event(), threading.Event()

    def hang() -> bytes:
        entered.set()
        assert over.wait(PATIENCE_SECONDS)
        return b"of the host that was too late"

    def work(index: int) -> bytes:
        if index == 0:
            return made(shared.host(tmp_path / "0"), create=hang)
        try:
            assert entered.wait(PATIENCE_SECONDS)
            return made(shared.host(tmp_path / "1", timeout=0.3))
        finally:
            over.set()

    assert together(2, work) == [DATA, DATA]
    (warning,) = log.of("WARNING")
    assert "may hang" in warning


def test_hosts_that_cannot_lock_each_other_out_store_the_same(
    shared: Shared, redis_server: RedisServer, tmp_path: Path, log: Log
) -> None:
    redis_server.stop()
    both = threading.Barrier(2)

    def work(index: int) -> bytes:
        def create() -> bytes:
            both.wait(PATIENCE_SECONDS)  # passes only while the other is made too
            return b"%d" % index

        return made(shared.host(tmp_path / str(index)), create=create)

    first, second = together(2, work)
    assert first == second == kept(shared.host(tmp_path / "0")) == kept(shared.host(tmp_path / "1"))
    assert [line[:8] for line in log.of("WARNING")] == ["Redis at"] * 2  # one of each host
