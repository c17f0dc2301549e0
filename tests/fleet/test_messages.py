"""Messages between hosts, each of which only notes here what it is told to do."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_servers import Proxy, RedisServer
from servers import until

from flask_images_vips.fleet import messages as module
from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.fleet.listener import Listener
from flask_images_vips.fleet.log import ALLOW, CLOSE, FORGET, PURGE, Event
from flask_images_vips.fleet.messages import About, Messages
from fleet.shared import leave

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: redis-server")


class Noting:
    """Notes what a host is told to do. It fails while *error* is set."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.error: OSError | None = None

    def carry_out(self, event: Event) -> None:
        if self.error is not None:
            raise self.error
        self.done.append(f"{event.kind} {event.ref}".strip())

    def start_anew(self) -> None:
        self.done.append("start anew")

    def learn(self) -> None:
        self.done.append("learn")

    def share(self, event: Event) -> None:
        self.done.append(f"share {event.ref}")

    def drop_memory(self) -> None:
        pass


class Host:
    def __init__(self, url: str, folder: Path, *, follows: bool) -> None:
        self.connection = RedisConnection(url, "images", timeout=2)
        self.listener = Listener(self.connection)
        self.noting = Noting()
        about = About("1.0", 2, {})
        self.messages = Messages(
            self.connection, self.listener, str(folder), self.noting, lambda: about, follows=follows
        )

    @property
    def done(self) -> list[str]:
        return self.noting.done


@pytest.fixture
def join(
    proxy: Proxy, tmp_path: Path, short_away: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Host]]:
    """A function that starts a host, behind a proxy to Redis."""
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 30)
    hosts = []

    def start(name: str, *, follows: bool = True) -> Host:
        host = Host(f"redis://127.0.0.1:{proxy.port}/0", tmp_path / name, follows=follows)
        hosts.append(host)
        host.messages.open()
        return host

    yield start
    for host in hosts:
        leave(host.connection, host.listener)


def test_what_one_host_tells_the_others_do_in_order(join: Callable[..., Host]) -> None:
    first, second, third = join("first"), join("second"), join("third")
    first.messages.tell(PURGE, "a")
    second.messages.tell(CLOSE)
    told = third.messages.tell(FORGET, "b", wait=True)
    assert (len(told.hosts), told.pending, told.is_told) == (2, (), True)
    assert first.done == ["learn", "close", "forget b"]
    assert second.done == ["learn", "purge a", "forget b"]
    until(lambda: third.done == ["learn", "purge a", "close"], "the third host has done the same")


def test_a_host_that_cannot_do_something_tries_again(
    join: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = join("first"), join("second")
    second.noting.error = OSError("the disk is broken")
    monkeypatch.setattr(module, "_CONFIRM_SECONDS", 0.2)
    told = first.messages.tell(FORGET, "a", wait=True)
    assert (told.hosts, len(told.pending)) == ((), 1)
    until(lambda: "the disk is broken" in caplog.text, "the error is logged")
    second.noting.error = None
    until(lambda: second.done == ["learn", "forget a"], "it is tried again")
    assert [record.levelno for record in caplog.records if "the disk is broken" in record.message] == [logging.ERROR]


def test_a_connection_that_is_cut_loses_nothing(join: Callable[..., Host], proxy: Proxy) -> None:
    first, second = join("first"), join("second")
    assert second.listener.wait(30)
    proxy.refuses = True
    proxy.cut()
    assert not first.messages.tell(FORGET, "a").is_told
    proxy.refuses = False
    first.messages.tell(ALLOW, "a")
    until(lambda: second.done == ["learn", "forget a", "allow a"], "both are told, in their order")
    until(lambda: first.done[-2:] == ["share a", "share a"], "the tombstone is shared, and then not")


def test_a_host_that_starts_without_redis_learns_from_elsewhere(join: Callable[..., Host], proxy: Proxy) -> None:
    first = join("first")
    proxy.refuses = True
    proxy.cut()
    second = join("second")
    assert second.done == ["learn"]
    proxy.refuses = False
    until(lambda: first.messages.tell(FORGET, "a").is_told, "Redis is back")
    until(lambda: "forget a" in second.done, "it catches up")


def test_a_host_that_missed_very_much_starts_anew(
    join: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    first = join("first")
    join("second", follows=False)
    for number in range(6):
        first.messages.tell(FORGET if number % 2 else PURGE, str(number))
    assert join("second", follows=False).done == [f"{('purge', 'forget')[n % 2]} {n}" for n in range(6)]
    join("third", follows=False)
    for number in range(6):
        first.messages.tell(FORGET if number % 2 else PURGE, str(number))
    monkeypatch.setattr(module, "_MOST_MISSED", 5)
    assert join("third", follows=False).done == ["start anew", "forget 1", "forget 3", "forget 5"]
