"""Memory is that of a server's processes, and imports take CPU time."""

from __future__ import annotations

import pytest
from conftest import ROOT, only_in_long_runs

from bench import results
from bench.parts import cold, memory, stampede
from benchmarks.conftest import SMALL


@only_in_long_runs
def test_a_server_has_a_peak_over_its_idle_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGE", SMALL)
    monkeypatch.setattr(memory, "REST_SECONDS", 0.1)
    found = memory.peak(stampede.contenders()[0], requests=3, clients=2)
    assert 20 < found["idle_mb"] < found["peak_mb"]
    assert found["after_mb"] > 20
    assert found["per_second"] > 0


def test_no_server_is_started_that_is_missing() -> None:
    missing = stampede.contenders()[0].__class__("missing", lambda *_: [], lambda _: lambda *_: "", missing="not here")
    assert cold.started_with(SMALL, [missing], ROOT, None) == {}  # type: ignore[arg-type]


def test_the_imports_of_each_are_counted() -> None:
    found = memory.imports(1)
    assert found.keys() == memory.IMPORTS.keys()
    assert all(times[0] > 0 for times in found.values())


def test_a_rival_that_takes_less_memory_is_a_loss() -> None:
    def row(peak_mb: float) -> dict[str, list[float]]:
        return {"idle_mb": [50.0], "peak_mb": [peak_mb], "per_second": [9.0]}

    data = {
        "picture": "a picture",
        "contenders": {"this package": row(200), "full decode": row(100), "ipx": row(100), "thumbor": row(190)},
    }
    (loss,) = memory.losses(data)
    assert (loss.to, loss.where, loss.times) == ("ipx", "peak memory: a picture", 2)
    assert "rendering adds 150 MB here and 50 MB there" in loss.reason


def test_results_without_imports_are_shown_too() -> None:
    data = results.load(ROOT / "bench" / "results")["memory"]
    assert [row[0] for row in memory.tables(data)[0].rows] == list(data["contenders"])
    assert memory.tables(data | {"imports": {"Flask": [100.0]}})[1].rows == [("Flask", "100")]
