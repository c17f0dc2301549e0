"""What does a hit cost? One rendition that is there already: in the application, by gunicorn, nginx and others."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from bench import servers, sites, traffic
from bench.load import WRK, Load, ask_again, get
from bench.measure import Tree, check, interleaved, rounded
from bench.photographs import SOURCE
from bench.servers import Running, Server, running
from bench.workload import fit

ROUNDS, QUICK_ROUNDS = 7, 2
SECONDS, QUICK_SECONDS = 2.0, 1.0
CLIENTS_PER_CORE = 2
WIDTH = 400
SIZE = fit((2048, 1024), (WIDTH, WIDTH))

# Each contender's name: what stands before the colon is the table that it belongs to.
EMPTY, FLASK, HIT = "an empty view", "send_from_directory", "a hit"
EARLY = "a hit, IMAGES_EARLY_HITS"
STATIC, DOOR, ACCEL = "nginx: a static file", "nginx: the front door", "nginx: X-Accel-Redirect"


def prepare(folder: Path, site: Callable[..., Flask]) -> tuple[Flask, str]:
    """The *site* in *folder*, and the URL of its rendition, which is made, and lies beside as a plain file."""
    folder.mkdir(mode=0o755)
    static = folder / "static"
    static.mkdir(mode=0o755)
    shutil.copyfile(SOURCE, static / "photo.jpg")
    os.utime(static / "photo.jpg", (1_700_000_000, 1_700_000_000))
    app = site(str(folder))
    url = sites.signed_url(app, "photo.jpg", WIDTH)
    data = app.test_client().get(url).data
    check("this package", data, SIZE, "jpeg")
    (static / "plain.jpg").write_bytes(data)
    return app, url


def run(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    clients = CLIENTS_PER_CORE * len(servers.cores())
    skipped = ["ipx keeps no renditions: it makes each anew, so it has no hits to be measured."]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        parent = Path(name)
        parent.chmod(0o755)  # nginx' workers are nobody
        app, url = prepare(parent / "package", sites.package)
        pages = {EMPTY: "/empty", FLASK: "/flask", HIT: url}
        early = sites.early(str(parent / "package"))
        for each in (app, early):
            each.test_client().get(url)
        asks = {page: partial(traffic.in_process, app, path) for page, path in pages.items()}
        turns = interleaved({**asks, EARLY: partial(traffic.in_process, early, url)}, rounds)
        within = {"cpu_us": {page: rounded(times, 2) for page, times in turns.samples.items()}, **turns.noted()}
        told("in the application")

        started: dict[str, tuple[int, Tree, str]] = {}
        for server in servers.ours():
            here = stack.enter_context(running(server, parent / "package"))
            kind = server.name.rpartition(" ")[2]
            started |= {f"{kind}: {page}": (here.port, here.tree, path) for page, path in pages.items()}
            here = stack.enter_context(running(replace(server, site="early"), parent / "package"))
            started[f"{kind}: {EARLY}"] = (here.port, here.tree, url)
        if traffic.NGINX is None:
            skipped.append("nginx is not installed: the front door, X-Accel-Redirect and static files are left out.")
        else:
            started |= behind_nginx(parent, stack)
        started |= by_thumbor(parent, stack, skipped)
        by_server = over_http(started, rounds, seconds, clients)
        told("servers")
        size = (parent / "package" / "static" / "plain.jpg").stat().st_size
    return {
        "rounds": rounds,
        "seconds": seconds,
        "clients": clients,
        "cores": len(servers.cores()),
        "client": "wrk" if WRK else "an own client in Python, since wrk is missing",
        "bytes": size,
        "skipped": skipped,
        "in_process": within,
        "servers": by_server,
    }


def behind_nginx(parent: Path, stack: ExitStack) -> dict[str, tuple[int, Tree, str]]:
    """nginx as it is configured by ``flask images nginx``, with and without the application behind it."""
    started = {}
    app, url = prepare(parent / "front", sites.front)
    door = stack.enter_context(running(_nginx(app, upstream=traffic.free_port()), parent / "front"))
    # Nobody listens upstream: what is answered, nginx answered by itself.
    started[STATIC] = (door.port, door.tree, "/plain.jpg")
    started[DOOR] = (door.port, door.tree, url)
    app, url = prepare(parent / "accel", sites.accel)
    workers = servers.gunicorn(f"--workers={len(servers.cores())}", "--threads=4")
    behind = stack.enter_context(running(Server("accel", workers, servers.plain, site="accel"), parent / "accel"))
    front = stack.enter_context(running(_nginx(app, behind.port), parent / "accel"))
    both = Tree(*(root.pid for root in (*front.tree.roots, *behind.tree.roots)))
    started[ACCEL] = (front.port, both, url)
    return started


def _nginx(app: Flask, upstream: int) -> Server:
    return Server(
        "nginx", lambda folder, port: traffic.nginx(str(folder), app, port, upstream), lambda _: lambda *_: ""
    )


def by_thumbor(parent: Path, stack: ExitStack, skipped: list[str]) -> dict[str, tuple[int, Tree, str]]:
    server = servers.thumbor()
    if server.missing:
        skipped.append(server.missing)
        return {}
    here: Running = stack.enter_context(running(server, parent / "package"))
    url = here.url("photo.jpg", WIDTH, WIDTH)
    check("thumbor", get("thumbor", here.port, url), SIZE, "jpeg")
    return {"thumbor: a kept rendition": (here.port, here.tree, url)}


def over_http(
    started: Mapping[str, tuple[int, Tree, str]], rounds: int, seconds: float, clients: int
) -> dict[str, Any]:
    for name, (port, tree, url) in started.items():
        if not name.endswith(EMPTY):
            check(name, get(name, port, url), SIZE, "jpeg")
        ask_again(name, port, tree, url, 1, clients)
    asks = {
        name: partial(ask_again, name, port, tree, url, seconds, clients) for name, (port, tree, url) in started.items()
    }
    turns = interleaved(asks, rounds)
    return {**turns.noted(), "contenders": {name: row(loads) for name, loads in turns.samples.items()}}


def row(loads: list[Load]) -> dict[str, list[float]]:
    return {
        "cpu_us": rounded(1000 * load.server_ms for load in loads),
        "per_second": rounded((load.per_second for load in loads), 1),
        "client_us": rounded(1000 * load.client_ms for load in loads),
        "median_ms": rounded(1000 * load.waits[0] for load in loads),
        "p99_ms": rounded(1000 * load.waits[-1] for load in loads),
    }
