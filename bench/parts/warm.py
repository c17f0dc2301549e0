"""Measure the cost of a cache hit: in the application, under gunicorn, behind nginx, and by thumbor."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from bench import servers, sites
from bench.load import WRK, Load, ask_again, get
from bench.measure import Run, Spread, Tree, check, cpu_ms, interleaved, ratio, rounded, spread
from bench.servers import NGINX, Running, Server, running
from bench.tables import NOTICEABLE, Goal, Loss, Table, disturbance, goal
from bench.workload import EARTH, fit

ROUNDS, QUICK_ROUNDS = 7, 2
SECONDS, QUICK_SECONDS = 2.0, 1.0
CLIENTS_PER_CORE = 2
REQUESTS = 2_000  # in the application
WIDTH = 400
SIZE = fit((2048, 1024), (WIDTH, WIDTH))

# Contenders. The prefix before a colon names the table.
EMPTY, FLASK, HIT = "an empty view", "send_from_directory", "a hit"
EARLY = "a hit, IMAGES_EARLY_HITS"
STATIC, DOOR, ACCEL = "nginx: a static file", "nginx: the front door", "nginx: X-Accel-Redirect"


def prepare(folder: Path, site: Callable[..., Flask]) -> tuple[Flask, str]:
    """Make the *site* in *folder*. Returns it and the URL of a cached rendition, which is also saved as plain.jpg."""
    folder.mkdir(mode=0o755)
    static = folder / "static"
    static.mkdir(mode=0o755)
    shutil.copyfile(EARTH, static / "photo.jpg")
    os.utime(static / "photo.jpg", (1_700_000_000, 1_700_000_000))
    app = site(str(folder))
    url = sites.signed_url(app, "photo.jpg", WIDTH)
    data = app.test_client().get(url).data
    check("this package", data, SIZE, "jpeg")
    (static / "plain.jpg").write_bytes(data)
    return app, url


def measure(run: Run) -> dict[str, Any]:
    rounds, seconds = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(SECONDS, QUICK_SECONDS)
    clients = CLIENTS_PER_CORE * len(servers.cores())
    skipped = ["ipx keeps no renditions, so it has no hits to measure."]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        parent = Path(name)
        parent.chmod(0o755)  # nginx' workers run as nobody
        app, url = prepare(parent / "package", sites.package)
        pages = {EMPTY: "/empty", FLASK: "/flask", HIT: url}
        early = sites.early(str(parent / "package"))
        for each in (app, early):
            each.test_client().get(url)
        asks = {page: partial(in_process, app, path) for page, path in pages.items()}
        turns = interleaved({**asks, EARLY: partial(in_process, early, url)}, rounds)
        within = {"cpu_us": {page: rounded(times, 2) for page, times in turns.samples.items()}, **turns.noted()}
        run.on_step("in the application")

        started = under_gunicorn(parent / "package", pages, stack)
        if NGINX is None:
            skipped.append("nginx is not installed: the front door, X-Accel-Redirect and static files are left out.")
        else:
            started |= behind_nginx(parent, stack)
        started |= by_thumbor(parent, stack, skipped)
        by_server = over_http(started, rounds, seconds, clients)
        run.on_step("servers")
        size = (parent / "package" / "static" / "plain.jpg").stat().st_size
    return {
        "rounds": rounds,
        "seconds": seconds,
        "clients": clients,
        "cores": len(servers.cores()),
        "client": "wrk" if WRK else "a client in Python, since wrk is missing",
        "bytes": size,
        "skipped": skipped,
        "in_process": within,
        "servers": by_server,
    }


def in_process(app: Flask, url: str, requests: int = REQUESTS) -> float:
    """Return the CPU µs of one of a number of *requests*, for which *app* is called as by a WSGI server."""
    path, _, query = url.partition("?")
    base = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "bench",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    statuses: set[str] = set()
    environments = [dict(base) for _ in range(requests)]

    def ask() -> None:
        for environment in environments:
            body = app(environment, lambda status, headers, error=None: statuses.add(status))  # type: ignore[arg-type]
            for _ in body:
                pass
            if hasattr(body, "close"):
                body.close()

    spent = cpu_ms(ask)
    assert statuses == {"200 OK"}, statuses
    return 1000 * spent / requests


Started = dict[str, tuple[int, Tree, str]]
"""The port, the processes and the URL of each contender."""


def under_gunicorn(folder: Path, pages: dict[str, str], stack: ExitStack) -> Started:
    """Start this package under gunicorn, with sync and with threaded workers, each with and without early hits."""
    started: Started = {}
    for server in servers.ours():
        here = stack.enter_context(running(server, folder))
        kind = server.name.rpartition(" ")[2]
        started |= {f"{kind}: {page}": (here.port, here.tree, path) for page, path in pages.items()}
        here = stack.enter_context(running(replace(server, site="early"), folder))
        started[f"{kind}: {EARLY}"] = (here.port, here.tree, pages[HIT])
    return started


def behind_nginx(parent: Path, stack: ExitStack) -> Started:
    """Start nginx as ``flask images nginx`` configures it, alone and with X-Accel-Redirect from the application."""
    started = {}
    app, url = prepare(parent / "front", sites.front)
    door = stack.enter_context(running(servers.nginx(app, upstream=servers.free_port()), parent / "front"))
    # No application listens at that port, so every answer is made by nginx alone.
    started[STATIC] = (door.port, door.tree, "/plain.jpg")
    started[DOOR] = (door.port, door.tree, url)
    app, url = prepare(parent / "accel", sites.accel)
    workers = servers.gunicorn(f"--workers={len(servers.cores())}", "--threads=4")
    behind = stack.enter_context(running(Server("accel", workers, servers.plain, site="accel"), parent / "accel"))
    front = stack.enter_context(running(servers.nginx(app, behind.port), parent / "accel"))
    both = Tree(*(root.pid for root in (*front.tree.roots, *behind.tree.roots)))
    started[ACCEL] = (front.port, both, url)
    return started


def by_thumbor(parent: Path, stack: ExitStack, skipped: list[str]) -> Started:
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


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    """Show the application, then each kind of server in a table of its own."""
    within = data["in_process"]["cpu_us"]
    found = hits(data)
    tables = [
        Table(
            ("in the application", "CPU µs", "÷ send_from_directory"),
            [
                (name, spread(times).text(), ratio(times, within["send_from_directory"]).text(2))
                for name, times in within.items()
            ],
            disturbance(data["in_process"], data["rounds"]),
        )
    ]
    groups = {
        "sync": "sync: send_from_directory",
        "gthread": "gthread: send_from_directory",
        "nginx": "nginx: a static file",
        "thumbor": "thumbor: a kept rendition",
    }
    for group, base in groups.items():
        rows = [
            (
                name.partition(": ")[2],
                spread(row["cpu_us"]).text(),
                ratio(row["cpu_us"], found[base]["cpu_us"]).text(2) if base in found else "–",
                spread(row["per_second"]).text(0),
                spread(row["p99_ms"]).text(),
                spread(row["client_us"]).text(0),
            )
            for name, row in found.items()
            if name.startswith(group)
        ]
        if rows:
            title = f"gunicorn, {group}" if group in ("sync", "gthread") else group
            head = (title, "CPU µs", f"÷ {base.partition(': ')[2]}", "requests/s", "p99 ms", "client's CPU µs")
            tables.append(Table(head, rows))
    return tables


def note(data: dict[str, Any]) -> str:
    return (
        f"{disturbance(data['servers'], data['rounds'])}A JPEG of {data['bytes']:,} bytes, "
        f"{data['clients']} connections of {data['client']}, {data['rounds']} interleaved rounds of "
        f"{data['seconds']:g} s. nginx has one worker, each other server {data['cores']}. CPU of all the "
        "server's processes, median (least–most)."
    )


# Goals and losses.


def hits(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data.get("servers", {}).get("contenders", {})
    return found


def goals(data: dict[str, Any]) -> Iterator[Goal]:
    found = hits(data)

    def against(one: str, other: str) -> Spread | None:
        both = one in found and other in found
        return ratio(found[one]["cpu_us"], found[other]["cpu_us"]) if both else None

    for kind in ("sync", "gthread"):
        share = against(f"{kind}: an empty view", f"{kind}: send_from_directory")
        reason = (
            f"An empty view (gunicorn and Flask alone) already costs {share.median:.2f} of send_from_directory."
            if share
            else ""
        )
        name = f"CPU of a hit ÷ send_from_directory, gunicorn {kind}"
        hit = against(f"{kind}: a hit", f"{kind}: send_from_directory")
        yield goal(name, 0.75, hit, reason, at_least=False)
        early = against(f"{kind}: a hit, IMAGES_EARLY_HITS", f"{kind}: send_from_directory")
        yield goal(f"{name}, IMAGES_EARLY_HITS", 0.75, early, reason, at_least=False)
    door = against("nginx: the front door", "nginx: a static file")
    reason = "nginx matches the URL, then follows a link to the rendition."
    yield goal("CPU of the front door ÷ nginx' static file", 1.5, door, reason, at_least=False)


def losses(data: dict[str, Any]) -> Iterator[Loss]:
    found = hits(data)
    there, ours = found.get("thumbor: a kept rendition"), found.get("sync: a hit")
    if there and ours:
        times = ratio(ours["cpu_us"], there["cpu_us"])
        if times.median > NOTICEABLE:
            texts = f"{spread(ours['cpu_us']).text(0)} µs", f"{spread(there['cpu_us']).text(0)} µs"
            yield Loss(
                "a hit in Python", "thumbor", *texts, times.median, "gunicorn's sync workers close each connection."
            )
