"""What an object store and Redis behind a host cost is measured, and a hit asks neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import LONG, ROOT
from real_servers import RedisServer, StoreServer

from bench.parts import fleet
from bench.parts.fleet import ALONE, FETCHED, HIT, RENDERED, SHARED, STORED
from benchmarks.conftest import SMALL


def test_a_hit_asks_nobody_and_a_fetch_only_the_store(
    store_server: StoreServer, store_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "UPLOAD", SMALL)
    shared = {"IMAGES_CACHE": store_url, "IMAGES_STORE_OPTIONS": store_server.options}
    assert fleet.asked({**shared, "IMAGES_REDIS": redis_server.url}) == {
        STORED: {"store: GET": 2, "store: PUT": 1, "Redis": 2},
        HIT: {},
        FETCHED: {"store: GET": 1},
    }


def test_a_result_shows_ratios_and_calls() -> None:
    (hits, misses, asked) = fleet.tables(data(shared=[102.0, 99.0]))
    assert hits.rows[0] == ("in the application", "100 (100–100)", "100 (99–102)", "1.005 (0.990–1.020)", "500 / 500")
    assert [row[0] for row in misses.rows] == [RENDERED, STORED, FETCHED]
    assert misses.rows[2][2] == "0.20"
    assert asked.rows[1] == (HIT, "0", "0", "0")


def test_a_hit_that_costs_more_with_a_store_misses_the_goal() -> None:
    assert [goal.met for goal in fleet.goals(data(shared=[101.0]))] == [True]
    assert [goal.met for goal in fleet.goals(data(shared=[110.0]))] == [False]
    assert [goal.found for goal in fleet.goals({})] == [None]


def data(shared: list[float]) -> dict[str, Any]:
    hit = {ALONE: [100.0] * len(shared), SHARED: shared}
    times = {f"{label}: {kind}": each for label in ("view", "early") for kind, each in hit.items()}
    hits = {"rounds": 1, "cpu_us": times, "calls": dict.fromkeys(times, 500), "served_us": hit, "disturbed": 0}
    costs = {RENDERED: [50.0], STORED: [51.0], FETCHED: [10.0]}
    misses = {"rounds": 1, "count": 1, "picture": "a picture", "width": 800, "cpu_ms": costs, "wait_ms": costs}
    return {
        "hits": hits,
        "misses": misses,
        "asked": {STORED: {"store: GET": 2, "Redis": 2, "store: PUT": 1}, HIT: {}, FETCHED: {"store: GET": 1}},
    }


@pytest.mark.skipif(not LONG, reason="IMAGES_TESTS_LONG is not set")
def test_the_bench_of_hosts_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "fleet", "--quick", "--rounds", "1", "--results", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert STORED in result.stdout
