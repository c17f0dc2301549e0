"""The cache in a folder: made once, whole or not at all, and never in the way of the answer.

What happens between processes is tried between processes: `elsewhere` runs a function of this file in a new one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from conftest import Start

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Entry, Key
from flask_images_vips.cache.flights import Flights
from flask_images_vips.cache.locks import FileLocks

T = TypeVar("T")

KEY: Key = ("5a" * 20, "c0ffee" + "0" * 34 + ".jpg")
NEIGHBOUR: Key = ("5a" * 20, "c0ff00" + "1" * 34 + ".jpg")
STRANGER: Key = ("77" * 20, "beef00" + "0" * 34 + ".png")
MTIME_NS = 1_700_000_000_123_456_700
DATA = b"\xff\xd8 as if it were a JPEG \xff\xd9" * 4096

PATIENCE_SECONDS = 60  # how long a test waits for what must happen
NOBODY = 65534

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: signals, modes, files replaced while they are open")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file to another user"
)


# What the tests share.


class CannotBeMadeError(Exception):
    pass


def disk_cache(folder: Path | str, **keywords: Any) -> DiskCache:
    return DiskCache(str(folder), **{"lock_timeout": PATIENCE_SECONDS, "temp_max_age": 3600, **keywords})


def numbered(number: int) -> Key:
    """One of many keys, each with another lock."""
    return KEY[0], f"{number:03x}{KEY[1]}"


def made(cache: DiskCache, key: Key = KEY, create: Callable[[], bytes] = lambda: DATA) -> bytes:
    with cache.get_or_create(key, MTIME_NS, create) as entry:
        return entry.read()


def kept(cache: DiskCache, key: Key = KEY) -> bytes | None:
    entry = cache.get(key)
    if entry is None:
        return None
    with entry:
        return entry.read()


def tried(cache: DiskCache, *keys: Key, data: bytes = DATA) -> list[Any]:
    """For each of *keys*: whether its bytes are right, and whether they were stored."""
    found = []
    for key in keys:
        with cache.get_or_create(key, MTIME_NS, lambda: data) as entry:
            found.append([entry.read() == data, entry.path is not None])
    return found


RIGHT, STORED, UNSTORED = True, [True, True], [True, False]


def fails() -> bytes:
    raise CannotBeMadeError


def temporary_files(cache: DiskCache) -> list[str]:
    return sorted(os.listdir(os.path.join(cache.folder, "tmp")))


def lock_files(cache: DiskCache) -> dict[str, int]:
    """The inode of each lock file: one that was removed and made again has another."""
    return {file.path: file.inode() for file in os.scandir(os.path.join(cache.folder, "locks", "renditions"))}


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for *condition*; fail where it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.002)


def together(number: int, work: Callable[[int], T]) -> list[T | BaseException]:
    """What *work* gives or raises in each of *number* threads, which start it at the same moment."""
    barrier = threading.Barrier(number)
    outcomes: list[T | BaseException] = [TimeoutError("this thread did not end")] * number

    def run(index: int) -> None:
        barrier.wait(PATIENCE_SECONDS)
        try:
            outcomes[index] = work(index)
        except BaseException as error:
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(number)]
    end = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return outcomes


@contextlib.contextmanager
def eager_threads() -> Iterator[None]:
    """Threads take turns so often that they meet within the first use of a cache."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class Tally:
    """Counts over threads and processes: no O_APPEND write of one byte is ever lost."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def add(self) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, b".")
        os.close(descriptor)

    @property
    def count(self) -> int:
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0


class Warned(logging.Handler):
    """Keeps what the package warns of, in any process."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logging.getLogger("flask_images_vips").addHandler(self)
        return self.messages

    def __exit__(self, *error: object) -> None:
        logging.getLogger("flask_images_vips").removeHandler(self)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return disk_cache(tmp_path / "cache")


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")


@pytest.fixture
def warned() -> Iterator[list[str]]:
    with Warned() as messages:
        yield messages


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter and write: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def outcome(process: subprocess.Popen[str]) -> Any:
    """What a process of `elsewhere` printed as JSON, once it has ended."""
    printed, complaints = process.communicate(timeout=2 * PATIENCE_SECONDS)
    sys.stderr.write(complaints)
    assert process.returncode == 0
    return json.loads(printed)


