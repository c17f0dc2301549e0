"""The tables and plots of the documentation are those of the results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import LONG
from PIL import Image

from bench import docs, results
from bench.tables import Table
from benchmarks.conftest import about, results_of

BENCHMARK = docs.BENCHMARK.relative_to(docs.DOCS)
MARKERS = ("machine", "engines", "cold", "mixed", "missed", "losses")


def test_every_page_shows_the_stored_results() -> None:
    stored = results.load()
    for page in docs.DOCS.rglob("*.md"):
        text = page.read_text("utf-8")
        assert docs.with_tables(text, page.relative_to(docs.DOCS), stored) == text, "run: python -m bench report --docs"


def test_no_table_of_the_benchmark_is_missing() -> None:
    text = docs.BENCHMARK.read_text("utf-8")
    for marker in MARKERS:
        assert re.search(rf"<!-- {marker} -->\n.+\n<!-- /{marker} -->", text, re.DOTALL), marker


def test_a_table_for_the_page_is_narrow() -> None:
    wide = Table(
        ("picture", "ours", "theirs"), [("a", "1.5 (1.2–2.0), SSIM 0.9", "2"), ("b", "3", "4 (3–5)")], "a note"
    )
    assert docs.turned(wide).rows[0] == ("ours", "1.5 (1.2–2.0), SSIM 0.9", "3")
    assert docs.narrow(docs.turned(wide)).splitlines()[2:] == [
        "| ours | 1.5<br>(1.2–&NoBreak;2.0)<br>SSIM 0.9 | 3 |",
        "| theirs | 2 | 4<br>(3–&NoBreak;5) |",
        "",
        "a note",
    ]


def test_tables_are_replaced_and_the_rest_stays() -> None:
    old = "".join(f"before {name}\n<!-- {name} -->\nold\n<!-- /{name} -->\nafter\n" for name in MARKERS)
    made = docs.with_tables(old, BENCHMARK, results_of(vips=[25], bare=[25], full=[75], limit=[20]))
    assert "| 6 Mpx JPEG, camera, 2.0 bits a pixel | 25.0 | 25.0 | 75.0 | 20.0 | 3.00 | 1.00 |" in made
    assert "before cold\n<!-- cold -->\nold\n<!-- /cold -->\nafter\n" in made  # there are no results
    assert made.count("\nold\n") == 2
    with pytest.raises(ValueError, match="no <!-- machine -->"):
        docs.with_tables("nothing", BENCHMARK, results_of(vips=[1], full=[1], bare=[1], limit=[1]))


def test_any_page_may_show_a_burst_by_the_number_of_threads() -> None:
    row = {"shown": [60], "wall_s": [4.0], "cpu": [1.0], "worst_ms": [90.0], "median_ms": [2.0], "peak_mb": [125.0]}
    burst = {**about(), "workers": 2, "pictures": 60, "picture": "a picture", "rounds": 1, "threads": {"64": row}}
    text = "<!-- burst -->\nold\n<!-- /burst -->\n"
    made = docs.with_tables(text, Path("deploying/tuning.md"), {"burst": burst})
    assert "| 64 | 60 | 4.00 | 1.00 | 90.0 | 2.00 | 125 |" in made
    assert "[benchmark](../inside/benchmark.md)" in made
    assert "old" not in made
    assert docs.with_tables("nothing", Path("index.md"), {"burst": burst}) == "nothing"


def test_all_is_written_below_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    if not LONG:  # the others take the same way
        monkeypatch.setattr(docs, "PLOTS", {"headline": docs.PLOTS["headline"]})
    page = tmp_path / "inside" / "benchmark.md"
    page.parent.mkdir()
    page.write_text(docs.BENCHMARK.read_text("utf-8").replace("| CPU s |", "| old |"))
    docs.write(results.load(), tmp_path)
    assert page.read_text("utf-8") == docs.BENCHMARK.read_text("utf-8")
    for name in docs.PLOTS.values():
        for suffix in ("", "-dark"):
            drawn, kept = tmp_path / "pictures" / f"{name}{suffix}.png", docs.DOCS / "pictures" / f"{name}{suffix}.png"
            with Image.open(drawn) as new, Image.open(kept) as old:
                assert new.width == old.width  # the letters depend on matplotlib


def test_every_plot_of_the_documentation_is_small() -> None:
    for name in docs.PLOTS.values():
        for suffix in ("", "-dark"):
            assert (docs.DOCS / "pictures" / f"{name}{suffix}.png").stat().st_size < 60_000
