"""Two servers that share their renderers are measured at the same time."""

from __future__ import annotations

import pytest
from conftest import only_in_long_runs

from bench.measure import Run
from bench.parts import fairness
from bench.parts.cold import sizes
from benchmarks.conftest import SMALL


@only_in_long_runs
def test_each_client_of_both_servers_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "CAMERA", SMALL)
    monkeypatch.setattr(fairness, "QUICK_REQUESTS", 2)
    data = fairness.measure(Run(quick=True))
    assert [len(values) for values in (*data["p95_ms"], *data["per_client"])] == [1] * 4
    assert min(value for (value,) in data["p95_ms"]) > 0
    (table,) = fairness.tables(data)
    assert [row[0] for row in table.rows] == ["8 threads, 8 clients", "2 threads, 2 clients"]


def test_no_rendition_of_a_full_run_is_requested_twice() -> None:
    requested = max(fairness.THREADS) * (fairness.REQUESTS * fairness.ROUNDS + 3)
    assert len({*sizes(SMALL)}) >= requested


def test_the_two_servers_are_compared_round_by_round() -> None:
    data = {
        "threads": (8, 2),
        "requests": 60,
        "rounds": 3,
        "picture": "a picture",
        "p95_ms": [[100, 110, 120], [100, 100, 100]],
        "per_client": [[5, 5, 5]] * 2,
    }
    assert "The ratio of the two p95 is 1.10 (1.00–1.20)." in fairness.tables(data)[0].note
