"""Measure whether two servers of one host get their renders in the order of arrival.

One server has eight threads and eight clients, the other two threads and two clients. All clients request new
renditions without a pause. If the order of arrival counts, a request waits as long at the one server as at the other.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import servers
from bench.load import Load
from bench.measure import Run, Watch, percentile, ratio, rounded, spread
from bench.parts.cold import ask_checked, sizes, started_with
from bench.servers import Running, Server, gunicorn
from bench.tables import Table
from bench.workload import CAMERA

THREADS = (8, 2)
REQUESTS, QUICK_REQUESTS = 55, 8  # of each client
ROUNDS, QUICK_ROUNDS = 5, 1


def measure(run: Run) -> dict[str, Any]:
    requests, rounds = run.pick(REQUESTS, QUICK_REQUESTS), run.rounds_or(ROUNDS, QUICK_ROUNDS)
    found: list[list[Load]] = []
    foreign = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(prefix="bench-") as runtime,
        ExitStack() as stack,
    ):
        started = started_with(CAMERA, list(map(_server, THREADS)), Path(folder), stack, Path(runtime))
        new = [sizes(CAMERA) for _ in started]
        _together(started, new, 3)  # every thread loads its libraries
        for _ in range(rounds):
            with Watch() as watch:
                found.append(_together(started, new, requests))
            foreign = max(foreign, watch.share)
            run.on_step("round")
    columns = list(zip(THREADS, zip(*found, strict=True), strict=True))
    return {
        "threads": THREADS,
        "requests": requests,
        "rounds": rounds,
        "picture": CAMERA.name,
        "foreign_share": round(foreign, 3),
        "p95_ms": [rounded(1000 * percentile(load.waits, 0.95) for load in loads) for _, loads in columns],
        "per_client": [rounded(load.per_second / clients for load in loads) for clients, loads in columns],
    }


def _server(threads: int) -> Server:
    return Server(f"{threads} threads", gunicorn("--workers=1", f"--threads={threads}"), servers.signed, site="package")


def _together(started: dict[str, Running], new: list[Iterator[tuple[str, int, int]]], requests: int) -> list[Load]:
    """Let each client of both servers send so many *requests*, all at the same time."""
    with ThreadPoolExecutor(len(started)) as pool:
        asks = [
            pool.submit(ask_checked, CAMERA, name, server, list(itertools.islice(asked, requests * clients)), clients)
            for (name, server), asked, clients in zip(started.items(), new, THREADS, strict=True)
        ]
        return [ask.result() for ask in asks]


def tables(data: dict[str, Any]) -> list[Table]:
    rows = [
        (f"{threads} threads, {threads} clients", spread(waits).text(), spread(rate).text())
        for threads, waits, rate in zip(data["threads"], data["p95_ms"], data["per_client"], strict=True)
    ]
    note = (
        f"Each client requests {data['requests']} new renditions of a {data['picture']}, {data['rounds']} rounds. "
        f"The ratio of the two p95 is {ratio(*data['p95_ms']).text()}."
    )
    return [Table(("server", "p95 ms", "requests/s of a client"), rows, note)]
