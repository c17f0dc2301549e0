"""A growing site is computed from measured costs and a simulation, and the page shows the tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import LONG
from real_servers import RedisServer, StoreServer

from bench import docs, units
from bench.growth import Costs
from bench.measure import Run
from bench.parts import growing
from bench.tables_of_growth import HITS, all_tables, assumptions, figure, percent, summary
from benchmarks.conftest import SMALL, about


def costs() -> dict[str, Any]:
    """Unit costs that are easy to multiply."""
    row = {"cpu_us": [100.0], "server_us": [10.0], "ms": [1.0]}
    return {
        "hits": {units.DOOR: {"cpu_us": [10.0]}, units.EARLY: {"cpu_us": [20.0]}, units.PYTHON: {"cpu_us": [100.0]}},
        "renders": {units.name_of(*variant): {"cpu_ms": [50.0], "bytes": 40_000} for variant in units.VARIANTS},
        "fetch": {"cpu_ms": [5.0]},
        "page": {"tags": 25, "cpu_ms": [5.0]},
        "store": {"bytes": 40_000, "requests": dict.fromkeys((units.GET, units.MISSING, units.CREATE), row)},
        "redis": {units.LOCK: row},
    }


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "measure", lambda run: costs())
        patch.setattr(growing, "QUICK_SAMPLE", 3_000)
        return {**about(), **growing.measure(Run(quick=True))}


def test_a_result_has_all_tables_and_sentences(data: dict[str, Any]) -> None:
    tables = all_tables(data)
    assert [row[0] for row in tables["sizes"].rows[::2]] == ["1,000,000", "10,000,000", "100,000,000", "1,000,000,000"]
    assert len(tables["steps"].rows) == len(data["steps"])
    assert "11,574 a second on average" in summary(data)
    assert "One in 333,333 pictures" in assumptions(data)
    made = docs.with_tables(docs.GROWING.read_text("utf-8"), docs.GROWING.relative_to(docs.DOCS), {"growing": data})
    assert "11,574 a second on average" in made


def test_costs_are_multiplied_by_counts() -> None:
    counts = {"door": 10, "disk": 5, "fetched": 2, "rendered": [1, 0, 0, 0, 0, 0, 0, 0, 1]}
    alone = Costs(costs()).cpu_seconds(counts, *HITS["nginx"], shared=False)
    assert alone == pytest.approx(10 * 10e-6 + 5 * 100e-6 + 2 * 50e-3)
    shared = Costs(costs()).cpu_seconds(counts, *HITS["nginx"], shared=True)
    assert shared == pytest.approx(alone + 2 * 5e-3 + 2 * (3 + 1) * 100e-6)


def test_figures_are_as_rough_as_a_simulation() -> None:
    assert [figure(value) for value in (0, 0.00001, 0.0123, 1.26, 12.6, 1234)] == [
        "0",
        "< 0.001",
        "0.012",
        "1.3",
        "13",
        "1,200",
    ]
    assert [percent(part, 10_000) for part in (0, 1, 5_000, 10_000)] == ["0 %", "0.010 %", "50.0 %", "100 %"]


def test_no_table_of_the_page_is_empty() -> None:
    page = docs.GROWING.read_text("utf-8")
    assert not re.search(r"<!-- (\w+) -->\n<!-- /\1 -->", page)


def test_a_miss_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "UPLOAD", SMALL)
    monkeypatch.setattr(units, "VARIANTS", [("jpeg", 100)])
    found = units.renders(Run(quick=True, rounds=1))
    assert [*found] == ["jpeg 100"]
    assert found["jpeg 100"]["bytes"] > 500
    assert found["jpeg 100"]["cpu_ms"][0] > 0


def test_the_tags_of_a_page_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "UPLOAD", SMALL)
    assert units.page(Run(quick=True, rounds=1))["cpu_ms"][0] > 0


def test_requests_to_a_store_are_measured(store_server: StoreServer) -> None:
    found = units.store(Run(quick=True, rounds=1), store_server.options, 1_000)["requests"]
    assert found.keys() >= {units.GET, units.MISSING, units.CREATE}
    assert all(row["ms"][0] > 0 for row in found.values())


def test_a_lock_is_measured_on_both_sides(redis_server: RedisServer) -> None:
    row = units.redis(Run(quick=True, rounds=1), redis_server.url)[units.LOCK]
    assert all(row[column][0] > 0 for column in ("cpu_us", "server_us", "ms"))


@pytest.mark.skipif(not LONG, reason="IMAGES_TESTS_LONG is not set")
def test_hits_are_measured_by_nginx_and_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "SECONDS", 0.2)
    found = units.hits(Run(quick=True, rounds=1))
    assert found[units.EARLY]["cpu_us"] < found[units.PYTHON]["cpu_us"]