# Entries.


def test_an_entry_is_made_once_and_then_read(cache: DiskCache) -> None:
    assert made(cache) == DATA
    assert made(cache, create=fails) == DATA
    assert kept(cache) == DATA


def test_an_entry_may_be_read_twice(cache: DiskCache) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        assert entry.read() == entry.read() == DATA
        assert entry.size_bytes == len(DATA)


def test_get_makes_nothing(cache: DiskCache) -> None:
    assert kept(cache) is None
    made(cache, NEIGHBOUR)
    assert kept(cache) is None


def test_each_key_has_an_entry_of_its_own(cache: DiskCache) -> None:
    for key in (KEY, NEIGHBOUR, STRANGER):
        made(cache, key, key[1].encode)
    assert [kept(cache, key) for key in (KEY, NEIGHBOUR, STRANGER)] == [
        key[1].encode() for key in (KEY, NEIGHBOUR, STRANGER)
    ]


def test_another_cache_in_the_same_folder_has_the_same_entries(cache: DiskCache) -> None:
    made(cache)
    assert made(disk_cache(cache.folder), create=fails) == DATA


def test_an_entry_has_the_mtime_it_was_given(cache: DiskCache) -> None:
    with cache.get_or_create(KEY, MTIME_NS, lambda: DATA) as fresh, cache.get_or_create(KEY, 0, fails) as stored:
        assert fresh.mtime == stored.mtime == 1_700_000_000
    assert os.stat(cache.path(KEY)).st_mtime_ns == MTIME_NS


def test_an_empty_entry_is_made_again(cache: DiskCache) -> None:
    made(cache)
    os.truncate(cache.path(KEY), 0)  # as a crash of the host leaves it
    assert kept(cache) is None
    assert made(cache, create=lambda: b"anew") == b"anew"
    assert kept(cache) == b"anew"


def test_an_empty_result_is_not_kept(cache: DiskCache) -> None:
    assert made(cache, create=bytes) == b""
    assert made(cache) == DATA


@posix
def test_a_reader_keeps_its_entry_when_it_is_removed(cache: DiskCache) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        os.unlink(cache.path(KEY))
        assert entry.read() == DATA


@posix
def test_a_reader_keeps_its_entry_when_it_is_replaced(cache: DiskCache, tmp_path: Path) -> None:
    made(cache)
    with cache.get_or_create(KEY, MTIME_NS, fails) as entry:
        (tmp_path / "other").write_bytes(b"other")
        os.replace(tmp_path / "other", cache.path(KEY))
        assert entry.read() == DATA


def large(number: int) -> bytes:
    return bytes([number]) * 2_000_000


def make_large_entries(folder: str) -> None:
    cache = disk_cache(folder)
    for number in range(40):
        made(cache, numbered(number), lambda number=number: large(number))


@posix
def test_a_reader_never_sees_half_an_entry(cache: DiskCache, elsewhere: Start) -> None:
    elsewhere(make_large_entries, cache.folder)
    for number in range(40):
        found: list[Entry | None] = [None]

        def is_there(number: int = number, found: list[Entry | None] = found) -> bool:
            found[0] = cache.get(numbered(number))
            return found[0] is not None

        until(is_there, f"entry {number} is there")
        assert found[0] is not None
        with found[0] as entry:
            assert entry.read() == large(number)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system does not list a process's open files")
def test_no_file_is_left_open(cache: DiskCache) -> None:
    def open_files_after_use() -> int:
        together(8, lambda _: made(cache))
        made(cache)
        os.unlink(cache.path(KEY))
        with pytest.raises(CannotBeMadeError):
            made(cache, create=fails)
        return len(os.listdir("/dev/fd"))

    assert open_files_after_use() == open_files_after_use()


@posix
def test_the_cache_is_closed_to_other_users(cache: DiskCache) -> None:
    made(cache)
    for path in (cache.folder, cache.path(KEY), *lock_files(cache)):
        assert os.stat(path).st_mode & 0o077 == 0, path


@posix
def test_a_link_in_the_place_of_an_entry_is_not_followed(cache: DiskCache, tmp_path: Path) -> None:
    made(cache)
    target = tmp_path / "target"
    target.write_bytes(b"of someone else")
    os.unlink(cache.path(KEY))
    os.symlink(target, cache.path(KEY))
    assert made(cache) == DATA
    assert target.read_bytes() == b"of someone else"


