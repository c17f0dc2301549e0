"""A runtime folder for each test of the pool, in which nothing may be left."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pool.shared import processes, until


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private folder with a short path, whatever TMPDIR is. Its processes are ended after the test."""
    with tempfile.TemporaryDirectory(prefix="images-pool-", dir="/tmp") as name:
        folder = Path(name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield folder
        for process in processes(folder):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        until(lambda: not processes(folder))


@pytest.fixture(autouse=True)
def usual_folder_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the renderers of other tests be in their usual folder, also if a test starts a pool in another folder."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.environ["XDG_RUNTIME_DIR"])


@pytest.fixture
def young_files(no_file_is_young: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the test are young for as long as files are."""
    monkeypatch.setattr("flask_images_vips.pool.renderers.YOUNG_SECONDS", 2)


@pytest.fixture
def long() -> Callable[[int, int], int]:
    """How often to repeat something: few times, or many where IMAGES_TESTS_LONG is set."""
    return lambda few, many: many if os.environ.get("IMAGES_TESTS_LONG") else few
