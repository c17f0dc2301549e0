"""Fixtures of the tests of several hosts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache.shared import Tally
from real_servers import Proxy, RedisServer


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    """A proxy before Redis, which can be cut."""
    made = Proxy(redis_server.port)
    yield made
    made.close()


@pytest.fixture
def short_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is asked again soon after it has failed."""
    for module in ("connection", "listener"):
        monkeypatch.setattr(f"flask_images_vips.fleet.{module}.AWAY_SECONDS", 0.05)


class Log(logging.Handler):
    """Keeps what the package logs, by level. Threads of former tests still look for the servers of those tests."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[str, str]] = []
        self._ports = ports

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if not message.startswith("Redis at") or any(f":{port}" in message for port in self._ports):
            self.lines.append((record.levelname, message))

    def of(self, level: str) -> list[str]:
        return [message for name, message in self.lines if name == level]


@pytest.fixture
def log(redis_server: RedisServer, proxy: Proxy) -> Iterator[Log]:
    logger, handler = logging.getLogger("flask_images_vips"), Log([redis_server.port, proxy.port])
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")
