"""What the tests of the cache share."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fleet.shared import LocksOfFleet

from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Key
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
RIGHT, STORED, UNSTORED = True, [True, True], [True, False]

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: signals, modes, files replaced while they are open")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file to another user"
)


class CannotBeMadeError(Exception):
    pass


def disk_cache(folder: Path | str, **keywords: Any) -> DiskCache:
    return DiskCache(str(folder), **{"lock_timeout": PATIENCE_SECONDS, "temp_max_age": 3600, **keywords})


def locks_at(place: Path | str, timeout: float) -> FileLocks | LocksOfFleet:
    """New locks for a *place*: the folder of lock files, or the URL of Redis."""
    if str(place).startswith("redis:"):
        return LocksOfFleet(str(place), timeout)
    return FileLocks(str(place), timeout)


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


def joins(flights: Flights[Any]) -> list[Hashable]:
    """The key of each flight that a thread has joined, from now on."""
    joined: list[Hashable] = []
    join = flights._joined

    def noted(key: Hashable) -> tuple[Any, bool]:
        flight = join(key)
        joined.append(key)
        return flight

    flights._joined = noted  # type: ignore[method-assign]
    return joined


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


def outcome(process: subprocess.Popen[str]) -> Any:
    """What a process of `elsewhere` printed as JSON, once it has ended."""
    printed, complaints = process.communicate(timeout=2 * PATIENCE_SECONDS)
    sys.stderr.write(complaints)
    assert process.returncode == 0
    return json.loads(printed)


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
