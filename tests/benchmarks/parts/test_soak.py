"""A process that renders is measured as it grows."""

from __future__ import annotations

import os
from pathlib import Path

from bench.measure import Tree
from bench.parts import soak


def test_memory_is_measured_after_each_step(tmp_path: Path) -> None:
    found = soak.soak(soak.site(tmp_path), renders=10, processes=Tree(os.getpid()), step=5)
    assert found["renders"] == [0, 5, 10]
    assert all(len(found[column]) == 3 for column in soak.COLUMNS)
    assert min(found["memory_mb"]) > 20
    assert min(found["processes"]) >= 1
    assert min(found["descriptors"]) >= 3


def test_growth_is_counted_once_the_process_has_settled() -> None:
    renders = [0, soak.SETTLED, 2 * soak.SETTLED]
    data = {
        "threads": 4,
        "renders": renders,
        "memory_mb": [[50, 100, 103], [50, 100, 101]],
        "processes": [[1, 4, 4]] * 2,
        "descriptors": [[10, 60, 61]] * 2,
        "per_second": [[0, 9, 9]] * 2,
    }
    (table,) = soak.tables(data)
    assert table.rows[-1] == ("4,000", "102 (101–103)", "4 (4–4)", "61 (61–61)", "9 (9–9)")
    assert "Growth after the first 2,000: 2.0 (1.0–3.0) %." in table.note
    short = {"threads": 4, "renders": [0, 1000], **{column: [[5, 6]] for column in soak.COLUMNS}}
    assert "Growth" not in soak.tables(short)[0].note
