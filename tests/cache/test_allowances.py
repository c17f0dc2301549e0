"""Allowances: how much a key may take at once, how it comes back, and that processes share it."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.cache import allowances as module
from flask_images_vips.cache.allowances import Allowances
from flask_images_vips.hashing import digest


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.0
        monkeypatch.setattr("flask_images_vips.cache.allowances.time.time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture(params=["files", "memory"])
def allowances(request: pytest.FixtureRequest, tmp_path: Path) -> Allowances:
    return Allowances(str(tmp_path / "quotas"), lambda: request.param == "files")


def taken(allowances: Allowances, key: str = "a", *, count: float = 3, seconds: float = 60) -> int:
    """How often *key* can take one now."""
    granted = 0
    while not allowances.take(key, count, seconds):
        granted += 1
    return granted


def test_all_may_be_taken_at_once_and_comes_back_evenly(allowances: Allowances, clock: Clock) -> None:
    assert taken(allowances) == 3
    assert allowances.take("a", 3, 60) == pytest.approx(20)
    clock.now += 19
    assert allowances.take("a", 3, 60) == pytest.approx(1)
    clock.now += 1
    assert taken(allowances) == 1
    clock.now += 45
    assert taken(allowances) == 2
    clock.now += 3600
    assert taken(allowances) == 3


def test_keys_do_not_share(allowances: Allowances, clock: Clock) -> None:
    assert taken(allowances, "a") == 3
    assert taken(allowances, "b") == 3
    assert taken(allowances, "a") == 0


def test_what_was_given_back_can_be_taken_again(allowances: Allowances, clock: Clock) -> None:
    assert taken(allowances) == 3
    allowances.give_back("a", 3, 60)
    assert taken(allowances) == 1
    allowances.give_back("unknown", 3, 60)
    assert taken(allowances, "unknown") == 3


def test_a_clock_that_is_set_back_locks_nobody_out(allowances: Allowances, clock: Clock) -> None:
    assert taken(allowances) == 3
    clock.now -= 1_000_000
    assert allowances.take("a", 3, 60) == pytest.approx(20)


def test_keys_that_have_everything_back_are_not_kept(tmp_path: Path, clock: Clock) -> None:
    allowances = Allowances(str(tmp_path))
    together = [name for name in map(str, range(1000)) if digest(name, 16).startswith("00")]
    assert len(together) > 1
    for name in together:
        allowances.take(name, 3, 60)
    (file,) = tmp_path.glob("*.json")
    assert len(json.loads(file.read_text())) == len(together)
    clock.now += 61
    allowances.take(together[0], 3, 60)
    assert json.loads(file.read_text()).keys() == {digest(together[0], 16)}


LARGE = b'{"a": ' + b"9" * 400 + b"}"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"a": "b"}', b'{"a": [1]}', b"\xff\xfe", LARGE, b"[" * 100_000],
    ids=lambda content: content[:10],
)
def test_a_damaged_file_is_replaced(tmp_path: Path, clock: Clock, content: bytes) -> None:
    allowances = Allowances(str(tmp_path))
    allowances.take("a", 3, 60)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(content)
    assert taken(allowances) == 3


@pytest.mark.parametrize("room", [0, 5])
def test_a_disk_that_is_full_costs_nobody_what_was_stored(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    class Full(module.FileIO):
        """A file on a disk that has only some bytes left."""

        def write(self, data: Any, /) -> int:
            end = os.fstat(self.fileno()).st_size
            return super().write(data[: max(0, end + room - self.tell())])

    allowances = Allowances(str(tmp_path))
    keys = [key for key in map(str, range(3000)) if digest(key, 16).startswith("ab")][:2]
    assert taken(allowances, keys[0]) == 3
    monkeypatch.setattr(module, "FileIO", Full)
    allowances.take(keys[1], 3, 60)
    monkeypatch.undo()
    Clock(monkeypatch)
    assert taken(allowances, keys[0]) == 0


def test_what_cannot_be_written_is_kept_nowhere_and_logged_once(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_said", module.Said())
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING, logger="flask_images_vips"):
        assert taken(Allowances(str(tmp_path / "file" / "quotas"))) == 3  # in memory

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        allowances = Allowances(str(tmp_path))
        monkeypatch.setattr(module, "_write", full)
        for _ in range(5):
            assert allowances.take("a", 3, 60) == 0
    lines = [line.message for line in caplog.records if "Quotas cannot be kept" in line.message]
    assert len(lines) == 2


def take_many(folder: str, count: str) -> None:
    allowances = Allowances(folder)
    with ThreadPoolExecutor(4) as threads:
        waits = list(threads.map(lambda _: allowances.take("a", int(count), 1e6), range(int(count))))
    sys.stdout.write(str(waits.count(0)))


def test_processes_and_threads_together_take_no_more(tmp_path: Path, elsewhere: Callable[..., Any]) -> None:
    running = [elsewhere(take_many, tmp_path, 40) for _ in range(2)]
    granted = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(granted) == 40
