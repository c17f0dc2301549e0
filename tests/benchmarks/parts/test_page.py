"""The markup of a page is measured against the headers of its pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import ROOT, only_in_long_runs

from bench.measure import Run
from bench.parts import page


@only_in_long_runs
def test_the_bench_of_a_page_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "page", "--quick", "--rounds", "1", "--results", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert "resized_img_tag" in result.stdout
    assert "placeholders in it" in result.stdout


def test_every_markup_is_measured_in_every_round() -> None:
    data = page.markup(Run(quick=True, rounds=2))
    assert data["markup"].keys() == {*page.CALLS, page.HEADERS}
    assert all(len(row["cpu_ms"]) == 2 for row in data["markup"].values())
    table = page._markup_table(data)
    assert table.rows[-1][0] == page.HEADERS
    assert table.rows[-1][-1] == "1.00 (1.00–1.00)"


def test_the_second_visit_has_every_placeholder() -> None:
    data = page.visits(Run(quick=True))
    assert [found["known"] for found in data["pages"].values()] == [[0], [page.QUICK_PHOTOGRAPHS]]
