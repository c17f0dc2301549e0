"""A crowd for one new picture is answered from one render, and its waits are recorded."""

from __future__ import annotations

from pathlib import Path

from conftest import ROOT

from bench import results, sites, workload
from bench.parts import stampede
from benchmarks.conftest import SMALL


def test_those_who_wait_are_answered_after_the_one_render(tmp_path: Path) -> None:
    workload.copy_into(tmp_path / "static", SMALL, ["0.jpg", "1.jpg"])
    app = sites.package(str(tmp_path))
    urls = [sites.signed_url(app, name, 500) for name in ("0.jpg", "1.jpg")]
    for bursts in ([[urls[0]] * 6, [urls[1]] * 6], [[*urls] * 6]):  # each starts with an empty cache
        found = stampede.waits(tmp_path, 2, bursts)
        assert found.statuses == {"200": 12}
        assert len(found.renders) == 2
        assert 2 <= len(found.beyond) <= 12
        assert min(found.beyond) > 0 < found.peak_mb


def test_results_are_shown_with_and_without_waits() -> None:
    data = results.load(ROOT / "bench" / "results")["stampede"]
    assert [row[0] for row in stampede.tables(data)[0].rows] == list(data["contenders"])
    assert len(stampede.tables(data | {"waits": []})) == 1
    counts = {"how": "all at once", "pictures": 20, "clients": 50, "workers": 4, "statuses": {"200": 1000}}
    waits = {**counts, "renders": 20, "waited": 618, "beyond_ms": [4.684, 11.769, 25.223]}  # as one round was stored
    assert stampede.wait_table({"waits": [waits]}).rows[0][2:] == (
        "20 of 20 pictures",
        "618",
        "4.7",
        "11.8",
        "25.2",
        "–",
    )


def test_rounds_are_counted_together_and_shown_apart() -> None:
    one = stampede.Waits(stampede.Counter({"200": 2}), [30.0], [1.0, 3.0], [0.1], 50.0)
    two = stampede.Waits(stampede.Counter({"200": 1, "503": 1}), [40.0], [5.0], [0.3], 60.0)
    row = stampede._row([one, two])
    assert (row["statuses"], row["renders"], row["waited"]) == ({"200": 3, "503": 1}, 2, 3)
    assert (row["beyond_ms"], row["p95_ms"], row["late_p95_ms"]) == ([3, 5, 5], [3, 5], [0.1, 0.3])
    about = {"how": "all at once", "pictures": 1, "clients": 2, "workers": 4, "rounds": 2}
    table = stampede.wait_table({"waits": [about | row]})
    assert table.rows[0][1:] == (
        "200: 3, 503: 1",
        "2 of 2 pictures",
        "3",
        "3.0",
        "4.00 (3.00–5.00)",
        "5.0",
        "0.20 (0.10–0.30)",
    )
