"""A listener hears what others publish, and connects again by itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis
from cache.shared import PATIENCE_SECONDS, until
from real_servers import Proxy, RedisServer

from flask_images_vips.fleet import listener as module
from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.fleet.listener import Listener
from fleet.conftest import Log


class Heard:
    """A listener that is started, with what it has heard, and how often it has connected."""

    def __init__(self, port: int) -> None:
        self.messages: list[bytes] = []
        self.connections = 0
        self.listener = Listener(RedisConnection(f"redis://127.0.0.1:{port}/0", "images", timeout=2))
        self.listener.hear("good", self.messages.append)
        self.listener.hear("bad", lambda message: 1 / 0)
        self.listener.on_connect(self._connect)
        self.listener.start()
        assert self.listener.wait(PATIENCE_SECONDS)

    def _connect(self) -> None:
        self.connections += 1


@pytest.fixture
def client(redis_server: RedisServer) -> Any:
    return redis.Redis(port=redis_server.port)


def test_messages_are_heard_in_their_order_although_one_cannot_be_handled(
    redis_server: RedisServer, client: Any, log: Log
) -> None:
    heard = Heard(redis_server.port)
    for channel, message in (("good", "1"), ("bad", "2"), ("other", "3"), ("good", "4")):
        client.publish(f"images:{channel}", message)
    until(lambda: len(heard.messages) == 2, "both are heard")
    assert heard.messages == [b"1", b"4"]
    assert log.of("ERROR") == ["A message of another host could not be handled."]


@pytest.mark.usefixtures("short_away")
def test_a_connection_that_is_closed_is_made_again_without_a_word(
    redis_server: RedisServer, client: Any, log: Log
) -> None:
    heard = Heard(redis_server.port)
    for number in range(2, 4):
        until(lambda: threading.Event().wait(0.1) or client.client_kill_filter(_type="pubsub"), "it is closed")
        until(lambda number=number: heard.connections == number, "it is made again")  # type: ignore[misc]
    client.publish("images:good", "1")
    until(lambda: heard.messages, "it is heard")
    assert log.lines == []


@pytest.mark.usefixtures("short_away")
def test_a_connection_on_which_nothing_comes_any_more_is_given_up(
    redis_server: RedisServer, proxy: Proxy, client: Any, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    for name, seconds in (("_POLL_SECONDS", 0.05), ("_PING_SECONDS", 0.2), ("_SILENCE_SECONDS", 1)):
        monkeypatch.setattr(module, name, seconds)
    heard = Heard(proxy.port)
    proxy.passes.clear()  # as if the network was gone: nothing closes the connection
    until(lambda: not heard.listener.is_connected, "it has noticed")
    until(lambda: log.of("WARNING"), "it has failed to connect again")
    proxy.passes.set()
    until(lambda: heard.listener.is_connected, "it is connected again")
    client.publish("images:good", "1")
    until(lambda: heard.messages, "it is heard")
    assert (len(log.of("WARNING")), len(log.of("INFO"))) == (1, 1)


def test_a_listener_that_is_stopped_hears_nothing_more(redis_server: RedisServer, client: Any) -> None:
    heard = Heard(redis_server.port)
    heard.listener.stop()
    until(lambda: not heard.listener.is_connected, "it has ended")
    until(lambda: client.publish("images:good", "1") == 0, "its connection is closed")
