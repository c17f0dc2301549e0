"""What do many requests at once cost? For one picture that nobody has made yet, and for many large ones.

``stampede``: a crowd that wants the same new picture. How often it was made is told by the server's CPU, in units of
one request, so that every server can be asked the same. ``memory``: the peak of a server that renders large
photographs as fast as it can, and whether a process that renders and renders grows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import servers, sites, stampede
from bench.cold import COPIES, sizes
from bench.load import Load, ask_all
from bench.measure import check, interleaved, rounded
from bench.servers import Running, Server, running
from bench.statistics import percentile
from bench.workload import CAMERA, LARGE, Picture, copy_into, fit

CROWD, QUICK_CROWD = 50, 12
ROUNDS, QUICK_ROUNDS = 5, 2
RENDERS, QUICK_RENDERS = 8_000, 1_000


def crowded() -> list[Server]:
    """The servers that keep what they make, and the reference; with threads enough for a crowd."""
    threads = [f"--workers={len(servers.cores())}", "--threads=16"]
    return [
        Server("this package", servers.gunicorn(*threads), servers.signed, site="package"),
        Server(sites.FULL_DECODE, servers.gunicorn(*threads), servers.plain, site=sites.FULL_DECODE),
        servers.thumbor(),
        servers.ipx(),
    ]


def _started(stack: ExitStack, parent: Path, picture: Picture, found: list[Server]) -> dict[str, Running]:
    started = {}
    for number, server in enumerate(found):
        if not server.missing:
            folder = parent / str(number)
            copy_into(folder / "static", picture, [f"{copy}-{picture.file}" for copy in range(COPIES)])
            started[server.name] = stack.enter_context(running(server, folder))
    return started


def run_stampede(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    crowd, rounds = (QUICK_CROWD, QUICK_ROUNDS) if quick else (CROWD, ROUNDS)
    found = crowded()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        started = _started(stack, Path(name), CAMERA, found)
        turns_of = {server: sizes(CAMERA) for server in started}

        def alone_and_together(server: str) -> dict[str, float]:
            """One request alone for one new picture, and the crowd for the next."""
            here = started[server]
            alone = _ask(server, here, [next(turns_of[server])], 1)
            here.tree.reset_peaks()
            together = _ask(server, here, [next(turns_of[server])] * crowd, crowd)
            return {
                "renders": together.server_cpu / alone.server_cpu,
                "cpu_ms": 1000 * together.server_cpu,
                "wall_ms": 1000 * together.wall,
                "peak_mb": here.tree.peak_mb(),
                "median_ms": 1000 * percentile(together.waits, 0.5),
            }

        for server in started:
            for _ in range(3):  # every worker has loaded its libraries
                alone_and_together(server)
        told("servers")
        turns = interleaved({server: (lambda server=server: alone_and_together(server)) for server in started}, rounds)  # type: ignore[misc]
    told("crowds")
    return {
        "crowd": crowd,
        "rounds": rounds,
        "cores": len(servers.cores()),
        "picture": CAMERA.name,
        "skipped": [server.missing for server in found if server.missing],
        **turns.noted(),
        "contenders": {name: _columns(samples) for name, samples in turns.samples.items()},
        "waits": [] if quick else waits_of_package(told),
    }


def waits_of_package(told: Callable[[str], object]) -> list[dict[str, Any]]:
    """In the server, without clients and queues: how long those waited who found another's render under way."""
    pictures, clients, workers = 20, 50, len(servers.cores()) * 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_into(folder / "static", CAMERA, ["middling.jpg"])
        found = stampede.crowds(folder, workers, pictures, clients)
    told("waits")
    return [
        {
            "how": how,
            "pictures": pictures,
            "clients": clients,
            "workers": workers,
            "statuses": dict(each.statuses),
            "renders": len(each.renders),
            "waited": len(each.beyond),
            "beyond_ms": rounded([percentile(each.beyond, share) for share in (0.5, 0.95, 1)]) if each.beyond else [],
        }
        for how, each in found.items()
    ]


def run_memory(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    clients, requests = 4 * len(servers.cores()), 8 if quick else 24
    found = crowded()
    peaks: dict[str, list[dict[str, float]]] = {}
    for server in found:
        if server.missing:
            continue
        for _ in range(rounds):  # a fresh server each time: memory is kept, once it was taken
            with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
                here = _started(stack, Path(name), LARGE, [server])[server.name]
                turns = sizes(LARGE)
                idle = here.tree.peak_mb()
                load = _ask(server.name, here, [next(turns) for _ in range(requests)], clients)
                peaks.setdefault(server.name, []).append(
                    {"idle_mb": idle, "peak_mb": here.tree.peak_mb(), "per_second": load.per_second}
                )
        told(server.name)
    return {
        "rounds": rounds,
        "clients": clients,
        "requests": requests,
        "cores": len(servers.cores()),
        "picture": LARGE.name,
        "skipped": [server.missing for server in found if server.missing],
        "contenders": {name: _columns(samples) for name, samples in peaks.items()},
        "growth": growth(QUICK_RENDERS if quick else RENDERS, told),
    }


def growth(renders: int, told: Callable[[str], object]) -> dict[str, Any]:
    """The memory of one process, four threads, that makes so many different renditions: see `bench.soak`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--renders", str(renders)],
        capture_output=True,
        text=True,
        check=True,
        cwd=servers.ROOT,
        env=os.environ | {"MALLOC_ARENA_MAX": "2"},
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    counts = [[int(cell) for cell in row[:2]] for row in rows if row and all(cell.isdigit() for cell in row)]
    told("growth")
    return {"renders": [made for made, _ in counts], "resident_mb": [held for _, held in counts]}


def _ask(name: str, here: Running, asked: list[tuple[str, int, int]], clients: int) -> Load:
    load, bodies = ask_all(name, here.port, here.tree, [here.url(*one) for one in asked], clients)
    for (file, width, height), body in zip(asked, bodies, strict=True):
        picture = LARGE if file.endswith(LARGE.file) else CAMERA
        check(name, body, fit(picture.size, (width, height)), picture.format)
    return load


def _columns(samples: list[dict[str, float]]) -> dict[str, list[float]]:
    return {column: rounded(sample[column] for sample in samples) for column in samples[0]}
