"""The files of the record: many processes, killed ones, damaged files, and sources that are forgotten."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import until

from flask_images_vips.cache.locks import try_lock, unlock
from flask_images_vips.recording import journal as module
from flask_images_vips.recording.counts import Asked, Counts, Measure
from flask_images_vips.recording.journal import Journal, forget

HITS = Measure("", "", "hits")


def one(ref: str = "a.png") -> Counts:
    counts = Counts()
    counts.day(time.time())[HITS] = 1
    counts.ask(ref, "w=50", "png", Asked(1, "0-1.png"))
    return counts


def append(journal: Journal, counts: Counts | None = None, since: float | None = None) -> bool:
    return journal.append(counts or one(), time.time() if since is None else since)


def hits(journal: Journal) -> float:
    return sum(day[HITS] for day in journal.read().days.values())


def names(journal: Journal) -> list[str]:
    return sorted(os.listdir(journal.folder))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path))


def test_without_files_there_are_no_counts(journal: Journal) -> None:
    assert journal.read().sources == {}
    journal.forget("a.png")
    journal.clear()
    assert not os.path.exists(journal.folder)


def test_what_is_appended_is_read_before_and_after_it_is_added_to_the_summary(journal: Journal) -> None:
    for number in range(1, 7):
        append(journal)
        if number % 2 == 0:
            journal.compact()
        assert hits(journal) == number
        assert journal.read().sources["a.png"].count == pytest.approx(number)
    assert names(journal) == ["summary-3"]


def test_only_this_user_may_read_the_files(journal: Journal) -> None:
    append(journal)
    journal.compact()
    append(journal)
    assert stat.S_IMODE(os.stat(journal.folder).st_mode) == 0o700
    modes = {stat.S_IMODE(os.stat(os.path.join(journal.folder, name)).st_mode) for name in names(journal)}
    assert modes == {0o600}


def test_a_long_log_or_an_old_summary_is_to_be_added(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not append(journal)
    monkeypatch.setattr(module, "_LONGEST_LOG", 100)
    assert append(journal)
    journal.compact()
    monkeypatch.setattr(module, "_LONGEST_LOG", 10_000)
    assert not append(journal)
    journal.compact(always=False)  # another process has just done it
    assert names(journal) == ["log-1", "summary-1"]
    hour_ago = time.time() - 4000
    os.utime(os.path.join(journal.folder, "summary-1"), (hour_ago, hour_ago))
    assert append(journal)
    journal.compact(always=False)
    assert names(journal) == ["summary-2"]


def test_a_log_that_is_in_the_summary_already_is_not_counted_again(journal: Journal) -> None:
    append(journal)
    log = Path(journal.folder, "log-0")
    kept = log.read_bytes()
    journal.compact()
    log.write_bytes(kept)  # as if the process had been killed before it removed the log
    Path(journal.folder, "summary-0").write_bytes(kept)
    assert hits(journal) == 1
    append(journal)
    journal.compact()
    assert hits(journal) == 2
    assert names(journal) == ["summary-2"]


def test_a_line_that_was_cut_off_costs_no_other(journal: Journal) -> None:
    append(journal)
    with open(os.path.join(journal.folder, "log-0"), "ab") as file:
        file.write(b'{"days":{"2026-01')
    append(journal)
    assert hits(journal) == 2
    journal.compact()
    assert hits(journal) == 2


def test_a_damaged_summary_costs_only_itself(journal: Journal) -> None:
    append(journal)
    journal.compact()
    append(journal)
    Path(journal.folder, "summary-1").write_bytes(b"")
    assert hits(journal) == 1
    journal.compact()
    assert hits(journal) == 1


def test_a_huge_file_is_not_read(journal: Journal) -> None:
    append(journal)
    with open(os.path.join(journal.folder, "log-0"), "ab") as file:
        file.truncate(33 << 20)
    assert hits(journal) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: links and FIFOs")
def test_links_and_fifos_are_not_followed(journal: Journal, tmp_path: Path) -> None:
    append(journal)
    log = Path(journal.folder, "log-0")
    log.rename(tmp_path / "elsewhere")
    log.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="log-0"):
        append(journal)
    log.unlink()
    os.mkfifo(log)
    assert hits(journal) == 0


def test_writing_is_put_off_while_another_process_writes(journal: Journal, tmp_path: Path) -> None:
    append(journal)
    lock = try_lock(str(tmp_path / "locks" / "record.lock"))
    assert lock is not None
    with pytest.raises(TimeoutError, match="another process"):
        journal.append(one(), time.time(), wait_seconds=0)
    unlock(lock)
    append(journal)
    assert hits(journal) == 2


def test_without_locks_it_is_written_nevertheless(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(f"{path} cannot be locked")

    monkeypatch.setattr(module, "try_lock", refuse)
    append(journal)
    journal.compact()
    append(journal)
    assert hits(journal) == 2


def test_nothing_of_a_forgotten_source_is_left(journal: Journal, tmp_path: Path) -> None:
    append(journal, one("photos/secret.png"))
    journal.compact()
    append(journal, one("photos/secret.png"))
    append(journal, one("b.png"))
    before = time.time() - 5
    forget(str(tmp_path), "photos/secret.png")
    # Another process has counted it before, and writes only now.
    append(journal, one("photos/secret.png"), since=before)
    for path in tmp_path.rglob("*"):
        assert "secret" not in path.name
        assert not path.is_file() or b"secret" not in path.read_bytes()
    assert [*journal.read().sources] == ["b.png"]
    assert hits(journal) == 4  # totals name no source
    append(journal, one("photos/secret.png"), since=time.time() + 1)  # it is there again
    assert "photos/secret.png" in journal.read().sources


def test_a_source_that_was_forgotten_while_the_clock_was_wrong_is_counted_again(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal, one("a.png"))
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 10 * 365 * 86_400)
        forget(str(tmp_path), "a.png")
    append(journal, one("a.png"))
    assert "a.png" in journal.read().sources


def test_what_waited_for_very_long_is_counted_without_its_sources(journal: Journal) -> None:
    append(journal, since=time.time() - 4000)
    assert hits(journal) == 1
    assert journal.read().sources == {}


def test_a_source_that_cannot_be_forgotten_is_logged(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal)
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.0)
    lock = try_lock(str(tmp_path / "locks" / "record.lock"))
    assert lock is not None
    forget(str(tmp_path), "a.png")
    unlock(lock)
    assert "'a.png'" in caplog.text
    assert "cannot be removed" in caplog.text


def test_clear_removes_all(journal: Journal) -> None:
    append(journal)
    journal.compact()
    append(journal)
    journal.clear()
    assert names(journal) == []
    append(journal)
    assert hits(journal) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_what_root_writes_belongs_to_the_user_of_the_site(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    journal = Journal(str(folder))
    append(journal)
    journal.compact()
    append(journal)
    journal.forget("a.png")
    assert {path.stat().st_uid for path in folder.rglob("*") if "locks" not in path.parts} == {12345}
    assert (folder / "locks" / "record.lock").stat().st_uid in (0, 12345)


def write_for_ever(folder: str, confirmed: str) -> None:
    """Append lines, each of which is confirmed by a byte in a file, and add them to the summary often."""
    journal, file = Journal(folder), os.open(confirmed, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    while True:
        append(journal)
        os.write(file, b"1")
        number += 1
        if number % 5 == 0:
            journal.compact()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX: signals")
def test_processes_that_are_killed_lose_and_repeat_nothing(
    elsewhere: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    journal, confirmed, killed = Journal(str(tmp_path)), tmp_path / "confirmed", 0
    confirmed.touch()
    for _ in range(2):
        processes = [elsewhere(write_for_ever, tmp_path, confirmed) for _ in range(3)]
        least = confirmed.stat().st_size + 100
        until(lambda least=least: confirmed.stat().st_size > least, "lines are written")  # type: ignore[misc]
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    # A process may be killed after it has written a line and before it has confirmed that.
    written = confirmed.stat().st_size
    assert written <= hits(journal) <= written + killed
    append(journal)
    journal.compact()
    assert written < hits(journal) <= written + killed + 1
    assert not [name for name in names(journal) if name.startswith(".tmp-")]
