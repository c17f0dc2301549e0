"""A process that renders is measured as it grows."""

from __future__ import annotations

from pathlib import Path

from bench.parts import soak


def test_memory_is_measured_after_each_step(tmp_path: Path) -> None:
    found = soak.soak(soak.site(tmp_path), renders=10, step=5)
    assert found["renders"] == [0, 5, 10]
    assert len(found["per_second"]) == len(found["resident_mb"]) == 3
    assert min(found["resident_mb"]) > 20


def test_growth_is_counted_once_the_process_has_settled() -> None:
    renders = [0, soak.SETTLED, 2 * soak.SETTLED]
    data = {
        "threads": 4,
        "renders": renders,
        "resident_mb": [[50, 100, 103], [50, 100, 101]],
        "per_second": [[0, 9, 9]] * 2,
    }
    (table,) = soak.tables(data)
    assert table.rows[-1] == ("10,000", "102 (101–103)", "9 (9–9)")
    assert "Growth after the first 5,000: 2.0 (1.0–3.0) %." in table.note
    short = {**data, "renders": [0, 1000], "resident_mb": [[50, 60]], "per_second": [[0, 9]]}
    assert "Growth" not in soak.tables(short)[0].note
