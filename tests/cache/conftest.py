"""Fixtures of the tests of the cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_servers import RedisServer

from cache.shared import Tally, Warned, disk_cache
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.fleet.shared_cache import ObjectCache
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return disk_cache(tmp_path / "cache")


@pytest.fixture(params=["alone", "in front of a store"])
def each_cache(request: pytest.FixtureRequest, tmp_path: Path) -> DiskCache:
    """A cache on the disk, alone or in front of a real object store that other hosts use too."""
    if request.param == "alone":
        return disk_cache(tmp_path / "cache")
    server, url = request.getfixturevalue("store_server"), request.getfixturevalue("store_url")
    store = ObjectStore(parse_location(url), server.options, timeout=10)
    return disk_cache(tmp_path / "cache", shared=ObjectCache(store))


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where locks are: see `locks_at`. Those of one host and those of all hosts keep the same promises."""
    if request.param == "files":
        return str(tmp_path / "locks")
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")


@pytest.fixture
def warned() -> Iterator[list[str]]:
    with Warned() as messages:
        yield messages


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter and write: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return tmp_path / "private"
