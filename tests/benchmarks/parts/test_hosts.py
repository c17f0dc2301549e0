"""A crowd at two hosts is answered from one render of each picture, and its waits are recorded by host."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from real_servers import RedisServer, StoreServer

from bench.parts import hosts
from bench.parts.hosts import AT_ONCE, ELSEWHERE, HERE, ONE_BY_ONE
from benchmarks.conftest import SMALL


def test_those_who_wait_at_either_host_are_answered_after_the_one_render(
    store_server: StoreServer,
    store_url: str,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "CAMERA", SMALL)
    shared = {"IMAGES_CACHE": store_url, "IMAGES_STORE_OPTIONS": store_server.options}
    found = hosts.burst({**shared, "IMAGES_REDIS": redis_server.url}, pictures=2, clients=6, at_once=False)
    assert found.statuses == {"200": 12}
    assert sorted(found.renders) == ["/imgsizer/0.jpg", "/imgsizer/1.jpg"]
    assert len(found.all_beyond) <= 12
    assert min(found.all_beyond, default=1) > 0


def test_results_are_shown_by_host_and_judged() -> None:
    figures = {
        "statuses": {"200": 4000},
        "renders": [40, 40],
        "p95_ms": [20.0, 24.0],
        "by_host_ms": {
            HERE: [[5.0, 6.0], [15.0, 16.0], [30.0, 31.0]],
            ELSEWHERE: [[7.0, 8.0], [20.0, 24.0], [35.0, 36.0]],
        },
        "late_p95_ms": [1.0, 2.0],
    }
    data: dict[str, Any] = {"hosts": 2, "clients": 50, "pictures": 40, "rounds": 2, "cores": 2}
    data["ways"] = {ONE_BY_ONE: figures, AT_ONCE: figures}
    (table,) = hosts.tables(data)
    assert table.rows[1] == (ONE_BY_ONE, ELSEWHERE, "7.50 (7.00–8.00)", "22.0 (20.0–24.0)", "35.5 (35.0–36.0)")
    assert [goal.met for goal in hosts.goals(data)] == [True, True]
    worse = copy.deepcopy(data)
    worse["ways"][ONE_BY_ONE] |= {"renders": [40, 41], "p95_ms": [40.0]}
    assert [goal.met for goal in hosts.goals(worse)] == [False, False]
    assert [goal.met for goal in hosts.goals({})] == [False, False]
