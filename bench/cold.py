"""How many first renditions a second? Every request asks for one that nobody has made, of each server in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import servers
from bench.load import Load, ask_all, get
from bench.measure import check, interleaved, rounded
from bench.quality import compared
from bench.servers import Running, Server, running
from bench.statistics import percentile
from bench.workload import CAMERA, CUT_OUT, FIT, LARGE, UPLOAD, WEBP, Case, Picture, copy_into, described, fit, write

PICTURES = (UPLOAD, CAMERA, LARGE, CUT_OUT, WEBP)
ROUNDS, QUICK_ROUNDS = 5, 2
COPIES = 4
CLIENTS_PER_CORE = 2


def requests_in_a_round(picture: Picture, quick: bool) -> int:
    """So many that a round takes a second or so, of the slowest several."""
    return 8 if quick else 16 if picture.size[0] * picture.size[1] > 10e6 else 48


def sizes(picture: Picture) -> Iterator[tuple[str, int, int]]:
    """Copies of *picture* and boxes around 400×300, none twice, of much the same work."""
    for copy in range(COPIES):
        for step in range(200):
            width = 300 + step * 37 % 200
            yield f"{copy}-{picture.file}", width, width * 3 // 4


def contenders() -> list[Server]:
    return [servers.first(), *servers.ours(), *servers.views(), servers.thumbor(), servers.ipx(), servers.imgproxy()]


def run(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    """Every picture by every server that is here."""
    pictures = (CAMERA, CUT_OUT) if quick else PICTURES
    rounds = QUICK_ROUNDS if quick else ROUNDS
    found = contenders()
    here = [server for server in found if not server.missing]
    clients = CLIENTS_PER_CORE * len(servers.cores())
    rows = []
    for picture in pictures:
        with tempfile.TemporaryDirectory() as parent, ExitStack() as stack:
            started = {}
            for number, server in enumerate(here):
                folder = Path(parent, str(number))
                copy_into(folder / "static", picture, [f"{copy}-{picture.file}" for copy in range(COPIES)])
                started[server.name] = stack.enter_context(running(server, folder))
            rows.append(measured(picture, started, rounds, requests_in_a_round(picture, quick), clients))
        told(picture.name)
    return {
        "rounds": rounds,
        "clients": clients,
        "cores": len(servers.cores()),
        "skipped": [server.missing for server in found if server.missing],
        "servers": {server.name: server.note for server in here},
        "pictures": described(pictures),
        "cases": rows,
    }


def measured(picture: Picture, started: dict[str, Running], rounds: int, requests: int, clients: int) -> dict[str, Any]:
    """*picture* by the servers that were *started*, each asked for the same sizes in each round."""
    path = write([picture])[picture.name]
    first = {}
    for name, server in started.items():
        data = get(name, server.port, server.url(f"0-{picture.file}", FIT.width, FIT.height))
        check(name, data, fit(picture.size, (FIT.width, FIT.height)), picture.format)
        first[name] = compared(data, path, Case(picture))
    turns_of = {name: sizes(picture) for name in started}

    def ask(name: str) -> Load:
        server = started[name]
        asked = [next(turns_of[name]) for _ in range(requests)]
        load, bodies = ask_all(name, server.port, server.tree, [server.url(*one) for one in asked], clients)
        for (_, width, height), body in zip(asked, bodies, strict=True):
            check(name, body, fit(picture.size, (width, height)), picture.format)
        return load

    for name, server in started.items():  # each worker of each server has loaded its libraries once
        warm = [
            server.url(f"{index % COPIES}-{picture.file}", 200 + index, 150 + index) for index in range(clients * 2)
        ]
        ask_all(name, server.port, server.tree, warm, clients)
    turns = interleaved({name: (lambda name=name: ask(name)) for name in started}, rounds)  # type: ignore[misc]
    return {
        "picture": picture.name,
        "requests": requests,
        **turns.noted(),
        "contenders": {
            name: {
                "per_second": rounded(load.per_second for load in loads),
                "cpu_ms": rounded(load.server_ms for load in loads),
                "client_ms": rounded(load.client_ms for load in loads),
                "median_ms": rounded(1000 * percentile(load.waits, 0.5) for load in loads),
                "p95_ms": rounded(1000 * percentile(load.waits, 0.95) for load in loads),
                **first[name],
            }
            for name, loads in turns.samples.items()
        },
    }
