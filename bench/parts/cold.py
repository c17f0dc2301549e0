"""Measure first renditions per second by each server. No rendition is requested twice."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers
from bench.contenders import BARE
from bench.load import Load, ask_all, get
from bench.measure import Run, check, interleaved, percentile, ratio, rounded, spread
from bench.parts.quality import compared
from bench.servers import RIVALS, UNCOPIED, Running, Server, running
from bench.tables import Goal, Loss, Table, bits_of, disturbances, goal, skipped
from bench.workload import CAMERA, CUT_OUT, FIT, LARGE, UPLOAD, WEBP, Case, Picture, copy_into, described, fit, write

PICTURES = (UPLOAD, CAMERA, LARGE, CUT_OUT, WEBP)
ROUNDS, QUICK_ROUNDS = 5, 2
COPIES, STEPS = 12, 200  # of each picture, and sizes of each copy
CLIENTS_PER_CORE = 2


def requests_in_a_round(picture: Picture, quick: bool) -> int:
    """Return how many requests to send per round.

    A round then takes about a second, or several with the slowest server.
    """
    return 8 if quick else 16 if picture.size[0] * picture.size[1] > 10e6 else 48


def sizes(picture: Picture) -> Iterator[tuple[str, int, int]]:
    """Yield (name, width, height) of copies of *picture* in sizes around 400×300, never the same one twice."""
    for copy in range(COPIES):
        for step in range(STEPS):
            width = 300 + step * 37 % STEPS
            yield f"{copy}-{picture.file}", width, width * 3 // 4


def contenders() -> list[Server]:
    return [servers.first(), *servers.ours(), *servers.views(), *servers.peers()]


def measure(run: Run) -> dict[str, Any]:
    """Measure every picture with every installed server."""
    pictures = run.pick(PICTURES, (CAMERA, CUT_OUT))
    rounds = run.rounds_or(ROUNDS, QUICK_ROUNDS)
    found = contenders()
    here = [server for server in found if not server.missing]
    clients = CLIENTS_PER_CORE * len(servers.cores())
    rows = []
    for picture in pictures:
        with tempfile.TemporaryDirectory() as parent, ExitStack() as stack:
            started = started_with(picture, here, Path(parent), stack)
            rows.append(measured(picture, started, rounds, requests_in_a_round(picture, run.quick), clients))
        run.on_step(picture.name)
    return {
        "rounds": rounds,
        "clients": clients,
        "cores": len(servers.cores()),
        "skipped": [server.missing for server in found if server.missing],
        "servers": {server.name: server.note for server in here},
        "pictures": described(pictures),
        "cases": rows,
    }


def started_with(
    picture: Picture, found: list[Server], parent: Path, stack: ExitStack, runtime: Path | None = None
) -> dict[str, Running]:
    """Start each installed server of *found*, each in a folder of its own with copies of *picture*.

    See `running` for *runtime*.
    """
    started = {}
    for number, server in enumerate(found):
        if not server.missing:
            folder = parent / str(number)
            copy_into(folder / "static", picture, [f"{copy}-{picture.file}" for copy in range(COPIES)])
            started[server.name] = stack.enter_context(running(server, folder, runtime))
    return started


def measured(picture: Picture, started: dict[str, Running], rounds: int, requests: int, clients: int) -> dict[str, Any]:
    """Measure *picture* with the servers that were *started*, each with the same requests in each round."""
    path = write([picture])[picture.name]
    first = {}
    for name, server in started.items():
        data = get(name, server.port, server.url(f"0-{picture.file}", FIT.width, FIT.height))
        check(name, data, fit(picture.size, (FIT.width, FIT.height)), picture.format)
        first[name] = compared(data, path, Case(picture))
    for name, server in started.items():  # each worker of each server loads its libraries
        warm = [
            server.url(f"{index % COPIES}-{picture.file}", 200 + index, 150 + index) for index in range(clients * 2)
        ]
        ask_all(name, server.port, server.tree, warm, clients)

    def ask(name: str, asked: Iterator[tuple[str, int, int]]) -> Load:
        return ask_checked(picture, name, started[name], list(itertools.islice(asked, requests)), clients)

    turns = interleaved({name: partial(ask, name, sizes(picture)) for name in started}, rounds)
    return {
        "picture": picture.name,
        "requests": requests,
        **turns.noted(),
        "contenders": {name: row(loads) | first[name] for name, loads in turns.samples.items()},
    }


def ask_checked(picture: Picture, name: str, server: Running, asked: list[tuple[str, int, int]], clients: int) -> Load:
    """Request copies of *picture* in the sizes *asked* by several *clients*, and check each answer."""
    load, bodies = ask_all(name, server.port, server.tree, [server.url(*one) for one in asked], clients)
    for (_, width, height), body in zip(asked, bodies, strict=True):
        check(name, body, fit(picture.size, (width, height)), picture.format)
    return load


def row(loads: list[Load]) -> dict[str, Any]:
    return {
        "per_second": rounded(load.per_second for load in loads),
        "cpu_ms": rounded(load.server_ms for load in loads),
        "client_ms": rounded(load.client_ms for load in loads),
        "median_ms": rounded(1000 * percentile(load.waits, 0.5) for load in loads),
        "p95_ms": rounded(1000 * percentile(load.waits, 0.95) for load in loads),
    }


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    return [cold_table(data)]


def cold_table(data: dict[str, Any]) -> Table:
    """Show all figures of each picture by each server."""
    rows = []
    for case in data["cases"]:
        bits = bits_of(data, case["picture"])
        label = case["picture"] + (f", {bits:.1f} bits a pixel" if bits else "")
        for name, row in case["contenders"].items():
            figures = (spread(row[column]).text() for column in ("per_second", "cpu_ms", "median_ms", "p95_ms"))
            near = f"{row['bytes']:,}", f"{row['ssim']:.3f}"
            rows.append((label, name, *figures, *near, spread(row["client_ms"]).text()))
            label = ""
    head = ("picture", "server", "requests/s", "CPU ms", "median ms", "p95 ms", "bytes", "SSIM", "client's CPU, ms")
    note = (
        f"{disturbances(data['cases'])}{data['clients']} clients, {data['cores']} cores, which the clients share, "
        f"{data['rounds']} interleaved rounds; each request is for another size around 400×300. {skipped(data)}"
    )
    return Table(head, rows, note)


def cold_summary(data: dict[str, Any]) -> Table:
    """Show requests per second alone, with a column for each server."""
    cases = data["cases"]
    names = list(dict.fromkeys(name for case in cases for name in case["contenders"]))
    rows = [
        (
            case["picture"],
            *(
                f"{spread(case['contenders'][name]['per_second']).text()}, SSIM {case['contenders'][name]['ssim']:.3f}"
                if name in case["contenders"]
                else "–"
                for name in names
            ),
        )
        for case in cases
    ]
    rounds = data["rounds"]
    note = (
        f"{disturbances(cases)}The table above shows renditions a second, each of a URL that is not in the cache yet. "
        f"Median of {rounds} interleaved rounds (least–most)."
    )
    return Table(("picture", *names), rows, note)


# Goals and losses.


def best_rival(case: dict[str, Any]) -> str | None:
    """Return the rival with the most requests per second in *case*, or None if there is none."""
    there = {name: row for name, row in case["contenders"].items() if name in RIVALS}
    return max(there, key=lambda name: spread(there[name]["per_second"]).median, default=None)


def goals(data: dict[str, Any]) -> Iterator[Goal]:
    by_picture = {case["picture"]: case for case in data.get("cases", [])}
    wanted = (("6 Mpx JPEG, upload", 0.9), ("6 Mpx JPEG, camera", 0.9), ("24 Mpx JPEG, camera", 0.9))
    for picture, least in (*wanted, ("3 Mpx PNG, cut out", 2.0)):
        case = by_picture.get(picture)
        rival = best_rival(case) if case else None
        found, reason, to = None, "", "the best other"
        if case and rival and UNCOPIED in case["contenders"]:
            ours, theirs = case["contenders"][UNCOPIED], case["contenders"][rival]
            found = ratio(ours["per_second"], theirs["per_second"])
            to = f"{rival} (SSIM {ours['ssim']:.3f} to {theirs['ssim']:.3f})"
            reason = why_slower(case, rival)
        yield goal(f"First renditions a second, {picture}, ours ÷ {to}", least, found, reason, at_least=True)


def why_slower(case: dict[str, Any], rival: str) -> str:
    """Explain a difference by the CPU time per request, with and without the work around libvips."""
    rows = case["contenders"]
    ours, theirs = (spread(rows[name]["cpu_ms"]).median for name in (UNCOPIED, rival))
    text = f"A request costs {ours:.1f} ms of CPU here and {theirs:.1f} ms there"
    if BARE in rows:
        bare = spread(rows[BARE]["cpu_ms"]).median
        text += f"; a view around bare pyvips, which checks and keeps nothing, costs {bare:.1f} ms"
    sizes = f"{rows[UNCOPIED]['bytes']:,} and {rows[rival]['bytes']:,} bytes"
    return f"{text}. The answers have {sizes}, at SSIM {rows[UNCOPIED]['ssim']:.3f} and {rows[rival]['ssim']:.3f}."


def losses(data: dict[str, Any]) -> Iterator[Loss]:
    for case in data["cases"]:
        rival = best_rival(case)
        if rival is None or UNCOPIED not in case["contenders"]:
            continue
        ours, theirs = (case["contenders"][name]["per_second"] for name in (UNCOPIED, rival))
        times = ratio(theirs, ours)
        if times.median > 1.03:
            where = f"first renditions: {case['picture']}"
            texts = f"{spread(ours).text()}/s", f"{spread(theirs).text()}/s"
            yield Loss(where, rival, *texts, times.median, why_slower(case, rival))
