"""First renditions are new, checked and counted by each server."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from conftest import only_in_long_runs

from bench import servers, workload
from bench.contenders import FULL
from bench.measure import WrongAnswer
from bench.parts import cold
from bench.servers import Running
from benchmarks.conftest import SMALL, answering, encoded, here


def test_a_server_that_answers_another_size_fails_the_run() -> None:
    with answering(200, encoded((300, 200), "jpeg")) as port:
        started = {"small pictures": Running(port, here(), lambda name, width, height: "/x")}
        with pytest.raises(WrongAnswer, match="small pictures: a picture of 300×200, not of 400×266"):
            cold.measured(SMALL, started, rounds=1, requests=2, clients=1)


def test_no_size_is_asked_for_twice() -> None:
    asked = list(cold.sizes(SMALL))
    assert len(set(asked)) == len(asked) == cold.COPIES * cold.STEPS


@only_in_long_runs
def test_the_package_and_the_reference_are_served_and_measured(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    folder = tmp_path / "served"
    workload.copy_into(folder / "static", SMALL, [f"{copy}-{SMALL.file}" for copy in range(cold.COPIES)])
    package = servers.ours()[0]
    reference = next(server for server in servers.views() if server.name == FULL)
    with servers.running(package, folder) as ours, servers.running(reference, folder) as theirs:
        started = {package.name: ours, reference.name: theirs}
        row = cold.measured(SMALL, started, rounds=1, requests=4, clients=2)
        pids = [pid for server in started.values() for pid in server.tree.pids()]
    assert all(not psutil.pid_exists(pid) for pid in pids)
    for found in row["contenders"].values():
        assert len(found["per_second"]) == 1
        assert found["cpu_ms"][0] > 0
        assert found["ssim"] > 0.9
