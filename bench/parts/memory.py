"""Measure the peak memory of each server under large photographs, the growth of one process, and its imports."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers
from bench.measure import Run, interleaved, ratio, rounded, spread
from bench.parts import soak
from bench.parts.cold import ask_checked, sizes, started_with
from bench.parts.stampede import contenders
from bench.results import ROOT
from bench.servers import PACKAGE, RIVALS, Server
from bench.tables import NOTICEABLE, Loss, Table, columns, skipped
from bench.workload import LARGE

ROUNDS, QUICK_ROUNDS = 5, 2
REQUESTS, QUICK_REQUESTS = 24, 8
RENDERS, QUICK_RENDERS = 8_000, 1_000
CLIENTS_PER_CORE = 4
REST_SECONDS = 5.0  # from the last request of a server until its memory is measured again
IMPORTS = {
    "Flask": "import flask",
    "this package": "from flask_images_vips import Images",
    "pyvips": "import flask, pyvips",
}


def measure(run: Run) -> dict[str, Any]:
    rounds, requests = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(REQUESTS, QUICK_REQUESTS)
    clients = CLIENTS_PER_CORE * len(servers.cores())
    found = contenders()
    peaks: dict[str, list[dict[str, float]]] = {}
    for server in found:
        if not server.missing:
            peaks[server.name] = [peak(server, requests, clients) for _ in range(rounds)]
            run.on_step(server.name)
    grown = soak.growth(run.pick(RENDERS, QUICK_RENDERS))
    run.on_step("growth")
    return {
        "rounds": rounds,
        "clients": clients,
        "requests": requests,
        "cores": len(servers.cores()),
        "picture": LARGE.name,
        "skipped": [server.missing for server in found if server.missing],
        "contenders": {name: columns(samples) for name, samples in peaks.items()},
        "growth": {column: grown[column] for column in ("renders", "memory_mb")},
        "imports": imports(rounds),
    }


def peak(server: Server, requests: int, clients: int) -> dict[str, float]:
    """Start *server*, and return its memory when idle, at its peak and some seconds after the last request.

    It is started anew each time, because processes keep memory that they have used once.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        here = started_with(LARGE, [server], Path(name), stack)[server.name]
        idle = here.tree.peak_mb()
        load = ask_checked(LARGE, server.name, here, list(itertools.islice(sizes(LARGE), requests)), clients)
        peak = here.tree.peak_mb()
        time.sleep(REST_SECONDS)
        after = here.tree.held().memory_mb
        return {"idle_mb": idle, "peak_mb": peak, "after_mb": after, "per_second": load.per_second}


def imports(rounds: int) -> dict[str, list[float]]:
    """Return the CPU ms of new processes that import Flask alone, this package, or Flask and pyvips."""

    def imported(code: str) -> float:
        begin = sum(os.times()[2:4])
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        return 1000 * (sum(os.times()[2:4]) - begin)

    turns = interleaved({name: partial(imported, code) for name, code in IMPORTS.items()}, rounds)
    return {name: rounded(times) for name, times in turns.samples.items()}


# Tables and losses.


def tables(data: dict[str, Any]) -> list[Table]:
    return [peak_table(data), *([import_table(data)] if "imports" in data else [])]


def peak_table(data: dict[str, Any]) -> Table:
    rows = [
        (
            name,
            *(spread(row[column]).text(0) if column in row else "" for column in ("idle_mb", "peak_mb", "after_mb")),
            spread(row["per_second"]).text(),
        )
        for name, row in data["contenders"].items()
    ]
    made, held = data["growth"]["renders"], data["growth"]["memory_mb"]
    middle = (len(held) - 1) // 2
    note = (
        f"{data['requests']} different renditions of a {data['picture']} by {data['clients']} clients; a new server in "
        f"each of {data['rounds']} rounds. The peaks of all processes are added up, and memory that they share counts "
        f"in each, but only once in the memory 5 s later. One process of this package and its renderers hold "
        f"{held[middle]} MB after {made[middle]:,} renders and {held[-1]} MB after {made[-1]:,}. {skipped(data)}"
    )
    return Table(("server", "idle MB", "peak MB", "MB 5 s later", "requests/s"), rows, note)


def import_table(data: dict[str, Any]) -> Table:
    rows = [(name, spread(times).text()) for name, times in data["imports"].items()]
    return Table(("a new process that imports", "CPU ms"), rows)


def losses(data: dict[str, Any]) -> Iterator[Loss]:
    rows = data["contenders"]
    if PACKAGE not in rows:
        return
    ours = rows[PACKAGE]
    for name, theirs in rows.items():
        times = ratio(ours["peak_mb"], theirs["peak_mb"]).median
        if name in RIVALS and times > NOTICEABLE:
            texts = f"{spread(ours['peak_mb']).text(0)} MB", f"{spread(theirs['peak_mb']).text(0)} MB"
            idle = [spread(row["idle_mb"]).median for row in (ours, theirs)]
            grown = [spread(row["peak_mb"]).median - before for row, before in zip((ours, theirs), idle, strict=True)]
            reason = (
                f"Idle, all processes together hold {idle[0]:.0f} MB here and {idle[1]:.0f} MB there; rendering adds "
                f"{grown[0]:.0f} MB here and {grown[1]:.0f} MB there. Each of our workers also holds "
                "Flask and the application."
            )
            yield Loss(f"peak memory: {data['picture']}", name, *texts, times, reason)
