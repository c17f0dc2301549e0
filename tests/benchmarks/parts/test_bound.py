"""Writes are timed, and hits counted, in a cache with a cap."""

from __future__ import annotations

from pathlib import Path

from conftest import only_in_long_runs

from bench.parts import bound


@only_in_long_runs
def test_writes_stay_below_the_cap() -> None:
    found = bound.writes(500_000, bounded=True)
    assert 0.5 < found["share"] <= 1.1
    assert 0 < found["put_us"] <= found["p99_us"] <= 1000 * found["worst_ms"]
    assert 0 < found["cpu_us"] <= 1000 * found["worst_cpu_ms"]


def test_hits_are_requests_that_make_nothing(tmp_path: Path) -> None:
    cache = bound.cache_in(str(tmp_path / "cache"), None)
    assert bound.hits(cache, [1, 2, 1, 1, 3], bytes) == 2


def test_writes_and_hits_have_a_table_each() -> None:
    columns = {key: [1.0] for key in ("put_us", "p99_us", "worst_ms", "cpu_us", "worst_cpu_ms", "share")}
    data = {
        "rounds": 1,
        "processes": 4,
        "disturbed": 0,
        "writes": {"no cap": columns, "a cap of 4 MB": columns},
        "ratios": [{"exponent": 0.8, "hits": 0.42, "lru": 0.4}],
    }
    writes, ratios = bound.tables(data)
    assert [row[-1] for row in writes.rows] == ["–", "1.000"]
    assert ratios.rows == [("0.8", "0.420", "0.400", "+0.020")]
