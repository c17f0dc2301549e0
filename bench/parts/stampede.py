"""Measure many clients that request the same new picture at once.

First by each server: its CPU time, in units of one request alone, tells how often it rendered the picture. Then inside
of this package's processes: how long after the end of a render the requests that waited for it are answered.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers, sites
from bench.contenders import FULL
from bench.load import ask_at_once
from bench.measure import Run, interleaved, percentile, rounded, spread
from bench.parts.cold import ask_checked, sizes, started_with
from bench.servers import PACKAGE, Running, Server, gunicorn, running
from bench.tables import Table, columns, disturbance, skipped
from bench.workload import CAMERA, copy_into

CROWD, QUICK_CROWD = 50, 12
ROUNDS, QUICK_ROUNDS = 5, 2
PICTURES, QUICK_PICTURES = 20, 4
THREADS = 64
WIDTH = 1200


def contenders() -> list[Server]:
    """Return the servers that keep renditions, and the reference, with enough threads for many clients."""
    threads = gunicorn(f"--workers={len(servers.cores())}", f"--threads={THREADS}")
    return [
        Server(PACKAGE, threads, servers.signed, site="package"),
        Server(FULL, threads, servers.plain, site="full"),
        servers.thumbor(),
        servers.ipx(),
    ]


def measure(run: Run) -> dict[str, Any]:
    return crowds(run) | {"waits": waits_of_package(run)}


# By each server.


def crowds(run: Run) -> dict[str, Any]:
    """Measure one request for a new picture alone, and then many at once for another one."""
    crowd, rounds = run.pick(CROWD, QUICK_CROWD), run.rounds_or(ROUNDS, QUICK_ROUNDS)
    found = contenders()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        started = started_with(CAMERA, found, Path(name), stack)
        asks = {server: partial(_crowd, server, here, sizes(CAMERA), crowd) for server, here in started.items()}
        for ask in asks.values():
            for _ in range(3):  # every worker loads its libraries
                ask()
        run.on_step("servers")
        turns = interleaved(asks, rounds)
    run.on_step("crowds")
    return {
        "crowd": crowd,
        "rounds": rounds,
        "cores": len(servers.cores()),
        "picture": CAMERA.name,
        "skipped": [server.missing for server in found if server.missing],
        **turns.noted(),
        "contenders": {name: columns(samples) for name, samples in turns.samples.items()},
    }


def _crowd(name: str, server: Running, new: Iterator[tuple[str, int, int]], crowd: int) -> dict[str, float]:
    alone = ask_checked(CAMERA, name, server, [next(new)], 1)
    server.tree.reset_peaks()
    together = ask_checked(CAMERA, name, server, [next(new)] * crowd, crowd)
    return {
        "renders": together.server_cpu / alone.server_cpu,
        "cpu_ms": 1000 * together.server_cpu,
        "wall_ms": 1000 * together.wall,
        "peak_mb": server.tree.peak_mb(),
        "median_ms": 1000 * percentile(together.waits, 0.5),
    }


# Inside of this package's processes.


@dataclass(frozen=True, slots=True)
class Waits:
    """One round of requests: the answers per status, and times in ms.

    *renders* are the times of the renders, with their wait for a slot. *beyond* are the times between the end of a
    render and the answer, of requests that waited for it. *late* is how late a thread that only sleeps woke up.
    """

    statuses: Counter[str]
    renders: list[float]
    beyond: list[float]
    late: list[float]
    peak_mb: float


def waits_of_package(run: Run) -> list[dict[str, Any]]:
    """Measure the waits of many clients for each of several pictures, which are requested in two ways."""
    workers, clients = 2 * len(servers.cores()), run.pick(CROWD, QUICK_CROWD)
    pictures, rounds = run.pick(PICTURES, QUICK_PICTURES), run.rounds_or(ROUNDS, 1)
    names = [f"{number}.jpg" for number in range(pictures)]
    with tempfile.TemporaryDirectory() as folder:
        copy_into(Path(folder, "static"), CAMERA, names)
        app = sites.package(folder)
        urls = [sites.signed_url(app, name, WIDTH) for name in names]
        bursts = {
            "one after another": [[url] * clients for url in urls],
            "all at once": [[url for _ in range(clients) for url in urls]],
        }
        asks = {how: partial(waits, Path(folder), workers, asked) for how, asked in bursts.items()}
        turns = interleaved(asks, rounds)
    run.on_step("waits")
    about = {"pictures": pictures, "clients": clients, "workers": workers, "rounds": rounds, **turns.noted()}
    return [{"how": how, **about, **_row(found)} for how, found in turns.samples.items()]


def waits(folder: Path, workers: int, bursts: Sequence[Sequence[str]]) -> Waits:
    """Start *workers* with an empty cache, send one of *bursts* after another, and return the waits."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    (folder / "events").unlink(missing_ok=True)
    events = sites.Events(folder)
    command = gunicorn(f"--workers={workers}", f"--threads={THREADS}", "--backlog=4096")
    with running(Server(PACKAGE, command, servers.signed, site="timed"), folder) as server:
        wait_for_workers(events, workers)
        statuses = sum((ask_at_once(server.port, server.tree, urls) for urls in bursts), Counter())
        peak_mb = server.tree.peak_mb()
    rendered = {name: end for name, (end, _) in events.of("rendered")}
    answered = [(begin, end, rendered[name]) for name, (begin, end) in events.of("answered") if name in rendered]
    first, last = min(begin for begin, _, _ in answered), max(rendered.values())
    return Waits(
        statuses,
        renders=[1000 * seconds for _, (_, seconds) in events.of("rendered")],
        beyond=[1000 * (end - done) for begin, end, done in answered if begin < done],
        late=[1000 * seconds for _, (due, seconds) in events.of("woke") if first < due < last],
        peak_mb=peak_mb,
    )


