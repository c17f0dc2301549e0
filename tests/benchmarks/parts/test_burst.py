"""A burst of new pictures is measured with each number of threads, and a visitor gets a cached one meanwhile."""

from __future__ import annotations

import pytest
from conftest import only_in_long_runs

from bench.measure import Run
from bench.parts import burst
from benchmarks.conftest import SMALL


@only_in_long_runs
def test_a_burst_is_measured_with_each_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst, "LARGE", SMALL)
    monkeypatch.setattr(burst, "QUICK_THREADS", (2, 4))
    monkeypatch.setattr(burst, "QUICK_PICTURES", 2)
    data = burst.measure(Run(quick=True))
    assert [*data["threads"]] == ["2", "4"]
    for row in data["threads"].values():
        assert row["shown"] == [2]
        assert row["visits"][0] >= 1
        assert 0 < row["median_ms"][0] <= row["worst_ms"][0]
        assert 20 < row["peak_mb"][0] < 500
        assert row["cpu"][0] > 0
    (table,) = burst.tables(data)
    assert [row[0] for row in table.rows] == ["2", "4"]


def test_an_error_of_the_visitor_ends_the_part() -> None:
    def fail() -> float:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"), burst._repeated(fail, 0):
        pass
