"""Every benchmark is a subcommand, which saves and prints its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.__main__ import main
from bench.measure import Run, WrongAnswer
from bench.parts import PARTS, cold
from benchmarks.conftest import cold_results, mixed_results, results_of


def test_a_failed_part_keeps_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: Run) -> dict[str, Any]:
        raise WrongAnswer("somebody: too quick")

    monkeypatch.setattr(cold, "measure", fails)
    assert main(["--results", str(tmp_path), "cold", "--quick"]) == 1
    assert not list(tmp_path.glob("*.json"))


def test_a_report_without_results_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run python -m bench all"):
        main(["--results", str(tmp_path), "report"])


def test_a_report_is_one_page_and_its_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    given = results_of(vips=[25, 26], pillow=[30, 31], bare=[25, 25], full=[75, 75], limit=[20, 20])
    for part, data in (given | cold_results([50, 60], [100, 100]) | mixed_results([50, 60], [100, 100])).items():
        (tmp_path / f"{part}.json").write_text(json.dumps(data))
    assert main(["--results", str(tmp_path), "report"]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 6  # three plots, light and dark
    assert "A site's traffic, by each server" in page
    for name in ("engines", "engines-dark", "cold", "cold-dark", "mixed", "mixed-dark"):
        with Image.open(tmp_path / "plots" / f"{name}.png") as plot:
            assert plot.width > 500


def test_every_part_is_a_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*PARTS, "report", "all"))


def test_a_part_saves_its_results_and_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", "--quick", "--rounds", "2", "--results", str(tmp_path)]) == 0
    data = json.loads((tmp_path / "page.json").read_text("utf-8"))
    assert (data["quick"], data["rounds"]) == (True, 2)
    printed = capsys.readouterr()
    assert "resized_picture_tag" in printed.out
    assert str(tmp_path / "page.json") in printed.out
    assert "page: first (" in printed.err


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_a_number_of_rounds_that_measures_nothing_is_refused(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["page", "--rounds", rounds])
    assert "--rounds" in capsys.readouterr().err
