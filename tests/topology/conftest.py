"""Fixtures of the tests of several hosts."""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from real_servers import RedisServer, StoreServer

from topology.fleet import Fleet


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for the disks of hosts. Its path is short, because the sockets of renderers are below it."""
    with tempfile.TemporaryDirectory(prefix="fleet-", ignore_cleanup_errors=True) as name:
        path = Path(name).resolve()
        path.chmod(0o755)  # workers of nginx are another user
        yield path


@pytest.fixture
def disks() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@pytest.fixture
def make_fleet(disks: Path, store_server: StoreServer, redis_server: RedisServer) -> Iterator[Callable[..., Fleet]]:
    """A function that starts a `Fleet` with a number of hosts. Its keywords are their configuration."""
    needs("gunicorn", importlib.util.find_spec("gunicorn"), "pip install gunicorn")
    fleets: list[Fleet] = []

    def make(hosts: int = 2, **config: Any) -> Fleet:
        fleet = Fleet(disks, store_server, redis_server, **config)
        fleets.append(fleet)
        for _ in range(hosts):
            fleet.add_host()
        return fleet

    yield make
    for fleet in fleets:
        fleet.stop()
