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
    """Keeps what the package logs, by level."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage()))

    def of(self, level: str) -> list[str]:
        return [message for name, message in self.lines if name == level]


@pytest.fixture
def log() -> Iterator[Log]:
    logger, handler = logging.getLogger("flask_images_vips"), Log()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")
