"""The bound of the cache: never much above it, near a true LRU below it, whatever is killed, deleted or damaged.

Sizes are measured from outside, file by file, while those who write stand still. `elsewhere` runs a function of this
file in a new process.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Start, share

from bench.parts.bound import MEAN_BYTES, MTIME_NS, hits, key_of, size_of
from bench.workload import lru_hits, zipf
from cache.shared import (
    PATIENCE_SECONDS,
    Warned,
    disk_cache,
    eager_threads,
    outcome,
    posix,
    temporary_files,
    together,
    until,
)
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.eviction import SHARDS, Bound
from flask_images_vips.config import checks
from flask_images_vips.errors import ConfigError

MOST = 1.02  # of the cap
CAP = 12_000_000
SMALL_CAP = 1_000_000
SMALL_MEAN_BYTES = 2_000
WRITERS = 4


# What the tests share.


def bounded(folder: Path | str, cap: int, **keywords: Any) -> DiskCache:
    return disk_cache(folder, bound=Bound(str(folder), cap, 0), **keywords)


def content_of(number: int, mean: int = MEAN_BYTES) -> bytes:
    """Bytes that tell of which entry they are, and how many they must be."""
    return hashlib.shake_128(b"%d of %d" % (number, mean)).digest(size_of(number, mean))


def write(cache: DiskCache, numbers: Iterable[int], mean: int = MEAN_BYTES) -> None:
    for number in numbers:
        data = content_of(number, mean)
        with cache.get_or_create(key_of(number), MTIME_NS, lambda data=data: data) as entry:
            assert entry.read() == data


def write_bytes(cache: DiskCache, start: int, total: int, mean: int = SMALL_MEAN_BYTES) -> int:
    """Write entries from number *start* on, *total* bytes together at most. The number after the last."""
    for number in itertools.count(start):
        total -= len(content_of(number, mean))
        if total < 0:
            return number
        write(cache, [number], mean)
    raise AssertionError


def is_kept(cache: DiskCache, number: int) -> bool:
    entry = cache.get(key_of(number))
    if entry is None:
        return False
    with entry:
        return True


def files_of(folder: str) -> Iterator[os.DirEntry[str]]:
    """Each entry in *folder*, found without the package."""
    shards = [shard for shard in listed(folder) if re.fullmatch("[0-9a-f]{2}", shard.name)]
    for source in itertools.chain.from_iterable(map(listed, shards)):
        yield from (file for file in listed(source) if file.is_file())


def listed(folder: os.PathLike[str] | str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return list(entries)
    return []


def held_in(folder: str) -> int:
    return sum(file.stat().st_size for file in files_of(folder))


def numbers_of(folder: str) -> list[int]:
    """The entries in *folder*, each of which must be whole."""
    numbers = []
    for file in files_of(folder):
        number = int(file.name.partition("-")[2].removesuffix(".jpg"))
        assert Path(file.path).read_bytes() == content_of(number)
        numbers.append(number)
    return numbers


@contextlib.contextmanager
def frozen(processes: list[subprocess.Popen[str]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Those of *processes* that still run, which stand still for the block."""
    stopped = []
    for process in processes:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGSTOP)
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                stopped.append(process)
            else:
                process.returncode = os.waitstatus_to_exitcode(status)
    try:
        yield stopped
    finally:
        for process in stopped:
            os.kill(process.pid, signal.SIGCONT)


def largest_share(folder: str, cap: int, writers: list[subprocess.Popen[str]]) -> float:
    """The largest size of the cache while *writers* run, as a share of *cap*."""
    largest = 0.0
    end = time.monotonic() + PATIENCE_SECONDS
    running = writers
    while running:
        assert time.monotonic() < end, "the writers did not end"
        with frozen(writers) as running:
            largest = max(largest, held_in(folder) / cap)
        time.sleep(0.05)
    return largest