def wait_for_workers(events: sites.Events, workers: int) -> None:
    """Wait until so many *workers* are ready, for a limited time."""
    end = time.monotonic() + servers.STARTING_SECONDS
    while len(list(events.of("ready"))) < workers and time.monotonic() < end:
        time.sleep(0.05)


def _row(rounds: Sequence[Waits]) -> dict[str, Any]:
    """Return the counts and the percentiles of all rounds together, and the figures of each round."""
    beyond = [wait for each in rounds for wait in each.beyond]
    return {
        "statuses": dict(sum((each.statuses for each in rounds), Counter[str]())),
        "renders": sum(len(each.renders) for each in rounds),
        "waited": len(beyond),
        "beyond_ms": rounded(percentile(beyond, share) for share in (0.5, 0.95, 1)) if beyond else [],
        "median_ms": rounded(percentile(each.beyond or [0], 0.5) for each in rounds),
        "p95_ms": rounded(percentile(each.beyond or [0], 0.95) for each in rounds),
        "late_p95_ms": rounded(percentile(each.late or [0], 0.95) for each in rounds),
        "render_ms": rounded(percentile(each.renders, 0.5) for each in rounds),
        "peak_mb": rounded(each.peak_mb for each in rounds),
    }


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    return [crowd_table(data), *([wait_table(data)] if data.get("waits") else [])]


def crowd_table(data: dict[str, Any]) -> Table:
    shown = ("renders", "cpu_ms", "wall_ms", "median_ms", "peak_mb")
    rows = [(name, *(spread(row[column]).text() for column in shown)) for name, row in data["contenders"].items()]
    note = (
        f"{disturbance(data, data['rounds'])}{data['crowd']} clients request one new picture at once "
        f"({data['picture']}), {data['rounds']} interleaved rounds. {skipped(data)}"
    )
    head = ("server", "CPU, in requests alone", "CPU ms", "ms until the last answer", "median wait, ms", "peak MB")
    return Table(head, rows, note)


def wait_table(data: dict[str, Any]) -> Table:
    rows = []
    for row in data["waits"]:
        middle, late, last = row["beyond_ms"] or (0, 0, 0)
        p95 = spread(row["p95_ms"]).text() if "p95_ms" in row else f"{late:.1f}"
        woke = spread(row["late_p95_ms"]).text() if "late_p95_ms" in row else "–"
        renders = f"{row['renders']:,} of {row['pictures'] * row.get('rounds', 1):,} pictures"
        statuses = ", ".join(f"{status}: {count:,}" for status, count in row["statuses"].items())
        label = f"{row['pictures']} pictures × {row['clients']} clients, {row['how']}"
        rows.append((label, statuses, renders, f"{row['waited']:,}", f"{middle:.1f}", p95, f"{last:.1f}", woke))
    head = (
        "requests",
        "answers",
        "renders",
        "waited",
        "median ms",
        "p95 ms",
        "last ms",
        "idle thread wakes late, p95 ms",
    )
    first = data["waits"][0]
    note = (
        f"This package with {first['workers']} processes. Rounds: {first.get('rounds', 1)}. Times are measured in the "
        "server, from the end of a render to the answer of a request that waited for it."
    )
    return Table(head, rows, note)
