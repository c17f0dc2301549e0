"""Goals, losses and the page state what the results hold."""

from __future__ import annotations

from typing import Any

from bench import report
from bench.measure import Spread
from bench.report import page
from bench.tables import Goal
from benchmarks.conftest import cold_results, results_of


def found_goal(name: str, given: dict[str, Any]) -> Goal:
    return next(goal for goal in report.goals(given) if goal.name.startswith(name))


def test_a_goal_that_is_missed_gives_its_reason_in_figures() -> None:
    given = results_of(vips=[25, 25, 26], bare=[25, 25, 25], full=[75, 75, 75], limit=[20, 20, 20])
    goal = found_goal("CPU of a full decode ÷ ours, 6 Mpx JPEG, camera", given)
    assert goal.found == Spread(3, 75 / 26, 3, 3)
    assert (goal.wanted, goal.met) == ("≥ 4", False)
    assert "2.0 bits a pixel" in goal.reason
    assert (
        "already take 20.0 of our 25.0 ms. So even without any other work, the ratio would be only 3.8" in goal.reason
    )
    assert found_goal("CPU of ours ÷ bare pyvips, 6 Mpx JPEG, camera", given).met


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    goal = found_goal("CPU of a hit", results_of(vips=[1], full=[5], bare=[1], limit=[1]))
    assert (goal.found, goal.met, goal.reason) == (None, False, "")
    assert ("CPU of the front door ÷ nginx' static file", "≤ 1.5", "–", "not measured") in report.goal_table({}).rows


def test_first_renditions_are_held_against_the_best_other_server() -> None:
    goal = found_goal("First renditions a second, 6 Mpx JPEG, camera", cold_results([90, 95], [100, 100]))
    assert "thumbor (SSIM 0.905 to 0.900)" in goal.name
    assert goal.found == Spread(0.925, 0.9, 0.95, 2)
    assert goal.met
    assert not found_goal("First renditions a second, 6 Mpx JPEG", cold_results([80, 80], [100, 100])).met


def test_where_another_is_better_stands_in_the_table_of_losses() -> None:
    given = results_of(vips=[200, 200], pillow=[100, 100], full=[300, 300], limit=[190, 190])
    (loss,) = report.losses(given)
    assert (loss.to, loss.ours, loss.theirs, loss.times) == ("pillow", "200 (200–200) ms", "100 (100–100) ms", 2)
    assert loss.reason.startswith("libvips' decoder and encoder alone take 190.0 of our 200.0 ms.")
    assert report.losses(results_of(vips=[100, 100], pillow=[99, 99], limit=[50, 50])) == []
    (loss,) = report.losses(cold_results([50, 50], [100, 100]))
    assert (loss.to, loss.times) == ("thumbor", 2)
    assert len(report.loss_table(cold_results([50, 50], [100, 100])).rows) == 1


def test_a_missed_goal_stands_in_a_table_of_its_own() -> None:
    (row,) = report.missed_table(cold_results([50, 50], [100, 100])).rows
    assert row[1:3] == ("≥ 0.9", "0.50 (0.50–0.50)")
    assert report.missed_table(cold_results([100, 100], [100, 100])).rows == []


def test_the_page_tells_goals_losses_disturbances_and_what_was_skipped() -> None:
    given = results_of(vips=[25], bare=[25], full=[75], limit=[20]) | cold_results([50, 60], [100, 100])
    text = page(given, {})
    assert '<td class="lost"><span>not met</span></td>' in text
    assert "<tr><td>6 Mpx JPEG, camera, 2.0 bits a pixel</td>" in text  # a label, not a number: it may take two lines
    assert "others took up to 25 % of the processors in 6 Mpx JPEG, camera" in text
    assert "ipx is not installed." in text
    assert "2 cores (a processor)" in text
    assert "http" not in text  # it needs nothing from anywhere


def test_a_page_can_be_made_of_any_part_alone() -> None:
    assert "First renditions, by each server" not in page(results_of(vips=[1], full=[4], bare=[1], limit=[1]), {})
    assert "One rendition, by each engine" not in page(cold_results([1, 1], [1, 1]), {})