# Errors of what makes the entry.


def test_what_create_raises_is_raised_and_the_next_call_tries_again(cache: DiskCache) -> None:
    for _ in range(2):
        with pytest.raises(CannotBeMadeError):
            made(cache, create=fails)
        assert kept(cache) is None
    assert made(cache) == DATA


def test_an_error_of_the_system_in_create_is_no_error_of_the_cache(cache: DiskCache, warned: list[str]) -> None:
    def create() -> bytes:
        raise PermissionError("the source, say")

    with pytest.raises(PermissionError, match="the source, say"):
        made(cache, create=create)
    assert warned == []


def test_what_create_raises_reaches_all_threads_that_wait(cache: DiskCache, tally: Tally) -> None:
    def create() -> bytes:
        tally.add()
        time.sleep(0.5)  # until all the others wait
        raise CannotBeMadeError

    outcomes = together(16, lambda _: made(cache, create=create))
    assert [type(outcome) for outcome in outcomes] == [CannotBeMadeError] * 16
    assert tally.count == 1
    assert kept(cache) is None
    assert made(cache) == DATA


def test_a_worker_that_is_told_to_stop_leaves_the_work_to_those_that_wait(cache: DiskCache) -> None:
    entered = threading.Event()

    def stopped() -> bytes:
        entered.set()
        time.sleep(0.2)
        raise SystemExit

    def work(index: int) -> bytes:
        if index == 0:
            return made(cache, create=stopped)
        assert entered.wait(PATIENCE_SECONDS)
        return made(cache)

    first, *others = together(6, work)
    assert isinstance(first, SystemExit)
    assert others == [DATA] * 5


# Temporary files and lock files.


@pytest.mark.parametrize("error", [None, CannotBeMadeError, KeyboardInterrupt], ids=["success", "error", "interrupt"])
def test_no_temporary_file_remains_after(cache: DiskCache, error: type[BaseException] | None) -> None:
    seen = []

    def create() -> bytes:
        seen.extend(temporary_files(cache))
        if error is not None:
            raise error
        return DATA

    with pytest.raises(error) if error else contextlib.nullcontext():
        made(cache, create=create)
    assert len(seen) == 1  # it is there before the work, or this test would see nothing
    assert temporary_files(cache) == []


def leave(cache: DiskCache, name: str, *, age_seconds: float) -> str:
    """A temporary file as a killed process leaves it."""
    path = Path(cache.folder, "tmp", name)
    path.write_bytes(b"\xff\xd8 half a JPE")
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return name


def test_old_temporary_files_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    made(disk_cache(tmp_path), STRANGER)  # makes the folders
    cache = disk_cache(tmp_path, temp_max_age=100)
    leave(cache, ".tmp-old", age_seconds=150)
    young = leave(cache, ".tmp-young", age_seconds=50)
    made(cache)
    assert temporary_files(cache) == [young]


def test_a_process_that_stays_sweeps_from_time_to_time(cache: DiskCache) -> None:
    made(cache)
    leave(cache, ".tmp-old", age_seconds=7200)
    for number in range(1000):
        made(cache, numbered(number), lambda: b"small")
        if not temporary_files(cache):
            break
    assert temporary_files(cache) == []


def test_lock_files_are_never_removed(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path, temp_max_age=0)
    made(cache)
    made(cache, STRANGER)
    before = lock_files(cache)
    assert len(before) == 2
    time.sleep(0.01)  # all that is there is now older than may be
    for key in (KEY, STRANGER):
        os.unlink(cache.path(key))
        with pytest.raises(CannotBeMadeError):
            made(cache, key, fails)
        made(disk_cache(tmp_path, temp_max_age=0), key)
    assert lock_files(cache) == before


def test_lock_files_are_a_fixed_set_that_names_alike_do_not_share(cache: DiskCache) -> None:
    for number in range(20):  # as the sizes of one picture are named
        made(cache, (KEY[0], f"c0ffee-{number:032x}.jpg"))
    assert len(lock_files(cache)) > 10
    assert all(re.fullmatch(r"[0-9a-f]{3}\.lock", os.path.basename(path)) for path in lock_files(cache))  # 4096 at most


