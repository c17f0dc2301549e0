"""CPU time, memory, rounds and their statistics are measured as stated."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from pool.conftest import runtime
from pool.shared import pool, run

from bench import results, workload
from bench.contenders import FULL, Worker
from bench.measure import Run, Spread, Tree, Watch, WrongAnswer, check, interleaved, percentile, ratio, spread
from bench.workload import Case, Picture
from benchmarks.conftest import SMALL, encoded
from flask_images_vips.formats import JPEG
from flask_images_vips.options.options import Options
from flask_images_vips.rendering.request import Request, Work

__all__ = ["runtime"]  # a fixture


def test_the_middle_of_measurements_goes_with_their_spread() -> None:
    assert spread([3, 1, 2]) == Spread(2, 1, 3, 3)
    assert spread([4, 1]).median == 2.5
    assert Spread(23.712, 22.6, 29.94, 3).text() == "23.7 (22.6–29.9)"
    assert Spread(1234.5, 1000, 2000, 3).text() == "1,234 (1,000–2,000)"
    assert Spread(0.5, 0.5, 0.5, 1).text() == "0.50"


def test_nothing_measured_has_no_median() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_a_ratio_is_that_of_the_rounds_and_not_of_the_medians() -> None:
    # A machine that was slower by the round does not change what two contenders are to each other.
    assert ratio([10, 20, 40], [5, 10, 20]) == Spread(2, 2, 2, 3)
    assert ratio([1, 9, 4], [1, 3, 2]) == Spread(2, 1, 3, 3)
    with pytest.raises(ValueError, match="3 and 2 rounds"):
        ratio([1, 2, 3], [1, 2])


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([5, 1, 3, 2, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 5, 5]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no picture"),
        (b"<html>busy</html>", "no picture"),
        (encoded((400, 266), "jpeg")[:-500], "no picture .*truncated"),
        (encoded((400, 266), "png"), "in png, not in jpeg"),
        (encoded((3000, 2000), "jpeg"), "3000×2000, not of 400×266"),
        (encoded((400, 300), "jpeg"), "400×300, not of 400×266"),
    ],
)
def test_a_wrong_picture_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(WrongAnswer, match=f"somebody: .*{complaint}"):
        check("somebody", data, (400, 266), "jpeg")


def test_a_side_may_be_rounded_as_one_likes() -> None:
    check("somebody", encoded((400, 267), "jpeg"), (400, 266), "jpeg")


def test_the_cpu_of_another_process_is_counted() -> None:
    with Worker(FULL) as worker:
        tree = Tree(worker._process.pid or 0)
        path = workload.write([SMALL])[SMALL.name]
        worker.render(path, Case(SMALL))
        before = tree.cpu_seconds()
        samples = [worker.render(path, Case(SMALL)) for _ in range(5)]
        spent = 1000 * (tree.cpu_seconds() - before)
    assert spent >= sum(sample.cpu_ms for sample in samples) > 0


def test_renderers_belong_to_the_server_that_uses_them(runtime: Path, tmp_path: Path) -> None:
    picture = workload.write([SMALL], tmp_path)[SMALL.name]
    tree = Tree(os.getpid(), runtime=str(runtime))
    before, running = tree.cpu_seconds(), pool(runtime)
    request = Request(work=Work.RENDER, settings={}, options=(Options(width=100),), format=JPEG)
    done = run(running, request, picture)
    assert len(tree.processes()) >= 3
    assert tree.cpu_seconds() - before > done.cpu_seconds > 0


def test_the_peak_of_a_process_is_that_since_the_last_question() -> None:
    large = Picture("a large JPEG", "large.jpg", (3000, 2000), grain=0, save=(("quality", 50),))
    path = workload.write([large])[large.name]
    with Worker(FULL) as worker:
        idle = worker.peak_mb()
        worker.render(path, Case(large))
        assert worker.peak_mb() > idle + 18  # MB that 6 Mpx take
        assert worker.peak_mb() < idle + 18


class Disturbed(Watch):
    """Reports the disturbances in `shares`, one per round, and none after them."""

    shares: list[float]

    def __exit__(self, *_: object) -> None:
        self.share = self.shares.pop(0) if self.shares else 0.0


def test_contenders_take_turns_in_another_order_each_round() -> None:
    order: list[str] = []
    Disturbed.shares = []
    found = interleaved({name: partial(order.append, name) for name in "abc"}, 3, watch=Disturbed)
    assert "".join(order) == "abcbcacab"
    assert found.noted() == {"disturbed": 0, "foreign_share": 0.0}


def test_a_disturbed_round_is_repeated() -> None:
    counted = iter(range(100))
    Disturbed.shares = [0.5, 0.0, 0.9]
    found = interleaved({"a": lambda: next(counted)}, 2, watch=Disturbed)
    assert found.samples == {"a": [1, 3]}
    assert found.disturbed == 0


def test_what_stays_disturbed_is_noted_and_ends() -> None:
    counted = iter(range(100))
    Disturbed.shares = [0.5] * 100
    found = interleaved({"a": lambda: next(counted)}, 3, watch=Disturbed)
    assert found.samples == {"a": [3, 4, 5]}  # three repetitions, and no more
    assert found.noted() == {"disturbed": 3, "foreign_share": 0.5}
    assert interleaved({"a": lambda: next(counted)}, 1, watch=Disturbed, spare=0).samples == {"a": [6]}


def test_a_worker_that_its_server_left_behind_is_adopted() -> None:
    code = """
import os, psutil, subprocess
from bench.measure import adopt_orphans
adopt_orphans()
with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE) as server:
    worker = psutil.Process(int(server.stdout.readline()))
    server.wait()
    try:
        print(worker.ppid() == os.getpid())
    finally:
        worker.kill()
"""
    assert results.output_of(sys.executable, "-c", code) == "True"


def test_the_user_sets_the_number_of_rounds() -> None:
    assert [Run(quick=quick).rounds_or(5, 2) for quick in (False, True)] == [5, 2]
    assert [Run(quick=quick, rounds=3).rounds_or(5, 2) for quick in (False, True)] == [3, 3]
    assert [Run(quick=quick).pick("full", "quick") for quick in (False, True)] == ["full", "quick"]
