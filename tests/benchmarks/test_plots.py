"""Plots are drawn for results that exist, and for no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import LONG, ROOT
from PIL import Image

from bench import results
from benchmarks.conftest import results_of


def test_only_existing_results_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench.plots import draw_all

    assert list(draw_all(results_of(vips=[25, 26], full=[75, 76]), tmp_path)) == ["engines"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engines-dark.png", "engines.png"]


def test_the_stored_results_have_every_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from bench import plots

    if not LONG:  # the other theme differs in its colours alone
        monkeypatch.setattr(plots, "_THEMES", {"": plots._THEMES[""]})
    drawn = plots.draw_all(results.load(ROOT / "bench" / "results"), tmp_path)
    assert drawn.keys() == plots.PLOTS.keys()
    for name in plots.PLOTS:
        sizes = set()
        for suffix in plots._THEMES:
            with Image.open(tmp_path / f"{name}{suffix}.png") as drawing:
                sizes.add(drawing.size)
        assert len(sizes) == 1
