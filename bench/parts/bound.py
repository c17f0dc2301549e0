"""Measure the cost of keeping a cache below its cap, and how well it chooses the entries to remove.

Writes are made by several processes that do nothing else and compete for processors and disk, as workers do. The CPU
time of a write is measured too: unlike its wall time, it does not depend on other processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import Any

from bench.measure import Run, interleaved, percentile, spread
from bench.tables import Table, columns, disturbance
from bench.workload import lru_hits, zipf
from flask_images_vips.cache.disk import DiskCache
from flask_images_vips.cache.entry import Key
from flask_images_vips.cache.eviction import Bound

PROCESSES = 4
ROUNDS, QUICK_ROUNDS = 3, 1
CAP_BYTES, QUICK_CAP_BYTES = 16_000_000, 4_000_000
TIMES_THE_CAP = 20
MEAN_BYTES, SIGMA = 20_000, 0.6  # sizes are lognormal, as those of renditions
MTIME_NS = 1_600_000_000_000_000_000

ENTRIES = 5_000  # the number of entries; the cap holds a tenth of their bytes
REQUESTS, QUICK_REQUESTS = 10_000, 1_000  # of each process
EXPONENTS = (0.8, 0.9, 1.0)

TURNS: list[Lock] = []
"""A lock of each process, held during a write. Holding all of them shows the cache between writes."""


def measure(run: Run) -> dict[str, Any]:
    rounds, cap = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(CAP_BYTES, QUICK_CAP_BYTES)
    asks = {"no cap": partial(writes, cap, False), f"a cap of {cap // 1_000_000} MB": partial(writes, cap, True)}
    turns = interleaved(asks, rounds, spare=run.pick(None, 0))
    run.on_step("writes")
    ratios = []
    for exponent in EXPONENTS:
        found, lru = request_all(exponent, run.pick(REQUESTS, QUICK_REQUESTS))
        ratios.append({"exponent": exponent, "hits": round(found, 4), "lru": round(lru, 4)})
    run.on_step("hits")
    return {
        "rounds": rounds,
        "processes": PROCESSES,
        **turns.noted(),
        "writes": {name: columns(samples) for name, samples in turns.samples.items()},
        "ratios": ratios,
    }


def cache_in(folder: str, cap: int | None) -> DiskCache:
    bound = Bound(folder, cap, 0) if cap else None
    return DiskCache(folder, lock_timeout=60, temp_max_age=3600, bound=bound)


def key_of(number: int) -> Key:
    """Return a key. Four consecutive ones share a folder, as renditions of one source do."""
    folder, file = (hashlib.sha1(text.encode()).hexdigest() for text in (f"source {number // 4}", f"{number}"))
    return folder, f"{file}-{number}.jpg"


def size_of(number: int, mean: int = MEAN_BYTES) -> int:
    return round(mean * random.Random(number).lognormvariate(-(SIGMA**2) / 2, SIGMA)) + 1


# Writes.


def writes(cap: int, bounded: bool) -> dict[str, float]:
    """Write `TIMES_THE_CAP` times *cap* bytes. Returns the times of a write, and the largest size of the cache.

    The size is a share of *cap*.
    """
    spawn = multiprocessing.get_context("spawn")
    turns = [spawn.Lock() for _ in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as parent, spawn.Pool(PROCESSES, take_turns, (turns,)) as pool:
        folder = os.path.join(parent, "cache")
        count = TIMES_THE_CAP * cap // MEAN_BYTES
        work = [(folder, cap if bounded else None, first, count) for first in range(PROCESSES)]
        writing = pool.starmap_async(write, work, chunksize=1)
        largest = 0
        while not writing.ready():
            with contextlib.ExitStack() as stack:
                for turn in turns:
                    stack.enter_context(turn)
                largest = max(largest, sum(path.stat().st_size for path in Path(folder).glob("??/*/*")))
            time.sleep(0.1)
        wall, cpu = zip(*itertools.chain.from_iterable(writing.get()), strict=True)
    return {
        "put_us": 1e6 * statistics.median(wall),
        "p99_us": 1e6 * percentile(wall, 0.99),
        "worst_ms": 1e3 * max(wall),
        "cpu_us": 1e6 * statistics.median(cpu),
        "worst_cpu_ms": 1e3 * max(cpu),
        "share": largest / cap,
    }


def take_turns(turns: list[Lock]) -> None:
    TURNS[:] = turns


def write(folder: str, cap: int | None, first: int, count: int) -> list[tuple[float, float]]:
    """Write every `PROCESSES`-th entry from *first* to *count*. Returns the wall and CPU seconds of each write."""
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


def request_all(exponent: float, requests: int) -> tuple[float, float]:
    """Return the hit ratio of the cache, and that of an exact LRU with the same requests, interleaved evenly."""
    sizes = [size_of(number) for number in range(ENTRIES)]
    cap = sum(sizes) // 10
    parts = [list(itertools.islice(zipf(ENTRIES, exponent, seed), requests)) for seed in range(PROCESSES)]
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        found = sum(pool.starmap(ask, [(folder, cap, part) for part in parts]))
    together = list(itertools.chain.from_iterable(zip(*parts, strict=True)))
    return found / len(together), lru_hits(together, sizes, cap) / len(together)


def ask(folder: str, cap: int, requests: list[int]) -> int:
    return hits(cache_in(folder, cap), requests, lambda number: bytes(size_of(number)))


def hits(cache: DiskCache, requests: list[int], content_of: Callable[[int], bytes]) -> int:
    """Return how many of *requests* find their entry in *cache*."""
    made = 0

    def create(number: int) -> bytes:
        nonlocal made
        made += 1
        return content_of(number)

    for number in requests:
        with cache.get_or_create(key_of(number), MTIME_NS, lambda number=number: create(number)) as entry:
            entry.read()
    return len(requests) - made


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    shown = ("put_us", "p99_us", "worst_ms", "cpu_us", "worst_cpu_ms")
    rows = [
        (
            name,
            *(spread(row[column]).text() for column in shown),
            spread(row["share"]).text(3) if name != "no cap" else "–",
        )
        for name, row in data["writes"].items()
    ]
    head = ("cache", "write, µs", "p99 µs", "worst ms", "its CPU, µs", "worst CPU, ms", "largest size ÷ cap")
    note = f"{disturbance(data, data['rounds'])}{data['processes']} processes. Interleaved rounds: {data['rounds']}."
    ratios = [
        (f"{row['exponent']:g}", f"{row['hits']:.3f}", f"{row['lru']:.3f}", f"{row['hits'] - row['lru']:+.3f}")
        for row in data["ratios"]
    ]
    return [Table(head, rows, note), Table(("Zipf exponent", "hit ratio", "exact LRU", "difference"), ratios)]
