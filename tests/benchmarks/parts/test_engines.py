"""Each engine is measured with every figure that the report needs."""

from __future__ import annotations

import pytest

from bench.contenders import FULL, LIMIT, OURS, PILLOW
from bench.parts import engines
from bench.workload import Case
from benchmarks.conftest import SMALL


def test_engines_are_measured_with_all_that_a_report_needs() -> None:
    pytest.importorskip("skimage")
    row = engines.measured(Case(SMALL), [OURS, PILLOW, FULL, LIMIT], rounds=2)
    assert row["case"] == "a small JPEG, fit 400×300"
    for name in (OURS, PILLOW, FULL):
        found = row["contenders"][name]
        assert len(found["cpu_ms"]) == len(found["wall_ms"]) == 2
        assert min(found["cpu_ms"]) > 0
        assert found["peak_mb"] > 0 < found["bytes"]
        assert found["ssim"] > 0.9
