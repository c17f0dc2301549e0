"""A site serves every image while Redis fails in any way, and stores nothing broken for other hosts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from cache.shared import together, until
from conftest import url_of
from real_servers import Proxy, RedisServer, StoreServer
from servers import decoded_size, site

from flask_images_vips.state import images_of
from fleet.conftest import Log
from fleet.test_locks import FAULTS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

EACH = 3
"""Pictures that are asked for during a fault, and after it, each by several visitors at once."""


@pytest.mark.usefixtures("short_away")
def test_every_image_is_served_during_every_fault_of_redis_and_after_it(
    tmp_path: Path,
    store_server: StoreServer,
    store_url: str,
    redis_server: RedisServer,
    proxy: Proxy,
    draw: Any,
    log: Log,
) -> None:
    config = {
        "IMAGES_PATH": [str(tmp_path / "pictures")],
        "IMAGES_CACHE": store_url,
        "IMAGES_CACHE_LOCAL": "cache",
        "IMAGES_STORE_OPTIONS": store_server.options,
        "IMAGES_REDIS": f"redis://127.0.0.1:{proxy.port}/0",
        "IMAGES_REDIS_TIMEOUT": 0.3,
    }
    for name in ("first", "second", "pictures"):
        (tmp_path / name).mkdir()
    first = site(tmp_path / "first", **config)
    fleet = images_of(first).fleet
    assert fleet is not None
    fleet.listener.start()
    client = redis.Redis(port=redis_server.port)
    bodies: dict[str, bytes] = {}

    def ask() -> None:
        urls = []
        for _ in range(EACH):
            name = f"{len(bodies) + len(urls)}.png"
            draw(tmp_path / "pictures" / name, (64, 48))
            urls.append(url_of(first, name, width=32))
        answers = together(2 * EACH, lambda index: first.test_client().get(urls[index % EACH]))
        assert [getattr(answer, "status_code", answer) for answer in answers] == [200] * 2 * EACH
        for url, answer in zip(urls, answers, strict=False):
            assert not isinstance(answer, BaseException)
            bodies[url] = answer.data

    def is_back() -> bool:
        with fleet.locks.hold("c0ffee", since=0, timeout=0, needless=lambda: False) as held:
            return held

    for fault in FAULTS.values():
        fault.begin(redis_server, client, proxy)
        ask()
        fault.end(redis_server, client, proxy)
        ask()
        until(is_back, "there are locks again")
    assert {decoded_size(body) for body in bodies.values()} == {(32, 24)}

    made = len([line for line in log.of("INFO") if line.startswith("rendered")])
    assert made == len(bodies) == 2 * EACH * len(FAULTS)
    second = site(tmp_path / "second", **config).test_client()
    assert {url: second.get(url).data for url in bodies} == bodies
    assert len([line for line in log.of("INFO") if line.startswith("rendered")]) == made
    assert log.of("ERROR") == []
    assert [line[:8] for line in log.of("WARNING")] == ["Redis at"]