# Once, over threads and processes.


def test_many_threads_make_an_entry_once(cache: DiskCache, tally: Tally) -> None:
    def create() -> bytes:
        tally.add()
        time.sleep(0.1)
        return DATA

    assert together(100, lambda _: made(cache, create=create)) == [DATA] * 100
    assert tally.count == 1


def test_those_who_want_different_things_do_not_wait_for_each_other(cache: DiskCache) -> None:
    both = threading.Barrier(2)

    def create() -> bytes:
        both.wait(PATIENCE_SECONDS)  # passes only while the other is made too
        return DATA

    assert together(2, lambda index: made(cache, (KEY, STRANGER)[index], create)) == [DATA, DATA]


def make_in_threads(folder: str, tally: str, ready: str, go: str) -> None:
    cache = disk_cache(folder)

    def create() -> bytes:
        Tally(tally).add()
        time.sleep(0.1)
        return DATA

    Tally(ready).add()
    until(lambda: os.path.exists(go), "all are ready")
    print(json.dumps([outcome == DATA for outcome in together(8, lambda _: made(cache, create=create))]))


def test_many_processes_make_an_entry_once(cache: DiskCache, tally: Tally, elsewhere: Start, tmp_path: Path) -> None:
    ready, go = Tally(tmp_path / "ready"), tmp_path / "go"
    processes = [elsewhere(make_in_threads, cache.folder, tally.path, ready.path, go) for _ in range(8)]
    until(lambda: ready.count == 8, "all processes are there")
    go.touch()
    assert [outcome(process) for process in processes] == [[RIGHT] * 8] * 8
    assert tally.count == 1
    assert temporary_files(cache) == []


def make_for_ever(folder: str, begun: str) -> None:
    def create() -> bytes:
        Tally(begun).add()
        time.sleep(10 * PATIENCE_SECONDS)
        return b"never"

    made(disk_cache(folder), create=create)


@posix
def test_a_killed_process_frees_its_lock(cache: DiskCache, tally: Tally, elsewhere: Start, warned: list[str]) -> None:
    holder = elsewhere(make_for_ever, cache.folder, tally.path)
    until(lambda: tally.count, "the lock is held")
    holder.kill()
    assert made(cache) == kept(cache) == DATA
    assert warned == []  # so it did not wait until the timeout


@posix
def test_a_process_that_hangs_holds_nobody_up_for_longer_than_the_timeout(
    tmp_path: Path, tally: Tally, elsewhere: Start, warned: list[str]
) -> None:
    cache = disk_cache(tmp_path / "cache", lock_timeout=0.3)
    holder = elsewhere(make_for_ever, cache.folder, tally.path)
    until(lambda: tally.count, "the lock is held")
    os.kill(holder.pid, signal.SIGSTOP)
    assert made(cache) == kept(cache) == DATA
    assert len(warned) == 1
    assert "hangs" in warned[0]


