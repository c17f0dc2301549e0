"""Slots bound the renders on all hosts while Redis answers, and those of a process that died are free again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from cache.shared import PATIENCE_SECONDS, Tally, posix, together, until
from conftest import Start
from flask import Flask
from real_servers import RedisServer
from test_producer import producer_of, rendition

from flask_images_vips.errors import Busy, WaitedTooLong
from flask_images_vips.fleet.slots import Slots
from flask_images_vips.state import images_of
from fleet.conftest import Log
from fleet.shared import LocksOfFleet


def slots_at(url: str, count: int, timeout: float = PATIENCE_SECONDS, **more: Any) -> Slots:
    """The slots of one host."""
    host = LocksOfFleet(url, timeout, **more)
    return Slots(host.leases, count, timeout)


def is_free(slots: Slots) -> bool:
    try:
        with slots.take(0):
            return True
    except WaitedTooLong:
        return False


@pytest.fixture
def client(redis_server: RedisServer) -> Any:
    return redis.Redis(port=redis_server.port)


def test_no_more_renders_run_than_there_are_slots(redis_server: RedisServer) -> None:
    hosts = [slots_at(redis_server.url, 3, lease_seconds=600) for _ in range(3)]
    changing, inside, most = threading.Lock(), set[int](), [0]

    def work(index: int) -> bool:
        with hosts[index % 3].take(time.monotonic()):
            with changing:
                inside.add(index)
                most[0] = max(most[0], len(inside))
            time.sleep(0.05)
            inside.remove(index)
        return True

    assert together(18, work) == [True] * 18
    assert most == [3]


def test_a_slot_that_does_not_become_free_in_time_is_busy(redis_server: RedisServer) -> None:
    slots = slots_at(redis_server.url, 1, timeout=0.1)
    words = r"0\.1 s .* one of 1 renders on all hosts"
    with (
        slots.take(time.monotonic()),
        pytest.raises(WaitedTooLong, match=words),
        slots.take(time.monotonic()),
    ):
        pass
    assert is_free(slots)


def test_slots_that_nobody_waits_for_cost_two_commands_and_no_message(redis_server: RedisServer, client: Any) -> None:
    slots = slots_at(redis_server.url, 2)
    for _ in range(5):
        with slots.take(time.monotonic()):
            pass
    stats = client.info("commandstats")
    assert (stats["cmdstat_eval"]["calls"], "cmdstat_publish" in stats) == (10, False)
    assert client.keys() == []


def test_a_slot_is_kept_for_longer_than_a_lease_and_when_redis_has_lost_it(
    redis_server: RedisServer, client: Any
) -> None:
    first, second = (slots_at(redis_server.url, 1, lease_seconds=1) for _ in range(2))
    with first.take(time.monotonic()):
        time.sleep(1.5)
        assert not is_free(second)
        client.flushall()
        until(lambda: client.zcard("images:slots"), "the slot is taken again")
        assert not is_free(second)
    assert is_free(second)


def take_for_ever(url: str, begun: str) -> None:
    with slots_at(url, 1).take(time.monotonic()):
        Tally(begun).add()
        time.sleep(10 * PATIENCE_SECONDS)


@posix
def test_the_slot_of_a_killed_process_is_free_again(
    redis_server: RedisServer, elsewhere: Start, tally: Tally, log: Log
) -> None:
    process = elsewhere(take_for_ever, redis_server.url, tally.path)
    until(lambda: tally.count, "the slot is taken")
    process.kill()
    with slots_at(redis_server.url, 1).take(time.monotonic()):
        assert log.lines == []


def test_without_redis_nothing_is_bounded(redis_server: RedisServer, log: Log) -> None:
    slots = slots_at(redis_server.url, 1)
    redis_server.stop()
    with slots.take(time.monotonic()), slots.take(time.monotonic()):
        assert len(log.of("WARNING")) == 1


def test_renders_of_an_application_take_slots(
    redis_server: RedisServer, make_app: Callable[..., Flask], draw: Any
) -> None:
    app = make_app(IMAGES_REDIS=redis_server.url, IMAGES_MAX_RENDERS_IN_ALL=1, IMAGES_LOCK_TIMEOUT=0.2)
    wanted = rendition(draw("a.png"), width=32)
    fleet = images_of(app).fleet
    assert fleet is not None
    assert fleet.slots is not None
    with fleet.slots.take(time.monotonic()), pytest.raises(Busy, match="IMAGES_MAX_RENDERS_IN_ALL"):
        producer_of(app).render(wanted, time.monotonic())
    assert producer_of(app).render(wanted, time.monotonic()).files
