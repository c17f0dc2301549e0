"""How the workers of pytest-xdist share the tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ALONE, TESTS, pytest_xdist_auto_num_workers


def test_the_files_that_one_worker_runs_exist() -> None:
    assert [name for name in ALONE if not (TESTS / name).is_file()] == []


@pytest.mark.parametrize(
    ("arguments", "capture", "workers"),
    [
        (["tests"], "fd", None),
        (["tests"], "no", 0),
        (["tests/test_urls.py"], "fd", 0),
        (["tests/test_urls.py::test_a", "tests/test_formats.py"], "fd", 0),
        (["tests/test_urls.py", "tests/options"], "fd", None),
    ],
)
def test_folders_run_in_parallel_and_files_do_not(arguments: list[str], capture: str, workers: int | None) -> None:
    config: Any = SimpleNamespace(args=arguments, option=SimpleNamespace(capture=capture))
    assert pytest_xdist_auto_num_workers(config) == workers
