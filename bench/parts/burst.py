"""Measure a burst of new pictures, all requested at once, with more and fewer threads in each worker.

Meanwhile, one visitor asks for a picture that is cached. It needs a thread, but no renderer.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import servers
from bench.load import Client, get
from bench.measure import Run, check, interleaved, percentile, spread
from bench.servers import PACKAGE, Running, Server, gunicorn, running
from bench.tables import Table, columns, disturbance
from bench.workload import FIT, LARGE, copy_into, fit

THREADS, QUICK_THREADS = (4, 8, 16, 32, 64), (4, 32)
PICTURES, QUICK_PICTURES = 60, 8
ROUNDS, QUICK_ROUNDS = 5, 1
PAUSE_SECONDS = 0.01  # of the visitor between two requests
SAMPLE_SECONDS = 0.1
SETS = ("loop", "burst", "visited")  # new pictures for each of the three loads
KEPT = "kept.jpg"


def measure(run: Run) -> dict[str, Any]:
    counts, pictures = run.pick(THREADS, QUICK_THREADS), run.pick(PICTURES, QUICK_PICTURES)
    rounds = run.rounds_or(ROUNDS, QUICK_ROUNDS)
    names = {kind: [f"{kind}-{number}.jpg" for number in range(pictures)] for kind in SETS}
    with tempfile.TemporaryDirectory() as folder:
        copy_into(Path(folder, "static"), LARGE, [KEPT, *(name for kind in SETS for name in names[kind])])
        asks = {str(count): partial(burst, Path(folder), count, names) for count in counts}
        turns = interleaved(asks, rounds)
    run.on_step("bursts")
    return {
        "workers": len(servers.cores()),
        "pictures": pictures,
        "picture": LARGE.name,
        "rounds": rounds,
        **turns.noted(),
        "threads": {count: columns(samples) for count, samples in turns.samples.items()},
    }


def burst(folder: Path, threads: int, names: dict[str, Sequence[str]]) -> dict[str, float]:
    """Start a server with so many *threads* per worker, and send it each set of new pictures.

    The first set is requested one picture after another, and the others all at once.
    """
    command = gunicorn(f"--workers={len(servers.cores())}", f"--threads={threads}", "--backlog=4096")
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        site = Path(cache)
        (site / "static").symlink_to(folder / "static")
        with running(Server(PACKAGE, command, servers.signed, site="package"), site) as server:
            kept = server.url(KEPT, FIT.width, FIT.height)
            get(PACKAGE, server.port, kept)
            loop = _ask(server, names["loop"], 1)
            alone = _ask(server, names["burst"], len(names["burst"]))
            with _visits(server, kept) as waits, _memory(server) as held:
                visited = _ask(server, names["visited"], len(names["visited"]))
    return {
        "shown": min(alone.shown, visited.shown),
        "wall_s": visited.wall,
        "cpu_s": alone.cpu,
        "cpu": alone.cpu / loop.cpu,
        "visits": len(waits),
        "median_ms": 1000 * percentile(waits, 0.5),
        "worst_ms": 1000 * max(waits),
        "peak_mb": max(held),
    }


class _Asked(NamedTuple):
    """How many pictures were shown, the seconds until the last one, and the CPU seconds of the server's processes."""

    shown: int
    wall: float
    cpu: float


def _ask(server: Running, names: Sequence[str], clients: int) -> _Asked:
    """Request a rendition of each of *names*. Those that are shown must be right."""

    def is_shown(name: str) -> bool:
        client = Client(server.port)
        status, body = client.get(server.url(name, FIT.width, FIT.height))
        client.close()
        if status == 200:
            check(PACKAGE, body, fit(LARGE.size, (FIT.width, FIT.height)), LARGE.format)
        return status == 200

    cpu, begin = server.tree.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        shown = sum(threads.map(is_shown, names))
    return _Asked(shown, time.perf_counter() - begin, server.tree.cpu_seconds() - cpu)


@contextmanager
def _visits(server: Running, url: str) -> Iterator[list[float]]:
    """Let a visitor request *url* again and again during the block. Yields the seconds of each request."""

    def visit() -> float:
        begin = time.perf_counter()
        get(PACKAGE, server.port, url)
        return time.perf_counter() - begin

    with _repeated(visit, PAUSE_SECONDS) as waits:
        yield waits


@contextmanager
def _memory(server: Running) -> Iterator[list[float]]:
    """Yield the MB that the server holds, again and again during the block."""
    with _repeated(lambda: server.tree.held().memory_mb, SAMPLE_SECONDS) as held:
        yield held


@contextmanager
def _repeated(work: Callable[[], float], pause: float) -> Iterator[list[float]]:
    """Call *work* in a thread until the block ends. Yields the list of its results."""
    results: list[float] = []
    over = threading.Event()

    def repeat() -> None:
        while not results or not over.wait(pause):
            results.append(work())

    with ThreadPoolExecutor(1) as thread:
        repeated = thread.submit(repeat)
        try:
            yield results
        finally:
            over.set()
        repeated.result()


def tables(data: dict[str, Any]) -> list[Table]:
    shown = ("wall_s", "cpu", "worst_ms", "median_ms", "peak_mb")
    rows = [
        (count, f"{min(row['shown']):.0f}", *(spread(row[column]).text() for column in shown))
        for count, row in data["threads"].items()
    ]
    head = (
        "threads per worker",
        "shown",
        "s for all",
        "CPU ÷ one by one",
        "worst hit, ms",
        "median hit, ms",
        "peak MB (PSS)",
    )
    note = (
        f"{disturbance(data, data['rounds'])}{data['pictures']} new pictures ({data['picture']}) at once for "
        f"{data['workers']} workers of gunicorn, in {data['rounds']} interleaved rounds. Meanwhile, a visitor "
        "requests a cached picture again and again. The clients share the processors with the server. The memory is "
        "that of all processes of the server together, where shared memory counts once."
    )
    return [Table(head, rows, note)]
