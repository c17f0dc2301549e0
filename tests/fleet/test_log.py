"""The log that hosts share in Redis."""

from __future__ import annotations

import os

import pytest
from real_servers import RedisServer

from flask_images_vips.fleet import log as module
from flask_images_vips.fleet.connection import RedisConnection, RedisFailed
from flask_images_vips.fleet.log import ALLOW, CLOSE, FORGET, PURGE, Event, EventLog, Position

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: redis-server")


@pytest.fixture
def connection(redis_server: RedisServer) -> RedisConnection:
    return RedisConnection(redis_server.url, "images", timeout=5)


@pytest.fixture
def log(connection: RedisConnection) -> EventLog:
    return EventLog(connection)


def refs(log: EventLog, position: Position | None) -> list[str]:
    """The refs of all events after *position*, of which nothing may be missing."""
    found = []
    while True:
        batch = log.read(position)
        assert batch.is_complete
        found += [event.ref for event in batch.events]
        position = batch.position
        if batch.is_last:
            return found


def test_events_are_read_in_their_order_from_where_a_host_has_stopped(log: EventLog) -> None:
    begin = log.read(None)
    assert (begin.events, begin.is_complete, begin.is_last, begin.last, log.newest()) == ([], True, True, 0, 0)
    first, second = Event(FORGET, "ä b.png", "one"), Event(CLOSE, "", "two")
    assert (log.append(first), log.append(second)) == (1, 2)
    batch = log.read(begin.position)
    assert (list(batch.events), batch.is_complete, batch.last, log.newest()) == ([first, second], True, 2, 2)
    assert list(log.read(batch.position).events) == []
    log.append(Event(PURGE, "c.png", "one"))
    assert refs(log, batch.position) == ["c.png"]
    assert refs(log, begin.position) == refs(log, None) == ["ä b.png", "", "c.png"]


def test_a_number_that_the_log_never_gave_is_ignored(log: EventLog, connection: RedisConnection) -> None:
    begin = log.read(None).position
    connection.run(lambda client: client.xadd(connection.key("log"), {"number": 999, "kind": "x"}))
    log.append(Event(PURGE, "a.png", "one"))
    batch = log.read(begin)
    assert (len(batch.events), batch.is_complete, batch.position.number) == (1, True, 1)


def test_many_events_come_in_batches(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    monkeypatch.setattr(module, "_READ", module._READ.replace("1000)", "3)"))
    begin = log.read(None).position
    for number in range(8):
        log.append(Event(ALLOW, str(number), "one"))
    assert refs(log, begin) == [str(number) for number in range(8)]


def test_a_host_notices_that_events_are_missing(log: EventLog, connection: RedisConnection) -> None:
    begin = log.read(None).position
    for number in range(3):
        log.append(Event(PURGE, str(number), "one"))
    middle = log.read(begin).position
    log.append(Event(PURGE, "3", "one"))
    connection.run(lambda client: client.xtrim("images:log", maxlen=1, approximate=False))
    assert refs(log, middle) == ["3"]
    assert not log.read(begin).is_complete
    connection.run(lambda client: client.xtrim("images:log", maxlen=0, approximate=False))
    assert not log.read(middle).is_complete
    end = log.read(middle).position
    log.append(Event(PURGE, "4", "one"))
    assert refs(log, end) == ["4"]


def test_a_host_notices_that_the_log_is_another_one(log: EventLog, connection: RedisConnection) -> None:
    log.append(Event(PURGE, "a", "one"))
    before = log.read(None).position
    connection.run(lambda client: client.flushall())
    for ref in ("b", "c"):
        log.append(Event(PURGE, ref, "one"))
    batch = log.read(before)
    assert ([event.ref for event in batch.events], batch.is_complete) == (["b", "c"], False)
    assert refs(log, batch.position) == []


def test_old_events_are_removed(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = log.read(None).position
    log.append(Event(PURGE, "a", "one"))
    monkeypatch.setattr(module, "_LONGEST_SECONDS", -60)
    assert not log.read(begin).is_complete


@pytest.mark.parametrize(
    "fields",
    [
        {"x": "y"},
        {"number": "1", "kind": "explode", "ref": "a", "by": "b"},
        {"number": "1", "kind": PURGE, "ref": "", "by": "b"},
        {"number": "1", "kind": CLOSE, "ref": "a", "by": "b"},
        {"number": "1", "kind": PURGE, "ref": b"\xff", "by": "b"},
        {"number": "1", "kind": PURGE, "ref": "a" * 10_001, "by": "b"},
        {"number": "9" * 30, "kind": PURGE, "ref": "", "by": "b"},
        {"number": "-1", "kind": PURGE},
    ],
)
def test_junk_is_passed_over(log: EventLog, connection: RedisConnection, fields: dict[str, bytes | str]) -> None:
    begin = log.read(None).position
    log.append(Event(PURGE, "a", "one"))
    connection.run(lambda client: client.xadd("images:log", fields))
    log.append(Event(PURGE, "b", "one"))
    assert refs(log, begin) == ["a", "b"]


def test_a_redis_that_is_away_fails_at_once(log: EventLog, redis_server: RedisServer) -> None:
    redis_server.stop()
    with pytest.raises(RedisFailed):
        log.append(Event(PURGE, "a", "one"))
    with pytest.raises(RedisFailed):
        log.read(None)
