"""Commands to what is no Redis, and URLs that are wrong."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flask_images_vips.errors import ConfigError
from flask_images_vips.fleet.connection import RedisConnection, RedisFailed
from flask_images_vips.fleet.leases import Leases
from flask_images_vips.fleet.listener import Listener
from flask_images_vips.fleet.locks import RedisLocks
from flask_images_vips.fleet.log import EventLog
from flask_images_vips.fleet.roster import Roster
from fleet.conftest import Log

ANSWERS = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "always OK": b"+OK\r\n",
    "a number": b":5\r\n",
    "no number": b"$x\r\nabc\r\n",
    "a list": b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    "deep lists": b"*1\r\n" * 5000,
    "bytes": bytes(range(256)) + b"\r\n",
}


@contextlib.contextmanager
def server(answer: bytes) -> Iterator[str]:
    """The URL of a server that gives the same *answer* to everything."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while self.request.recv(1 << 16):
                    self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{made.server_address[1]}/0"
        finally:
            made.shutdown()
            thread.join(60)


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_no_redis_counts_as_away(kind: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.fleet.connection.AWAY_SECONDS", 0.0)
    with server(ANSWERS[kind]) as url:
        connection = RedisConnection(url, "images", timeout=0.2)
        listener = Listener(connection)
        locks = RedisLocks(Leases(connection, listener))
        with locks.hold("a", since=time.monotonic(), timeout=1, needless=lambda: False) as held:
            assert not held
        asking: list[Callable[[], object]] = [lambda: EventLog(connection).read(None), Roster(connection).hosts]
        for ask in asking:
            with pytest.raises(RedisFailed):
                ask()
    (warning,) = log.of("WARNING")
    assert "cannot be used" in warning


@pytest.mark.parametrize("password", ["hid/den", "hid#den", "hid?den"])
def test_a_password_that_is_not_quoted_is_not_shown(password: str) -> None:
    connection = RedisConnection(f"redis://user:{password}@127.0.0.1:6379/0", "images", timeout=1)
    with pytest.raises(ConfigError, match="quoted") as error:
        connection.check()
    assert "hid" not in str(error.value)


def test_a_port_that_is_wrong_is_named() -> None:
    with pytest.raises(ConfigError, match="99999"):
        RedisConnection("redis://127.0.0.1:99999/0", "images", timeout=1).check()
