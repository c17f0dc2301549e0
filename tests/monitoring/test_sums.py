"""Sums across processes: nothing is lost or counted twice when processes fork, end, are killed or run side by side."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_images_vips.cache.locks import try_lock, unlock
from flask_images_vips.errors import Busy
from flask_images_vips.monitoring import sums_file
from flask_images_vips.monitoring.sums import Sums

KEY, OTHER = ("served", "jpeg"), ("served", "png")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # other tests have started threads
]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sums"))


def in_child(work: Callable[[], object], *, killed: bool = False) -> None:
    """Do *work* in a fork of this process, which then ends, or is killed."""
    child = os.fork()
    if not child:
        work()
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)


def test_numbers_of_one_key_add_up(tmp_path: Path) -> None:
    sums = Sums(str(tmp_path / "sums"))
    for _ in range(3):
        sums.add(KEY, (1, 0.5))
    sums.add(OTHER, (7,))
    assert sums.totals() == {KEY: (3, 1.5), OTHER: (7,)}
    assert sums.totals() == {KEY: (3, 1.5), OTHER: (7,)}


@pytest.mark.parametrize("killed", [False, True])
def test_processes_that_have_ended_stay_in_the_sums_and_leave_one_file(tmp_path: Path, killed: bool) -> None:
    sums = Sums(str(tmp_path))
    sums.add(KEY, (1,))
    for _ in range(5):
        in_child(lambda: [sums.add(KEY, (1,)) for _ in range(10)], killed=killed)
    assert len(files(tmp_path)) == 6
    assert sums.totals() == {KEY: (51,)}
    assert len(files(tmp_path)) == 1
    assert sums.totals() == {KEY: (51,)}
    assert Sums(str(tmp_path)).totals() == {KEY: (51,)}  # as seen by a process that counts nothing


def test_a_process_that_runs_is_counted_as_it_goes(tmp_path: Path, elsewhere: Any) -> None:
    sums = Sums(str(tmp_path))
    other = elsewhere(count_until_killed, tmp_path)
    end, seen = time.monotonic() + 30, [0.0]
    while len(seen) < 5 and time.monotonic() < end:
        (now,) = sums.totals().get(KEY, (0.0,))
        seen += [now] if now > seen[-1] else []
        time.sleep(0.01)
    other.kill()
    other.wait()
    (last,) = sums.totals()[KEY]
    assert len(seen) == 5
    assert last >= seen[-1]


def count_until_killed(folder: str) -> None:
    sums = Sums(folder)
    while True:
        sums.add(KEY, (1,))
        time.sleep(0.001)


def test_a_process_killed_between_the_total_and_the_removal_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = Sums(str(tmp_path))
    sums.add(OTHER, (1,))
    in_child(lambda: sums.add(KEY, (5,)))

    def gone(path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", gone)
        with pytest.raises(KeyboardInterrupt):
            sums.totals()
    assert (tmp_path / "total.json").exists()
    assert len(files(tmp_path)) == 2
    assert sums.totals() == {KEY: (5,), OTHER: (1,)}
    assert len(files(tmp_path)) == 1


def test_a_deleted_folder_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums(str(tmp_path / "sums"))
    sums.add(KEY, (1,))
    for file in (tmp_path / "sums").iterdir():
        file.unlink()
    (tmp_path / "sums").rmdir()
    assert sums.totals() == {KEY: (1,)}
    sums.add(KEY, (1,))
    assert sums.totals() == {KEY: (2,)}


def test_where_no_file_can_be_written_each_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    sums = Sums(str(tmp_path / "file" / "sums"))
    with caplog.at_level(logging.WARNING, logger="flask_images_vips"):
        sums.add(KEY, (1,))
        sums.add(KEY, (1,))
        assert sums.totals() == {KEY: (2,)}
    assert sum("cannot be added up" in line.message for line in caplog.records) == 1
    assert Sums(str(tmp_path / "new"), lambda: False).totals() == {}
    assert not (tmp_path / "new").exists()


def test_a_full_disk_loses_nothing_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums(str(tmp_path))
    sums.add(KEY, (1,))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        sums.add(KEY, (1,))
        sums.add(OTHER, (1,))
    assert sums.totals() == {KEY: (1,)}
    sums.add(KEY, (1,))
    sums.add(OTHER, (1,))
    assert sums.totals() == {KEY: (3,), OTHER: (2,)}


def test_a_total_that_cannot_be_written_is_shown_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sums = Sums(str(tmp_path))
    sums.add(OTHER, (1,))
    in_child(lambda: sums.add(KEY, (5,)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, logger="flask_images_vips"):
        patch.setattr(os, "replace", full)
        for _ in range(2):
            assert sums.totals() == {KEY: (5,), OTHER: (1,)}
    assert sum("total of metrics cannot be written" in line.message for line in caplog.records) == 1
    assert len(files(tmp_path)) == 2
    assert sums.totals() == {KEY: (5,), OTHER: (1,)}
    assert len(files(tmp_path)) == 1


def test_files_that_may_not_be_removed_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums(str(tmp_path))
    sums.add(OTHER, (1,))
    in_child(lambda: sums.add(KEY, (5,)))

    def refused(path: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refused)
        for _ in range(2):
            assert sums.totals() == {KEY: (5,), OTHER: (1,)}
        in_child(lambda: sums.add(KEY, (2,)))
        for _ in range(2):
            assert sums.totals() == {KEY: (7,), OTHER: (1,)}
    assert len(files(tmp_path)) == 3
    assert sums.totals() == {KEY: (7,), OTHER: (1,)}
    assert len(files(tmp_path)) == 1


def test_the_folders_of_containers_that_are_gone_are_removed_after_a_month(tmp_path: Path) -> None:
    old, new, used, own = (Sums(str(tmp_path / name)) for name in ("old", "new", "used", "own"))
    for sums in (old, new):
        in_child(lambda sums=sums: sums.add(KEY, (1,)))  # type: ignore[misc]
    used.add(KEY, (1,))
    for name in ("old", "used"):
        for path in (*(tmp_path / name).iterdir(), tmp_path / name):
            os.utime(path, (0, 0))
    (tmp_path / "a file").write_bytes(b"")
    own.add(KEY, (1,))
    assert sorted(os.listdir(tmp_path)) == ["a file", "new", "own", "used"]
    assert used.totals() == {KEY: (1,)}


def test_there_is_an_end_to_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.monitoring.sums._MOST_KEYS", 3)
    sums = Sums(str(tmp_path))
    for number in range(9):
        sums.add((str(number),), (1,))
    sums.add(("0",), (1,))
    assert sums.totals() == {("0",): (2,), ("1",): (1,), ("2",): (1,)}


def test_a_lock_that_is_held_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_images_vips.monitoring.sums._LOCK_SECONDS", 0.05)
    sums = Sums(str(tmp_path))
    sums.add(KEY, (1,))
    lock = try_lock(str(tmp_path / "000.lock"))
    assert lock is not None
    os.pwrite(lock, b"000", 0)  # the name that it is held for
    with pytest.raises(Busy):
        sums.totals()
    unlock(lock)
    assert sums.totals() == {KEY: (1,)}


@pytest.mark.parametrize("cut", [0, 3, 8, 15, 20, 40, 47])
def test_a_record_that_is_cut_off_ends_the_file(tmp_path: Path, cut: int) -> None:
    first, second = (sums_file.encoded(key, (1.0, 2.0))[0] for key in (KEY, OTHER))
    (tmp_path / "a").write_bytes(first + second[:cut])
    assert len(second) > cut
    assert sums_file.read_records(str(tmp_path / "a")) == {KEY: (1, 2)}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"numbers": 5}', b'{"files": [], "numbers": [["a", [1]]]}', b"\xff"], ids=str
)
def test_a_damaged_total_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "total.json").write_bytes(content)
    sums = Sums(str(tmp_path))
    in_child(lambda: sums.add(KEY, (5,)))
    sums.add(OTHER, (1,))
    assert sums.totals() == {KEY: (5,), OTHER: (1,)}
    json.loads((tmp_path / "total.json").read_text())


def test_numbers_of_another_version_are_replaced() -> None:
    total: sums_file.Numbers = {KEY: (1, 2)}
    sums_file.add_numbers(total, {KEY: (3, 4)})
    assert total == {KEY: (4, 6)}
    sums_file.add_numbers(total, {KEY: (5,)})
    assert total == {KEY: (5,)}
