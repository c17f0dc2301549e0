"""A site's traffic is the same each time, checked, and counted with the files that it leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import only_in_long_runs

from bench import report, servers, workload
from bench.measure import WrongAnswer
from bench.parts import mixed
from benchmarks.conftest import SMALL, mixed_results


@pytest.fixture
def small_originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mixed, "PICTURES", (SMALL,))
    monkeypatch.setattr(mixed, "WIDTHS", (100, 200, 300))
    workload.copy_into(tmp_path / "originals", SMALL, [SMALL.file])
    return tmp_path / "originals"


@only_in_long_runs
def test_traffic_is_counted_with_what_is_kept_of_it(small_originals: Path) -> None:
    asked = [(0, 100), (1, 300), (0, 100), (1, 200)]
    cost, found = mixed.served(servers.threaded(), small_originals, asked, clients=2)
    assert cost.requests == 4
    assert cost.server_cpu > 0
    # Three files are kept, and a log of what was asked, longer the longer it took. Sources so small have no copies.
    assert 2 < 1000 * found["disk_mb"] / found["answer_kb"] < 8
    assert found["copies_mb"] == 0


@only_in_long_runs
def test_traffic_that_is_answered_in_another_width_fails_the_run(small_originals: Path) -> None:
    signed = servers.signed

    def narrower(folder: Path) -> servers.Urls:
        return lambda name, width, height, format="": signed(folder)(name, width - 2, height, format)

    with pytest.raises(WrongAnswer, match="this package, gthread: a picture of 198×132, not of 200×134"):
        mixed.served(replace(servers.threaded(), urls=narrower), small_originals, [(0, 200)], clients=1)


def test_traffic_is_the_same_each_time_and_half_of_it_repeats() -> None:
    asked = mixed.load_of(mixed.REQUESTS, mixed.SOURCES)
    assert asked == mixed.load_of(mixed.REQUESTS, mixed.SOURCES)
    assert 0.3 < len(set(asked)) / len(asked) < 0.6
    assert max(source for source, _ in asked) < mixed.SOURCES


def test_traffic_is_told_with_what_ours_is_of_each() -> None:
    table = mixed.table(mixed_results([40, 50], [20, 20])["mixed"], short=True)
    assert table.rows == [
        (
            "all requests, 750",
            "this package",
            "45.0 (40.0–50.0)",
            "11.2 (10.0–12.5)",
            "46.0",
            "320 (300 copies)",
            "–",
            "–",
        ),
        ("", "thumbor", "20.0 (20.0–20.0)", "25.0 (25.0–25.0)", "46.0", "20", "2.25 (2.00–2.50)", "0.45 (0.40–0.50)"),
    ]
    assert "ipx is not installed." in table.note
    assert report.losses(mixed_results([40, 50], [20, 20])) == []
    (loss,) = report.losses(mixed_results([20, 20], [40, 40]))
    assert (loss.where, loss.to, loss.times) == ("mixed traffic: all requests", "thumbor", 2)
    assert loss.reason == (
        "The whole load took 25.0 s of CPU here and 12.5 s there. "
        "It left 320 MB on disk here, 300 MB of them copies for later sizes, and 20 MB there."
    )
