"""Which cases of a long loop run, and how the workers of pytest-xdist share the tests."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import conftest
import pytest
from conftest import ALONE, TESTS, pytest_xdist_auto_num_workers, pytest_xdist_make_scheduler, sample, share, thinned

WORKERS = len(os.sched_getaffinity(0)) + 1 if sys.platform == "linux" else None


def test_a_loop_runs_the_same_share_of_its_cases_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "LONG", False)
    cases = sample(iter(range(1000)))
    assert cases == sample(range(1000)) == sorted(set(cases))
    assert len(cases) == share(1000) == 100
    assert max(cases) > 900  # from everywhere, not the first ones
    assert len(sample(range(1000), 4)) == share(1000, 4) == 250
    assert sample(["only"]) == ["only"]


def test_a_long_run_has_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "LONG", True)
    assert sample(iter(range(1000)), 4) == list(range(1000))
    assert share(1000) == 1000


class Case:
    """What `thinned` knows of a test."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_a_slow_test_with_many_cases_runs_the_same_few_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "LONG", False)
    items: list[Any] = [Case(f"tests/engines/test_a.py::test_a[{number}]") for number in range(40)]
    kept = thinned(items)
    assert kept == thinned(items) == [item for item in items if item in kept]
    assert len(kept) == 4 + 36 // 6


def test_a_quick_test_and_one_with_few_cases_run_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "LONG", False)
    quick: list[Any] = [Case(f"tests/options/test_a.py::test_a[{number}]") for number in range(40)]
    few: list[Any] = [Case(f"tests/engines/test_a.py::test_a[{number}]") for number in range(4)]
    assert thinned([*quick, *few]) == [*quick, *few]


def test_a_long_run_thins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "LONG", True)
    items: list[Any] = [Case(f"tests/engines/test_a.py::test_a[{number}]") for number in range(40)]
    assert thinned(items) == items


def test_the_files_that_one_worker_runs_exist() -> None:
    assert [name for name in ALONE if not (TESTS / name).is_file()] == []


def test_one_worker_gets_all_that_run_alone() -> None:
    config: Any = SimpleNamespace(getvalue={"tx": ["popen"]}.get)
    scheduler: Any = pytest_xdist_make_scheduler(config, None)
    alone = {scheduler._split_scope(f"tests/{name}::test_a[b::c]") for name in ALONE}
    others = {scheduler._split_scope(f"tests/{name}") for name in ("test_urls.py::test_a", "test_urls.py::test_b")}
    assert (len(alone), len(others)) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "capture", "workers"),
    [
        (["tests"], "fd", WORKERS),
        (["tests"], "no", 0),
        (["tests/test_urls.py"], "fd", 0),
        (["tests/test_urls.py::test_a", "tests/test_formats.py"], "fd", 0),
        (["tests/test_urls.py", "tests/options"], "fd", WORKERS),
    ],
)
def test_folders_run_in_parallel_and_files_do_not(arguments: list[str], capture: str, workers: int | None) -> None:
    config: Any = SimpleNamespace(args=arguments, option=SimpleNamespace(capture=capture))
    assert pytest_xdist_auto_num_workers(config) == workers