def test_a_thread_that_hangs_holds_nobody_up_for_longer_than_the_timeout(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache", lock_timeout=0.2)
    entered, over = threading.Event(), threading.Event()

    def hang() -> bytes:
        entered.set()
        assert over.wait(PATIENCE_SECONDS)
        return DATA

    def work(index: int) -> bytes:
        if index == 0:
            return made(cache, create=hang)
        try:
            assert entered.wait(PATIENCE_SECONDS)
            return made(cache)
        finally:
            over.set()

    assert together(4, work) == [DATA] * 4


# A forked child has the memory of its parent's threads, but not the threads.


def fork(work: Callable[[], bytes]) -> int:
    """The process id of a child that does *work*, and ends with status 0 where that gave DATA."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = 0 if work() == DATA else 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def status_of(pid: int) -> int | str:
    """How a child ended."""
    ended: list[int] = []

    def has_ended() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        ended.extend([os.waitstatus_to_exitcode(status)] if found else [])
        return bool(ended)

    try:
        until(has_ended, "the child ends")
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return "hung"
    return ended[0]


def fork_in_the_middle_of_a_flight(folder: str) -> None:
    cache = disk_cache(folder, lock_timeout=10 * PATIENCE_SECONDS)
    entered, forked = threading.Event(), threading.Event()

    def create() -> bytes:
        entered.set()
        assert forked.wait(PATIENCE_SECONDS)
        time.sleep(0.3)  # until the child waits for the same
        return DATA

    threading.Thread(target=lambda: made(cache, create=create), daemon=True).start()
    assert entered.wait(PATIENCE_SECONDS)
    child = fork(lambda: made(cache))
    forked.set()
    print(json.dumps(status_of(child)))


def fork_after_use(folder: str) -> None:
    cache = disk_cache(folder)
    made(cache, NEIGHBOUR)
    print(json.dumps(status_of(fork(lambda: made(cache)))))


def fork_and_start_threads(folder: str) -> None:
    statuses = []
    with eager_threads():
        for number in range(100):
            cache = disk_cache(os.path.join(folder, str(number)))

            def work(cache: DiskCache = cache) -> bytes:
                outcomes = together(12, lambda index: made(cache, numbered(index)))
                return next((b"" for outcome in outcomes if outcome != DATA), DATA)

            statuses.append(status_of(fork(work)))
    print(json.dumps(statuses))


@posix
def test_a_fork_in_the_middle_of_a_flight_does_not_hang_the_child(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_in_the_middle_of_a_flight, tmp_path)) == 0


@posix
def test_a_cache_that_was_used_before_a_fork_works_after_it(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_after_use, tmp_path)) == 0


@posix
def test_many_threads_at_once_may_be_the_first_use_in_a_forked_child(elsewhere: Start, tmp_path: Path) -> None:
    assert outcome(elsewhere(fork_and_start_threads, tmp_path)) == [0] * 100


# A folder that cannot be used costs the cache, not the answer.


def become_nobody() -> None:
    """Root may write anywhere: modes stop only other users."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def use_a_folder_that_cannot_be_made(folder: str) -> None:
    become_nobody()
    with Warned() as warned:
        print(json.dumps([tried(disk_cache(os.path.join(folder, "cache")), KEY, KEY, STRANGER), warned]))


def use_a_folder_that_is_read_only(folder: str) -> None:
    become_nobody()
    made(disk_cache(os.path.join(folder, "cache")), STRANGER)
    folders = [path for path, _, _ in os.walk(folder) if path != folder]
    for path in folders:
        os.chmod(path, 0o555)
    use_a_folder_that_cannot_be_made(folder)
    for path in folders:
        os.chmod(path, 0o700)


def use_a_full_disk(folder: str, size_bytes: str) -> None:
    import resource

    cache = disk_cache(folder)
    made(cache, STRANGER, lambda: b"of better times")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # writing fails as on a full disk, by another number
    with Warned() as warned:
        found = tried(cache, KEY, KEY, NEIGHBOUR, data=b"x" * int(size_bytes))
    print(json.dumps([found, warned, temporary_files(cache), kept(cache) is None]))


@posix
def test_a_folder_that_cannot_be_made_costs_the_cache_and_one_warning(elsewhere: Start, open_folder: Path) -> None:
    open_folder.chmod(0o555)
    found, warned = outcome(elsewhere(use_a_folder_that_cannot_be_made, open_folder))
    assert found == [UNSTORED] * 3
    assert len(warned) == 1, warned


@posix
def test_a_read_only_folder_is_read_and_costs_one_warning(elsewhere: Start, open_folder: Path) -> None:
    found, warned = outcome(elsewhere(use_a_folder_that_is_read_only, open_folder))
    assert found == [UNSTORED, UNSTORED, STORED]
    assert len(warned) == 1, warned


@posix
@pytest.mark.parametrize("size_bytes", [4_000, 400_000], ids=["less than a buffer", "more than a buffer"])
def test_a_full_disk_costs_the_cache_and_one_warning(elsewhere: Start, tmp_path: Path, size_bytes: int) -> None:
    found, warned, temporary, absent = outcome(elsewhere(use_a_full_disk, tmp_path, size_bytes))
    assert found == [UNSTORED] * 3
    assert len(warned) == 1, warned
    assert temporary == []
    assert absent


def test_a_file_in_the_place_of_the_folder_costs_the_cache_and_one_warning(tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "cache").write_text("a file")
    assert tried(disk_cache(tmp_path / "cache"), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert len(warned) == 1, warned
    assert (tmp_path / "cache").read_text() == "a file"


@pytest.mark.parametrize("inner", ["tmp", "locks", KEY[0][:2]])
def test_a_file_in_the_place_of_an_inner_folder_costs_one_warning(
    tmp_path: Path, inner: str, warned: list[str]
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / inner).write_text("a file")
    assert [right for right, _ in tried(disk_cache(tmp_path / "cache"), KEY, KEY, NEIGHBOUR)] == [RIGHT] * 3
    assert len(warned) == 1, warned


@posix
def test_a_folder_that_was_deleted_is_made_again(cache: DiskCache, warned: list[str]) -> None:
    made(cache)
    shutil.rmtree(cache.folder)
    assert tried(cache, KEY, STRANGER) == [STORED] * 2
    assert kept(cache) == DATA
    assert warned == []


@posix
def test_a_folder_that_is_deleted_during_the_work_costs_one_warning(cache: DiskCache, warned: list[str]) -> None:
    def create() -> bytes:
        shutil.rmtree(cache.folder)
        return DATA

    with cache.get_or_create(KEY, MTIME_NS, create) as entry:
        assert (entry.read(), entry.path) == (DATA, None)
    assert len(warned) == 1
    assert tried(cache, KEY) == [STORED]


@posix
def test_entries_are_made_while_others_delete_them(cache: DiskCache) -> None:
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            shutil.rmtree(os.path.dirname(cache.path(KEY)), ignore_errors=True)

    deleter = threading.Thread(target=delete, daemon=True)
    deleter.start()
    try:
        outcomes = together(8, lambda _: [made(cache) == DATA for _ in range(50)])
    finally:
        over.set()
        deleter.join(PATIENCE_SECONDS)
    assert outcomes == [[RIGHT] * 50] * 8


# A private folder lies where others may write, as in /tmp.


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return tmp_path / "private"


def private_cache(private: Path) -> DiskCache:
    return disk_cache(private / "site", private=str(private))


@posix
def test_a_private_folder_is_made_for_us_alone(private: Path, warned: list[str]) -> None:
    assert tried(private_cache(private), KEY, KEY) == [STORED] * 2
    assert private.stat().st_mode & 0o777 == 0o700
    assert tried(private_cache(private), KEY, STRANGER) == [STORED] * 2
    assert warned == []


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707], ids=oct)
def test_a_private_folder_that_others_may_write_is_not_used(private: Path, mode: int, warned: list[str]) -> None:
    private.mkdir()
    private.chmod(mode)
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list(private.iterdir()) == []
    assert len(warned) == 1, warned