@contextlib.contextmanager
def scanned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The folders that are listed in the block."""
    paths: list[str] = []

    def watched(list_it: Callable[..., Any]) -> Callable[..., Any]:
        def watch(path: Any = ".") -> Any:
            paths.append(os.fspath(path))
            return list_it(path)

        return watch

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", watched(os.scandir))
        patch.setattr(os, "listdir", watched(os.listdir))
        yield paths


# The cap, while all are at work.


def write_a_part(folder: str, first: str, end: str) -> None:
    with Warned() as warnings:
        write(bounded(folder, CAP), range(int(first), int(end), WRITERS))
    print(json.dumps(warnings))


def read_until_told(folder: str, count: str, seed: str) -> None:
    cache = bounded(folder, CAP)
    end = time.monotonic() + PATIENCE_SECONDS
    hits = 0
    for number in zipf(int(count), 1.0, int(seed)):
        if os.path.exists(f"{folder}.stop"):
            break
        assert time.monotonic() < end
        entry = cache.get(key_of(number))
        if entry is not None:
            with entry:
                assert entry.read() == content_of(number)
            hits += 1
        if not number % 16:
            time.sleep(0.001)  # or the writers would wait for a processor most of the time
    print(hits)


@posix
def test_four_processes_write_many_times_the_cap_and_never_exceed_it(tmp_path: Path, elsewhere: Start) -> None:
    folder = str(tmp_path / "cache")
    bystander = Path(folder) / "front" / "5a" / "logo.png"
    bystander.parent.mkdir(parents=True)
    bystander.symlink_to("../../5a/gone")
    count = share(20, 8) * CAP // MEAN_BYTES
    writers = [elsewhere(write_a_part, folder, first, count) for first in range(WRITERS)]
    readers = [elsewhere(read_until_told, folder, count, seed) for seed in range(2)]
    until(lambda: os.path.isdir(os.path.join(folder, "tmp")), "the first writer has begun")

    assert largest_share(folder, CAP, writers) <= MOST

    Path(f"{folder}.stop").touch()
    assert [outcome(writer) for writer in writers] == [[]] * WRITERS  # no warnings
    assert all(outcome(reader) > 0 for reader in readers)
    assert sum(len(content_of(number)) for number in numbers_of(folder)) > 0.9 * CAP
    assert temporary_files(bounded(folder, CAP)) == []
    assert bystander.is_symlink()


def write_until_killed(folder: str, first: str) -> None:
    numbers = range(int(first), int(first) + 1_000_000)
    cache = bounded(folder, CAP)
    for number in numbers:
        write(cache, [number])
        if number == numbers.start:
            print("begun", flush=True)


@posix
def test_killed_writers_leave_whole_entries_right_counts_and_no_litter(tmp_path: Path, elsewhere: Start) -> None:
    folder = str(tmp_path / "cache")
    chance = random.Random(1)
    write_bytes(bounded(folder, CAP), 0, CAP, MEAN_BYTES)  # each writer evicts from its start
    begins = itertools.count(1_000_000, 1_000_000)
    running = [elsewhere(write_until_killed, folder, next(begins)) for _ in range(WRITERS)]
    largest = 0.0
    for _ in range(share(20, 6)):
        killed = running.pop(0)
        assert killed.stdout is not None
        killed.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        running.append(elsewhere(write_until_killed, folder, next(begins)))
        with frozen(running):
            largest = max(largest, held_in(folder) / CAP)
    for writer in running:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(PATIENCE_SECONDS)
    assert largest <= MOST
    numbers_of(folder)

    cache = bounded(folder, CAP, temp_max_age=0)
    time.sleep(0.05)  # older than the clock of the file system is coarse
    write_bytes(cache, next(begins), 3 * CAP, MEAN_BYTES)
    assert temporary_files(cache) == []
    numbers_of(folder)
    # Exact: nobody else writes, and each shard was scanned since.
    assert 0.97 * CAP < held_in(folder) <= CAP


@posix
def test_threads_of_a_private_folder_write_without_an_error(tmp_path: Path) -> None:
    cache = bounded(tmp_path / "cache", SMALL_CAP, private=str(tmp_path / "cache"))

    def work(thread: int) -> None:
        write(cache, range(1000 * thread, 1000 * thread + 150), SMALL_MEAN_BYTES)

    with Warned() as warnings, eager_threads():
        assert together(8, work) == [None] * 8
    assert warnings == []
    assert held_in(cache.folder) <= MOST * SMALL_CAP


# What goes, and what stays.


@pytest.mark.parametrize("exponent", [0.9, 1.0])
def test_as_many_requests_are_hits_as_with_a_true_lru(tmp_path: Path, exponent: float) -> None:
    count = share(3000, 3)
    requests = list(itertools.islice(zipf(count, exponent, 7), 4 * count))
    sizes = [size_of(number, SMALL_MEAN_BYTES) for number in range(count)]
    cap = sum(sizes) // 10
    content = partial(content_of, mean=SMALL_MEAN_BYTES)
    found = hits(bounded(tmp_path, cap), requests, content)
    assert found >= lru_hits(requests, sizes, cap) - 0.02 * len(requests)


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="only Linux reads without a trace")
def test_reads_count_where_the_file_system_keeps_no_access_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, flags = os.statvfs(tmp_path), os.O_RDONLY | os.O_NOATIME
    mounted = os.statvfs_result((*space[:8], space.f_flag | os.ST_NOATIME, *space[9:]))
    monkeypatch.setattr(os, "statvfs", lambda path: mounted)
    monkeypatch.setattr("flask_images_vips.cache.entry._READ_FLAGS", flags)
    cache = bounded(tmp_path, SMALL_CAP)
    write(cache, range(20), SMALL_MEAN_BYTES)
    for start in range(100, 1600, 100):
        assert all(is_kept(cache, number) for number in range(20))
        write(cache, range(start, start + 100), SMALL_MEAN_BYTES)


def test_what_was_read_outlives_what_was_not(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    after = write_bytes(cache, 0, int(0.95 * SMALL_CAP))
    read = range(0, after, 2)
    for number in read:
        entry = cache.get(key_of(number))
        assert entry is not None
        with entry:
            entry.read()
    write_bytes(cache, after, SMALL_CAP // 4)
    kept_of_read, kept_of_others = (
        sum(is_kept(cache, number) for number in numbers) / len(numbers) for numbers in (read, range(1, after, 2))
    )
    assert kept_of_read > 0.95
    assert kept_of_others < 0.7


def test_a_cache_of_which_all_was_read_keeps_its_cap(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    number = write_bytes(cache, 0, SMALL_CAP)
    for _ in range(8):
        for path in [file.path for file in files_of(cache.folder)]:
            Path(path).read_bytes()
        number = write_bytes(cache, number, SMALL_CAP // 50)
        assert held_in(cache.folder) <= MOST * SMALL_CAP


def test_the_first_entry_of_a_new_cache_stays(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    with cache.get_or_create(key_of(1), MTIME_NS, lambda: bytes(SMALL_CAP // 16)) as entry:
        assert entry.path is not None
        assert os.path.exists(entry.path)


def test_few_entries_in_one_folder_are_all_kept_below_the_cap(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    keys = [("5a" * 20, f"{number:02x}.jpg") for number in range(15)]
    for key in keys:
        cache.get_or_create(key, MTIME_NS, lambda: bytes(SMALL_CAP // 16)).close()
    assert sorted(cache.siblings("5a" * 20, "")) == keys


def test_an_entry_larger_than_a_sixteenth_of_the_cap_is_served_and_not_stored(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    data = bytes(SMALL_CAP // 16 + 1)
    with cache.get_or_create(key_of(1), MTIME_NS, lambda: data) as entry:
        assert entry.read() == data
        assert entry.path is None
    assert held_in(cache.folder) == 0
    assert temporary_files(cache) == []


@posix
def test_below_the_floor_of_free_space_entries_are_served_and_not_stored(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path, bound=Bound(str(tmp_path), SMALL_CAP, 0.999999))
    with cache.get_or_create(key_of(1), MTIME_NS, lambda: b"data") as entry:
        assert entry.read() == b"data"
        assert entry.path is None
    assert held_in(cache.folder) == 0
    assert temporary_files(cache) == []


def test_a_cap_of_nothing_stores_nothing(tmp_path: Path) -> None:
    cache = bounded(tmp_path, 0)
    write(cache, range(10))
    assert held_in(cache.folder) == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2GB", 2 * 10**9), ("500 MB", 500 * 10**6), (1000, 1000), ("1.5 kB", 1500), (" 7 ", 7), ("1TiB", 2**40), (0, 0)],
)
def test_a_size_is_bytes_or_a_text(value: object, expected: int) -> None:
    assert checks.size("IMAGES_CACHE_MAX_SIZE", value) == expected


@pytest.mark.parametrize("value", ["", "much", "GB", "-1", "2 GB or so", "1e9", "1,5GB", -1, 1.5, True, None, [1]])
def test_a_size_of_nonsense_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"IMAGES_CACHE_MAX_SIZE.*2GB"):
        checks.size("IMAGES_CACHE_MAX_SIZE", value)


# Counts that are not there, or wrong.

NAMES_PER_SHARD = 40
OLD_BYTES = 100


@pytest.fixture
def old_folder(tmp_path: Path) -> str:
    """A cache that was filled before it was bounded: the same number of entries in each shard."""
    folder = tmp_path / "cache"
    for shard in range(SHARDS):
        source = folder / f"{shard:02x}" / f"{shard:02x}{'0' * 38}"
        source.mkdir(parents=True)
        for number in range(NAMES_PER_SHARD):
            (source / f"{number:02x}.jpg").write_bytes(bytes(OLD_BYTES))
    return str(folder)


def shards_among(paths: list[str]) -> int:
    return sum(bool(re.fullmatch("[0-9a-f]{2}", os.path.basename(path))) for path in paths)


def test_an_old_cache_is_counted_a_little_with_each_write(old_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    total = SHARDS * NAMES_PER_SHARD * OLD_BYTES
    cache = bounded(old_folder, 2 * total)
    with scanned(monkeypatch) as paths:
        write(cache, [0], OLD_BYTES)
    assert 1 <= shards_among(paths) <= 8
    write(cache, range(1, SHARDS), OLD_BYTES)
    with scanned(monkeypatch) as paths:
        write(cache, range(SHARDS, SHARDS + 10), OLD_BYTES)
    assert shards_among(paths) == 0
    assert held_in(old_folder) > total  # nothing went


def test_an_old_cache_above_the_cap_comes_down_to_it(old_folder: str) -> None:
    cap = SHARDS * NAMES_PER_SHARD * OLD_BYTES // 2
    write(bounded(old_folder, cap), range(2 * SHARDS), OLD_BYTES)
    assert 0.8 * cap < held_in(old_folder) <= MOST * cap


def test_a_write_below_the_cap_lists_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    write(cache, range(10), SMALL_MEAN_BYTES)
    with scanned(monkeypatch) as paths:
        write(cache, range(10, 50), SMALL_MEAN_BYTES)
    assert shards_among(paths) == 0


DAMAGES: dict[str, Callable[[str], object]] = {
    "deleted": os.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "short": lambda path: os.truncate(path, 100),
    "replaced by an empty one": lambda path: (os.unlink(path), Path(path).touch()),
    "zero": lambda path: os.pwrite(os.open(path, os.O_WRONLY), bytes(8 * SHARDS), 0),
    "negative": lambda path: os.pwrite(os.open(path, os.O_WRONLY), (-5).to_bytes(8, "little", signed=True) * SHARDS, 0),
    "text": lambda path: os.pwrite(os.open(path, os.O_WRONLY), b"garbage " * SHARDS, 0),
    "chance": lambda path: os.pwrite(os.open(path, os.O_WRONLY), random.Random(1).randbytes(8 * SHARDS), 0),
    "longer": lambda path: os.truncate(path, 100_000),
}


def go_on_after(damage: str, folder: str) -> None:
    """The smallest and the largest share of the cap that are held while writing on."""
    caches = bounded(folder, SMALL_CAP), bounded(folder, SMALL_CAP)
    write_bytes(caches[0], 0, int(0.9 * SMALL_CAP))
    write(caches[1], [10_000], SMALL_MEAN_BYTES)
    with Warned() as warnings:
        DAMAGES[damage](os.path.join(folder, "locks", "sizes"))
        shares = []
        for start in range(20_000, 20_000 + share(400, 4), 10):
            for cache, first in zip(caches, (start, start + 5), strict=True):
                write(cache, range(first, first + 5), SMALL_MEAN_BYTES)
            shares.append(held_in(folder) / SMALL_CAP)
    print(json.dumps([min(shares), max(shares), warnings]))


@posix
@pytest.mark.parametrize("damage", DAMAGES)
def test_counts_that_are_damaged_are_made_anew(tmp_path: Path, elsewhere: Start, damage: str) -> None:
    least, most, warnings = outcome(elsewhere(go_on_after, damage, tmp_path / "cache"))
    assert most <= MOST
    assert least > 0.85  # nor is the cache emptied
    assert warnings == []


@posix
def test_a_folder_that_is_deleted_at_work_is_bounded_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    caches = bounded(folder, SMALL_CAP), bounded(folder, SMALL_CAP)
    for start in (0, 100):
        write(caches[start // 100], range(start, start + 100), SMALL_MEAN_BYTES)
    shutil.rmtree(folder)
    for start in range(1000, 2400, 20):
        for cache, first in zip(caches, (start, start + 10), strict=True):
            write(cache, range(first, first + 10), SMALL_MEAN_BYTES)
        assert held_in(folder) <= MOST * SMALL_CAP
    assert held_in(folder) > 0.9 * SMALL_CAP


@posix
def test_foreign_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    cache = bounded(tmp_path / "cache", SMALL_CAP)
    write(cache, range(4), SMALL_MEAN_BYTES)
    source = Path(cache.path(key_of(0))).parent
    foreign = [source / "folder" / "deep", source.parent / "empty", tmp_path / "cache" / "notes"]
    for folder in foreign:
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    os.utime(source / "folder", (0, 0))
    files = [source.parent / "file", tmp_path / "cache" / "README", tmp_path / "cache" / "xy", source / "folder" / "f"]
    for file in files:
        file.write_bytes(bytes(2 * SMALL_CAP))
    write_bytes(cache, 100, 3 * SMALL_CAP)
    mine = {file.path for file in files_of(cache.folder)}
    assert 0.9 * SMALL_CAP < sum(os.path.getsize(path) for path in mine) <= MOST * SMALL_CAP
    assert cache.purge_all() == len(mine)
    assert all(path.exists() for path in [*foreign, *files])


@posix
def test_a_shard_that_is_no_folder_does_not_break_the_others(tmp_path: Path) -> None:
    cache = bounded(tmp_path / "cache", SMALL_CAP)
    write(cache, [0], SMALL_MEAN_BYTES)
    taken = next(f"{index:02x}" for index in range(SHARDS) if not os.path.exists(f"{cache.folder}/{index:02x}"))
    Path(cache.folder, taken).touch()
    write_bytes(cache, 1, 2 * SMALL_CAP)
    assert held_in(cache.folder) <= MOST * SMALL_CAP
    cache.purge_all()
    assert held_in(cache.folder) == 0


# What is removed by hand, and who else counts.


def test_purging_all_makes_room_for_as_much(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    after = write_bytes(cache, 0, int(0.95 * SMALL_CAP))
    assert cache.purge_all() == after
    end = write_bytes(cache, after, int(0.95 * SMALL_CAP))
    assert all(is_kept(cache, number) for number in range(after, end))


def test_purging_sources_makes_room_for_as_much(tmp_path: Path) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    after = write_bytes(cache, 0, int(0.95 * SMALL_CAP)) // 4 * 4
    assert [cache.purge(key_of(number)[0]) for number in range(0, after, 4)] == [4] * (after // 4)
    end = write_bytes(cache, after + 4, int(0.9 * SMALL_CAP))
    assert all(is_kept(cache, number) for number in range(after + 4, end))


def test_purging_all_looks_at_each_source_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = bounded(tmp_path, SMALL_CAP)
    sources = 60
    for number in range(sources):
        cache.get_or_create((f"5a{number:038x}", "00.jpg"), MTIME_NS, lambda: b"data").close()
    with scanned(monkeypatch) as paths:
        assert cache.purge_all() == sources
    assert len(paths) <= 4 * (sources + SHARDS)


def test_two_caches_of_one_process_share_the_counts(tmp_path: Path) -> None:
    caches = bounded(tmp_path, SMALL_CAP), bounded(tmp_path, SMALL_CAP)
    for start in range(0, 800, 20):
        for cache, first in zip(caches, (start, start + 10), strict=True):
            write(cache, range(first, first + 10), SMALL_MEAN_BYTES)
        assert held_in(str(tmp_path)) <= MOST * SMALL_CAP
    assert held_in(str(tmp_path)) > 0.9 * SMALL_CAP


def write_in_children(folder: str) -> None:
    cache = bounded(folder, SMALL_CAP)
    start = write_bytes(cache, 0, SMALL_CAP // 2)
    children = []
    for child in range(4):
        pid = os.fork()
        if not pid:
            code = 1
            with contextlib.suppress(BaseException):
                write_bytes(cache, start + 10_000 * (child + 1), SMALL_CAP // 2)
                code = 0
            os._exit(code)
        children.append(pid)
    print(json.dumps([os.waitpid(pid, 0)[1] for pid in children]))


@posix
def test_forked_children_share_the_counts(tmp_path: Path, elsewhere: Start) -> None:
    folder = str(tmp_path / "cache")
    assert outcome(elsewhere(write_in_children, folder)) == [0] * 4
    assert 0.9 * SMALL_CAP < held_in(folder) <= MOST * SMALL_CAP
    # Exact, or nearly: the parent's half was counted, too.
    cache = bounded(folder, SMALL_CAP)
    write_bytes(cache, 100_000, SMALL_CAP)
    assert math.isclose(held_in(folder), SMALL_CAP, rel_tol=0.03)
