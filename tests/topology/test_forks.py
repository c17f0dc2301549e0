"""Workers of gevent that were forked from a process with the application use the object store and Redis."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from conftest import needs
from real_servers import RedisServer, StoreServer
from servers import Answer

from topology.fleet import Fleet, all_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

PICTURES = 4


def test_forked_greenlets_store_and_fetch(disks: Path, store_server: StoreServer, redis_server: RedisServer) -> None:
    needs("gevent", importlib.util.find_spec("gevent"), "pip install gevent")
    fleet = Fleet(disks, store_server, redis_server)
    options = "--preload", "--worker-class=gevent"
    try:
        first, second = fleet.add_host(*options), fleet.add_host(*options)
        urls = [fleet.url(fleet.draw(f"{number}.png"), width=20) for number in range(PICTURES)]
        for host in (first, second):
            answers = all_at_once([(host, url) for url in urls for _ in range(5)])
            assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * len(answers)
        assert fleet.rendered() == {first.name: PICTURES, second.name: 0}
        assert not first.warnings() + second.warnings()
    finally:
        fleet.stop()