@posix
def test_a_private_folder_that_is_a_link_is_not_used(private: Path, tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    private.symlink_to(tmp_path / "target")
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list((tmp_path / "target").iterdir()) == []
    assert len(warned) == 1, warned


@as_root
def test_a_private_folder_of_another_user_is_not_used(private: Path, warned: list[str]) -> None:
    private.mkdir(mode=0o700)
    os.chown(private, NOBODY, NOBODY)
    assert tried(private_cache(private), KEY, KEY, STRANGER) == [UNSTORED] * 3
    assert list(private.iterdir()) == []
    assert len(warned) == 1, warned


@posix
def test_many_threads_at_once_give_one_warning(private: Path, warned: list[str]) -> None:
    private.mkdir()
    private.chmod(0o777)
    with eager_threads():
        for _ in range(20):
            cache = private_cache(private)
            assert together(12, lambda index, cache=cache: made(cache, numbered(index))) == [DATA] * 12
    assert len(warned) == 20


@posix
def test_a_private_folder_that_was_deleted_is_made_private_again(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    shutil.rmtree(private)  # as what cleans /tmp does
    umask = os.umask(0o002)
    try:
        made(cache)
    finally:
        os.umask(umask)
    # Else the next process finds it open to the group, and does without a cache for good.
    assert private.stat().st_mode & 0o077 == 0


@as_root
def test_an_entry_of_another_user_in_a_private_folder_is_not_served(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    shutil.rmtree(private)  # as what cleans /tmp does, and then somebody is faster than we are
    path = Path(cache.path(KEY))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a picture of another user")
    for planted in (private, *private.rglob("*")):
        os.chown(planted, NOBODY, NOBODY)
    assert made(cache) == DATA


@as_root
def test_a_private_folder_that_became_another_users_is_no_longer_used(private: Path) -> None:
    cache = private_cache(private)
    made(cache)
    for path in (private, *private.rglob("*")):  # one that another user laid there instead would look like this
        os.chown(path, NOBODY, NOBODY)
    before = set(private.rglob("*"))
    assert tried(cache, STRANGER) == [UNSTORED]
    assert set(private.rglob("*")) == before


# Locks.


def test_a_lock_excludes_other_threads_and_other_objects(tmp_path: Path) -> None:
    inside: list[int] = []
    most = [0]
    shared = FileLocks(str(tmp_path / "locks"), PATIENCE_SECONDS)

    def work(index: int) -> bool:
        locks = shared if index % 2 else FileLocks(shared.folder, PATIENCE_SECONDS)
        with locks.hold("c0ffee") as held:
            inside.append(index)
            most[0] = max(most[0], len(inside))
            time.sleep(0.01)
            inside.remove(index)
        return held

    assert together(10, work) == [True] * 10
    assert most == [1]


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotBeMadeError), FileLocks(str(tmp_path), PATIENCE_SECONDS).hold("c0ffee"):
        fails()
    with FileLocks(str(tmp_path), 0.0).hold("c0ffee") as held:
        assert held


def test_a_lock_that_is_held_is_not_had_within_the_timeout(tmp_path: Path, warned: list[str]) -> None:
    with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as first:
        with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as second:
            assert (first, second) == (True, False)
        with FileLocks(str(tmp_path), 0.1).hold("beef00") as of_another_stripe:
            assert of_another_stripe
    assert len(warned) == 1


@posix
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("of someone else")
    (tmp_path / "c0f.lock").symlink_to(target)
    with FileLocks(str(tmp_path), 0.1).hold("c0ffee") as held:
        assert not held
    assert target.read_text() == "of someone else"


# Flights.


def test_a_flight_is_made_once_for_all_that_wait(tally: Tally) -> None:
    flights: Flights[bytes] = Flights()

    def make() -> bytes:
        tally.add()
        time.sleep(0.5)  # until all the others wait
        return DATA

    assert together(32, lambda _: flights.join(KEY, make, PATIENCE_SECONDS)) == [DATA] * 32
    assert tally.count == 1


def test_a_flight_that_is_over_is_forgotten() -> None:
    flights: Flights[str] = Flights()
    assert flights.join(KEY, lambda: "first", PATIENCE_SECONDS) == "first"
    assert flights.join(KEY, lambda: "second", PATIENCE_SECONDS) == "second"


def test_a_flight_for_one_thing_does_not_hold_up_another() -> None:
    flights: Flights[str] = Flights()
    assert flights.join(KEY, lambda: flights.join(STRANGER, lambda: "inner", PATIENCE_SECONDS), 0.1) == "inner"


def test_who_waits_for_a_flight_too_long_goes_alone() -> None:
    flights: Flights[str] = Flights()
    entered, over = threading.Event(), threading.Event()

    def hang() -> str:
        entered.set()
        assert over.wait(PATIENCE_SECONDS)
        return "late"

    def work(index: int) -> str:
        if index == 0:
            return flights.join(KEY, hang, PATIENCE_SECONDS)
        try:
            assert entered.wait(PATIENCE_SECONDS)
            return flights.join(KEY, lambda: "alone", 0.1)
        finally:
            over.set()

    assert together(2, work) == ["late", "alone"]


def test_a_flight_lands_before_its_maker_has_done_the_rest() -> None:
    flights: Flights[str] = Flights()
    entered, told = threading.Event(), threading.Event()

    def make() -> str:
        entered.set()
        time.sleep(0.2)  # until the other waits
        flights.land(KEY, "landed")
        assert told.wait(PATIENCE_SECONDS)
        return "landed"

    def work(index: int) -> str:
        if index == 0:
            return flights.join(KEY, make, PATIENCE_SECONDS)
        assert entered.wait(PATIENCE_SECONDS)
        try:
            return flights.join(KEY, lambda: "alone", PATIENCE_SECONDS)
        finally:
            told.set()

    assert together(2, work) == ["landed", "landed"]
