"""Hits are measured in the application, and judged against plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from bench import results, sites
from bench.parts import warm


def test_a_hit_in_the_application_takes_cpu_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "REQUESTS", 20)
    app, url = warm.prepare(tmp_path / "site", sites.package)
    assert (tmp_path / "site" / "static" / "plain.jpg").read_bytes() == app.test_client().get(url).data
    assert 0 < warm.in_process(app, url) < 1e6
    with pytest.raises(AssertionError, match="404"):
        warm.in_process(app, "/missing")


def row(cpu_us: float) -> dict[str, list[float]]:
    return {key: [cpu_us, cpu_us] for key in ("cpu_us", "per_second", "client_us", "median_ms", "p99_ms")}


def test_goals_and_losses_are_ratios_of_cpu_time() -> None:
    times = {
        "sync: an empty view": 50,
        "sync: send_from_directory": 100,
        "sync: a hit": 80,
        "thumbor: a kept rendition": 40,
    }
    data: dict[str, Any] = {"servers": {"contenders": {name: row(cpu_us) for name, cpu_us in times.items()}}}
    goal = next(goal for goal in warm.goals(data) if goal.name == "CPU of a hit ÷ send_from_directory, gunicorn sync")
    assert goal.found is not None
    assert (goal.found.median, goal.met) == (0.8, False)
    assert "already costs 0.50 of send_from_directory" in goal.reason
    (loss,) = warm.losses(data)
    assert (loss.to, loss.times) == ("thumbor", 2)


def test_each_kind_of_server_has_a_table() -> None:
    tables = warm.tables(results.load(ROOT / "bench" / "results")["warm"])
    assert [table.head[0] for table in tables] == [
        "in the application",
        "gunicorn, sync",
        "gunicorn, gthread",
        "nginx",
        "thumbor",
    ]
