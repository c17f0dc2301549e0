"""Locks over hosts hold while their process lives, tell those who wait, and do without Redis.

What they have in common with file locks is in ``cache/test_locks.py``.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from cache.shared import PATIENCE_SECONDS, Tally, posix, until
from conftest import Start
from real_servers import Proxy, RedisServer

from flask_images_vips.fleet.listener import Listener
from fleet.conftest import Log
from fleet.shared import LocksOfFleet

NAME, KEY = "c0ffee", "images:lock:c0ffee"


class Waiting:
    """A thread that waits for a lock. Once it has waited, *held* is whether it got the lock."""

    def __init__(self, locks: LocksOfFleet, needless: Callable[[], bool] = lambda: False) -> None:
        self.held: bool | None = None
        self._locks, self._needless = locks, needless
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def _hold(self) -> None:
        with self._locks.hold(NAME, needless=self._needless) as held:
            self.held = held

    def end(self) -> bool | None:
        self._thread.join(2 * PATIENCE_SECONDS)
        return self.held


@pytest.fixture
def client(redis_server: RedisServer) -> Any:
    return redis.Redis(port=redis_server.port)


def holder(client: Any) -> bytes | None:
    token: bytes | None = client.hget(KEY, "holder")
    return token


def calls(client: Any, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


# What it costs, and how it ends.


def test_a_lock_that_nobody_waits_for_costs_two_commands_and_no_message(redis_server: RedisServer, client: Any) -> None:
    locks = LocksOfFleet(redis_server.url, PATIENCE_SECONDS)
    for _ in range(5):
        with locks.hold(NAME) as held:
            assert held
    assert (calls(client, "eval"), calls(client, "publish"), calls(client, "subscribe")) == (10, 0, 0)
    assert client.keys() == []


def test_who_waits_is_told_and_does_not_ask_meanwhile(redis_server: RedisServer, client: Any) -> None:
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=600) for _ in range(2))
    second.listener.start()
    assert second.listener.wait(PATIENCE_SECONDS)
    with first.hold(NAME):
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited"), "the other waits")
        time.sleep(0.5)
        asked = calls(client, "eval")
    assert waiting.end()
    assert (asked, calls(client, "publish")) == (2, 1)


def test_who_waits_looks_again_when_a_lease_must_have_ended(
    redis_server: RedisServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Listener._handle

    def ignore(self: Listener, message: dict[str, Any], *rest: Any, **more: Any) -> None:
        if message["type"] == "subscribe":
            handle(self, message, *rest, **more)

    monkeypatch.setattr(Listener, "_handle", ignore)
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=1) for _ in range(2))
    second.listener.start()
    assert second.listener.wait(PATIENCE_SECONDS)
    with first.hold(NAME):
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited"), "the other waits")
    assert waiting.end()


def test_who_hears_no_messages_asks_now_and_then(
    redis_server: RedisServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "start", lambda listener: None)
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=600) for _ in range(2))
    with first.hold(NAME):
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited"), "the other waits")
    assert waiting.end()


def test_a_lock_that_is_there_for_ever_gets_an_end(redis_server: RedisServer, client: Any) -> None:
    client.hset(KEY, "holder", "somebody")
    with LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=0.5).hold(NAME) as held:
        assert held


# Holders that live, stop and come too late.


def test_a_lease_is_renewed_while_the_work_takes_longer(redis_server: RedisServer, client: Any) -> None:
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=1) for _ in range(2))
    with first.hold(NAME):
        token, waiting = holder(client), Waiting(second)
        time.sleep(2)
        assert (holder(client), waiting.held) == (token, None)
    assert waiting.end()


def hold_as_told(url: str, begun: str, go: str) -> None:
    locks = LocksOfFleet(url, PATIENCE_SECONDS, lease_seconds=1)
    with locks.hold(NAME) as held:
        assert held
        Tally(begun).add()
        until(lambda: os.path.exists(go), "it is time")
        time.sleep(1)  # the thread that renews wakes up before the end


@posix
def test_a_holder_that_was_stopped_for_too_long_takes_nothing_away(
    redis_server: RedisServer, client: Any, elsewhere: Start, tmp_path: Path, log: Log
) -> None:
    begun, go = Tally(tmp_path / "begun"), tmp_path / "go"
    late = elsewhere(hold_as_told, redis_server.url, begun.path, go)
    until(lambda: begun.count, "it holds the lock")
    os.kill(late.pid, signal.SIGSTOP)
    with LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=5).hold(NAME) as held:
        token = holder(client)
        os.kill(late.pid, signal.SIGCONT)
        go.touch()
        assert late.wait(PATIENCE_SECONDS) == 0
        assert held
        assert holder(client) == token
    assert holder(client) is None
    assert log.lines == []


def test_a_lease_is_taken_again_after_redis_has_lost_it(redis_server: RedisServer, client: Any, log: Log) -> None:
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=2) for _ in range(2))
    with first.hold(NAME):
        token = holder(client)
        client.flushall()
        until(lambda: holder(client) == token, "the lease is back")
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited"), "the other waits")
        assert waiting.held is None
    assert waiting.end()
    assert log.lines == []


def test_a_lock_that_redis_gave_too_late_is_released(redis_server: RedisServer, client: Any, log: Log) -> None:
    locks = LocksOfFleet(redis_server.url, PATIENCE_SECONDS, command_seconds=0.2, lease_seconds=3)
    with locks.hold(NAME) as held:
        assert held
    client.config_resetstat()
    redis_server.stall()
    with locks.hold(NAME) as held:
        assert not held
    redis_server.go_on()
    until(lambda: calls(client, "hsetnx") == 1, "Redis carries it out")
    until(lambda: calls(client, "del") == 1, "it is released")
    assert len(log.of("WARNING")) == 1


# Redis that fails.


class Fault(NamedTuple):
    """A way in which Redis fails: how it begins and ends, given the server, a client and a proxy before it."""

    begin: Callable[[RedisServer, Any, Proxy], object]
    end: Callable[[RedisServer, Any, Proxy], object]


def refuse(proxy: Proxy) -> None:
    proxy.refuses = True
    proxy.cut()


def cannot_save(client: Any, folder: str) -> None:
    """Let Redis refuse every write, because it cannot save to its disk."""
    client.config_set("save", "3600 1")
    os.makedirs(os.path.join(folder, "dump.rdb", "not empty"))
    client.set("changed", 1)
    client.bgsave()
    until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "saving has failed")


FAULTS = {
    "stopped": Fault(lambda server, _, __: server.stop(), lambda server, _, __: server.start()),
    "stalled": Fault(lambda server, _, __: server.stall(), lambda server, _, __: server.go_on()),
    "out of memory": Fault(
        lambda _, client, __: client.config_set("maxmemory", 1), lambda _, client, __: client.config_set("maxmemory", 0)
    ),
    "a replica": Fault(
        lambda _, client, __: client.replicaof("127.0.0.1", 1), lambda _, client, __: client.replicaof("NO", "ONE")
    ),
    "unable to save": Fault(
        lambda _, client, __: cannot_save(client, client.config_get("dir")["dir"]),
        lambda _, client, __: client.config_set("stop-writes-on-bgsave-error", "no"),
    ),
    "without a right": Fault(
        lambda _, client, __: client.execute_command("ACL", "SETUSER", "default", "-@scripting"),
        lambda _, client, __: client.execute_command("ACL", "SETUSER", "default", "+@scripting"),
    ),
    "cut": Fault(lambda _, __, proxy: refuse(proxy), lambda _, __, proxy: setattr(proxy, "refuses", False)),
    "too slow": Fault(
        lambda _, __, proxy: setattr(proxy, "delay_seconds", 1), lambda _, __, proxy: setattr(proxy, "delay_seconds", 0)
    ),
}


@pytest.mark.usefixtures("short_away")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_work_goes_on_while_redis_fails_and_locks_are_back_by_themselves(
    fault: Fault, redis_server: RedisServer, proxy: Proxy, client: Any, log: Log
) -> None:
    locks = LocksOfFleet(f"redis://127.0.0.1:{proxy.port}/0", PATIENCE_SECONDS, command_seconds=0.3)

    def is_had() -> bool:
        with locks.hold(NAME) as held:
            return held

    assert is_had()
    fault.begin(redis_server, client, proxy)
    for _ in range(20):
        assert not is_had()
        time.sleep(0.01)
    fault.end(redis_server, client, proxy)
    until(is_had, "there are locks again")
    assert (len(log.of("WARNING")), len(log.of("INFO")), log.of("ERROR")) == (1, 1, [])
    assert "cannot be used" in log.of("WARNING")[0]


@pytest.mark.usefixtures("short_away")
def test_redis_that_is_still_loading_counts_as_away(redis_server: RedisServer, client: Any, log: Log) -> None:
    client.mset({str(number): "x" for number in range(3000)})
    client.save()
    redis_server.stop()
    redis_server._more = ("--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
    redis_server.start()
    locks = LocksOfFleet(redis_server.url, PATIENCE_SECONDS)
    with locks.hold(NAME) as held:
        assert not held

    def is_had() -> bool:
        with locks.hold(NAME) as held:
            return held

    until(is_had, "it has loaded")
    (warning,) = log.of("WARNING")
    assert "loading the dataset" in warning


@pytest.mark.usefixtures("short_away")
def test_a_wrong_password_is_one_warning_that_does_not_show_it(
    redis_server: RedisServer, client: Any, log: Log
) -> None:
    client.config_set("requirepass", "secret")
    locks = LocksOfFleet(redis_server.url.replace("//", "//:wrong@"), PATIENCE_SECONDS)
    for _ in range(3):
        with locks.hold(NAME) as held:
            assert not held
    (warning,) = log.of("WARNING")
    assert "wrong" not in warning.replace("WRONGPASS", "")


@pytest.mark.usefixtures("short_away")
def test_who_waits_goes_on_as_soon_as_redis_is_away(redis_server: RedisServer, client: Any, log: Log) -> None:
    first, second = (LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=600) for _ in range(2))
    with first.hold(NAME):
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited") and second.listener.is_connected, "the other waits")
        redis_server.stop()
        assert waiting.end() is False
    assert len(log.of("WARNING")) == 2  # one of each host


@pytest.mark.usefixtures("short_away")
def test_a_lock_that_was_released_while_nothing_was_heard_is_not_waited_for(
    redis_server: RedisServer, proxy: Proxy, client: Any, log: Log
) -> None:
    first = LocksOfFleet(redis_server.url, PATIENCE_SECONDS, lease_seconds=600)
    second = LocksOfFleet(f"redis://127.0.0.1:{proxy.port}/0", PATIENCE_SECONDS, lease_seconds=600)
    with first.hold(NAME):
        waiting = Waiting(second)
        until(lambda: client.hexists(KEY, "awaited") and second.listener.is_connected, "the other waits")
        proxy.passes.clear()
    proxy.cut()
    proxy.passes.set()
    assert waiting.end() is not None
    assert not any(line.startswith("Waited") for line in log.of("WARNING"))
