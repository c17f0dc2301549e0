"""``python -m bench.bound``: what keeping a cache within its cap costs a write, and how well it chooses what goes.

Writes are measured by processes that do nothing else: they wait for each other's processors and disk, as workers do.
What of a write is the processor's own time says how much of it is the cache's, on a machine that is busy.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Lock
from pathlib import Path

from bench.popularity import lru_hits, zipf
from flask_images_vips.cache.bound import Bound
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Key

PROCESSES = 4
CAP_BYTES = 16_000_000
TIMES_THE_CAP = 20
MEAN_BYTES, SPREAD = 20_000, 0.6  # lognormal, as renditions' sizes are
MTIME_NS = 1_600_000_000_000_000_000

THINGS = 5000  # that are asked for; the cap holds a tenth of their bytes
REQUESTS = 10_000  # each process
EXPONENTS = (0.8, 0.9, 1.0)

TURNS: list[Lock] = []
"""One of each process, held during a write: whoever holds all of them sees the cache between writes."""


def main() -> None:
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {PROCESSES} processes")
    print()
    print(
        "bound     put, median µs    p99 µs    worst ms    of it CPU: median µs    worst ms    largest share of the cap"
    )
    for name, cap in (("none", None), ("cap", CAP_BYTES)):
        puts, share = write_all(cap)
        wall, cpu = (sorted(part) for part in zip(*puts, strict=True))
        print(
            f"{name:10}{statistics.median(wall) * 1e6:14.0f}{wall[len(wall) * 99 // 100] * 1e6:10.0f}"
            f"{wall[-1] * 1e3:12.1f}{statistics.median(cpu) * 1e6:24.0f}{cpu[-1] * 1e3:12.1f}"
            f"{share if cap else '':28.4}"
        )
    print()
    print("Zipf      hit ratio    true LRU    difference")
    for exponent in EXPONENTS:
        found, lru = request_all(exponent)
        print(f"{exponent:<10}{found:9.3f}{lru:12.3f}{found - lru:+14.3f}")


def cache_in(folder: str, cap: int | None) -> DiskCache:
    bound = Bound(folder, cap, 0) if cap else None
    return DiskCache(folder, lock_timeout=60, temp_max_age=3600, bound=bound)


def key_of(number: int) -> Key:
    """Four entries in each folder, as renditions of one source."""
    folder, file = (hashlib.sha1(text.encode()).hexdigest() for text in (f"source {number // 4}", f"{number}"))
    return folder, f"{file}-{number}.jpg"


def size_of(number: int, mean: int = MEAN_BYTES) -> int:
    return round(mean * random.Random(number).lognormvariate(-(SPREAD**2) / 2, SPREAD)) + 1


# Writes.


def write_all(cap: int | None) -> tuple[list[tuple[float, float]], float]:
    """The seconds of each write, by the clock and of a processor, and the largest share of *cap* that was seen."""
    spawn = multiprocessing.get_context("spawn")
    turns = [spawn.Lock() for _ in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as parent, spawn.Pool(PROCESSES, take_turns, (turns,)) as pool:
        folder = os.path.join(parent, "cache")
        count = TIMES_THE_CAP * CAP_BYTES // MEAN_BYTES
        work = [(folder, cap, first, count) for first in range(PROCESSES)]
        writing = pool.starmap_async(write, work, chunksize=1)
        largest = 0
        while not writing.ready():
            with contextlib.ExitStack() as stack:
                for turn in turns:
                    stack.enter_context(turn)
                largest = max(largest, sum(path.stat().st_size for path in Path(folder).glob("??/*/*")))
            time.sleep(0.1)
        return list(itertools.chain.from_iterable(writing.get())), largest / (cap or 1)


def take_turns(turns: list[Lock]) -> None:
    TURNS[:] = turns


def write(folder: str, cap: int | None, first: int, count: int) -> list[tuple[float, float]]:
    cache = cache_in(folder, cap)
    seconds = []
    for number in range(first, count, PROCESSES):
        data = bytes(size_of(number))
        key = key_of(number)
        with TURNS[first]:
            start, cpu = time.perf_counter(), time.thread_time()
            cache.get_or_create(key, MTIME_NS, lambda data=data: data).close()
            seconds.append((time.perf_counter() - start, time.thread_time() - cpu))
    return seconds


# Hits.


def request_all(exponent: float) -> tuple[float, float]:
    """The hit ratio of the cache, and that of a true LRU with the same requests in one of their possible orders."""
    sizes = [size_of(number) for number in range(THINGS)]
    cap = sum(sizes) // 10
    requests = [list(itertools.islice(zipf(THINGS, exponent, seed), REQUESTS)) for seed in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        hits = sum(pool.starmap(ask, [(folder, cap, part) for part in requests]))
    together = list(itertools.chain.from_iterable(zip(*requests, strict=True)))
    return hits / len(together), lru_hits(together, sizes, cap) / len(together)


def ask(folder: str, cap: int, requests: list[int]) -> int:
    return hits(cache_in(folder, cap), requests, lambda number: bytes(size_of(number)))


def hits(cache: DiskCache, requests: list[int], content_of: Callable[[int], bytes]) -> int:
    """How many of *requests* were there already."""
    made = 0

    def create(number: int) -> bytes:
        nonlocal made
        made += 1
        return content_of(number)

    for number in requests:
        with cache.get_or_create(key_of(number), MTIME_NS, lambda number=number: create(number)) as entry:
            entry.read()
    return len(requests) - made


if __name__ == "__main__":
    main()
