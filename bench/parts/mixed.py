"""Measure each server under the traffic of a site that starts with an empty cache.

The popularity of the sources follows Zipf's law, and each is requested in six widths. Servers keep renditions in their
own way, or not at all. Behind a CDN, a server sees each URL only once, so the load is also measured with each URL once.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers, sites
from bench.load import Load, ask_all
from bench.measure import Run, check, interleaved, percentile, ratio, rounded, spread
from bench.parts.cold import CLIENTS_PER_CORE, best_rival
from bench.servers import PACKAGE, UNCOPIED, Server, Urls, running
from bench.tables import NOTICEABLE, Loss, Table, disturbances, skipped
from bench.workload import CAMERA, LARGE, WEBP, Picture, copy_into, described, zipf
from flask_images_vips import resized_img_src, resized_img_srcset

WIDTHS = (320, 480, 640, 960, 1280, 1600)
FORMAT = "jpeg"
PICTURES = (LARGE, CAMERA, LARGE, WEBP)
SOURCES, QUICK_SOURCES = 200, 25
REQUESTS, QUICK_REQUESTS = 750, 100
ROUNDS, QUICK_ROUNDS = 3, 1
ALL, ONCE = "all requests", "each URL once"

Asked = tuple[int, int]
"""The number of a source, and a width."""


def picture_of(source: int) -> Picture:
    return PICTURES[source % len(PICTURES)]


def name_of(source: int) -> str:
    return f"{source}-{picture_of(source).file}"


def size_of(source: int, width: int) -> tuple[int, int]:
    """Return the (width, height) to request, whose height does not limit the width. The answer has the same size."""
    across, down = picture_of(source).size
    return width, -(-width * down // across)


def load_of(requests: int, sources: int) -> list[Asked]:
    """Return the requests, which are the same at each call."""
    chance = random.Random(1)
    return [(source, chance.choice(WIDTHS)) for source in itertools.islice(zipf(sources, 1, 1), requests)]


def offered(folder: Path) -> Urls:
    """Build URLs after a page offered all widths of each original in a ``srcset``."""
    app = sites.package(str(folder))
    with app.test_request_context():
        for path in (folder / "static").glob("[0-9]*"):
            resized_img_srcset(path.name, widths=WIDTHS, format=FORMAT)

    def url(name: str, width: int, height: int, format: str = "") -> str:
        with app.test_request_context():
            return resized_img_src(name, width=width, format=format or None)

    return url


def contenders(quick: bool) -> dict[str, list[Server]]:
    """Return the servers to measure with each load."""
    package = replace(servers.threaded(), name=PACKAGE, note="gthread, default configuration")
    alone = replace(package, name=UNCOPIED, site="uncopied", note="IMAGES_COPIES = False")
    others = servers.peers()
    note = "a page offered all sizes in a srcset before"
    variants = [
        replace(package, name="this package, announced", urls=offered, note=note),
        replace(package, name="this package, JPEG copies", site="jpeg copied", note="IMAGES_COPIES = 'jpeg'"),
    ]
    return {ALL: [package, alone, *([] if quick else variants), *others], ONCE: [package, alone, *others]}


def measure(run: Run) -> dict[str, Any]:
    """Measure both loads with every installed server, started anew each time."""
    rounds, sources = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(SOURCES, QUICK_SOURCES)
    asked = load_of(run.pick(REQUESTS, QUICK_REQUESTS), sources)
    loads = {ALL: asked, ONCE: list(dict.fromkeys(asked))}
    clients = CLIENTS_PER_CORE * len(servers.cores())
    found = contenders(run.quick)
    cases = []
    with tempfile.TemporaryDirectory() as parent:
        originals = Path(parent, "originals")
        for picture in dict.fromkeys(PICTURES):
            copy_into(originals, picture, [picture.file])
        for name, load in loads.items():

            def ask(server: Server, name: str = name, load: list[Asked] = load) -> tuple[Load, dict[str, float]]:
                cost = served(server, originals, load, clients)
                run.on_step(f"{name}, {server.name}")
                return cost

            here = {server.name: partial(ask, server) for server in found[name] if not server.missing}
            # A round takes most of a minute, so a quick run repeats none.
            turns = interleaved(here, rounds, spare=run.pick(None, 0))
            rows = {server: row(samples) for server, samples in turns.samples.items()}
            cases.append({"load": name, "requests": len(load), **turns.noted(), "contenders": rows})
    return {
        "rounds": rounds,
        "clients": clients,
        "cores": len(servers.cores()),
        "sources": sources,
        "widths": list(WIDTHS),
        "skipped": [server.missing for server in found[ALL] if server.missing],
        "servers": {server.name: server.note for server in found[ALL] if not server.missing},
        "pictures": described(list(dict.fromkeys(PICTURES))),
        "cases": cases,
    }


def served(server: Server, originals: Path, load: Sequence[Asked], clients: int) -> tuple[Load, dict[str, float]]:
    """Start *server*, request *load*, and return the cost, the MB that it keeps, and the kB of an answer."""
    with tempfile.TemporaryDirectory(dir=originals.parent) as name:
        folder = Path(name)
        (folder / "static").mkdir()
        for source in {source for source, _ in load}:
            os.link(originals / picture_of(source).file, folder / "static" / name_of(source))
        another = f"warm-{picture_of(1).file}"
        os.link(originals / picture_of(1).file, folder / "static" / another)
        with running(server, folder) as here:
            warm = [here.url(another, *size_of(1, WIDTHS[0] - index)) for index in range(clients * 2)]
            ask_all(server.name, here.port, here.tree, warm, clients)  # each worker loads its libraries
            before = kept_in(folder)
            urls = [here.url(name_of(source), *size_of(source, width), FORMAT) for source, width in load]
            cost, bodies = ask_all(server.name, here.port, here.tree, urls, clients)
            found = {kind: kept - before[kind] for kind, kept in kept_in(folder).items()}
    for asked, body in set(zip(load, bodies, strict=True)):
        check(server.name, body, size_of(*asked), FORMAT)
    return cost, {**found, "answer_kb": sum(map(len, bodies)) / len(bodies) / 1000}


def kept_in(folder: Path) -> dict[str, float]:
    """Return the size of all files in a server's folder, and of this package's copies among them, in MB."""
    within = {"disk_mb": folder, "copies_mb": folder / "cache" / "flask-images-vips" / "copies"}
    return {
        kind: sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
        for kind, place in within.items()
    }


def row(samples: Sequence[tuple[Load, dict[str, float]]]) -> dict[str, list[float]]:
    loads = [load for load, _ in samples]
    return {
        "per_second": rounded(load.per_second for load in loads),
        "cpu_s": rounded(load.server_cpu for load in loads),
        "client_s": rounded(load.client_cpu for load in loads),
        "median_ms": rounded(1000 * percentile(load.waits, 0.5) for load in loads),
        "p95_ms": rounded(1000 * percentile(load.waits, 0.95) for load in loads),
        **{kind: rounded((found[kind] for _, found in samples), 1) for kind in samples[0][1]},
    }


# Tables and losses.


def tables(data: dict[str, Any]) -> list[Table]:
    return [table(data)]


def table(data: dict[str, Any], *, short: bool = False) -> Table:
    """Show both loads by each server, and the ratios to ours; *short* leaves out the waits."""
    waits = () if short else ("median_ms", "p95_ms")
    rows = []
    for case in data["cases"]:
        label, ours = f"{case['load']}, {case['requests']:,}", case["contenders"][PACKAGE]
        for name, row in case["contenders"].items():
            figures = (spread(row[column]).text() for column in ("per_second", "cpu_s", *waits))
            copies = spread(row["copies_mb"]).median
            kept = f"{spread(row['disk_mb']).median:,.0f}" + (f" ({copies:,.0f} copies)" if copies else "")
            times = (
                "–" if row is ours else ratio(ours[column], row[column]).text(2) for column in ("per_second", "cpu_s")
            )
            rows.append((label, name, *figures, f"{spread(row['answer_kb']).median:.1f}", kept, *times))
            label = ""
    columns = (column.replace("_", " ") for column in waits)
    ratios = "requests/s, ours ÷ it", "CPU, ours ÷ it"
    head = ("load", "server", "requests/s", "CPU s", *columns, "kB each", "MB kept", *ratios)
    widths = ", ".join(map(str, data["widths"]))
    note = (
        f"{disturbances(data['cases'])}{data['sources']} sources, half of them JPEGs of 24 Mpx, with "
        f"popularity by Zipf's law. They are requested as JPEG at {widths} px, starting with an empty cache. "
        f"{data['clients']} clients share {data['cores']} cores with the server. {data['rounds']} interleaved rounds, "
        "each with newly started servers. Ours has 4 threads per process. The rows *each URL once* show the load "
        f"behind a CDN that never forgets an image. ipx has no cache of its own. {skipped(data)}"
    )
    return Table(head, rows, note)


def losses(data: dict[str, Any]) -> Iterator[Loss]:
    for case in data["cases"]:
        rival, rows = best_rival(case), case["contenders"]
        if rival is None:
            continue
        ours, theirs = rows[PACKAGE], rows[rival]
        times = ratio(theirs["per_second"], ours["per_second"])
        if times.median > NOTICEABLE:
            cpu, disk = ([spread(row[column]).median for row in (ours, theirs)] for column in ("cpu_s", "disk_mb"))
            copies = spread(ours["copies_mb"]).median
            reason = (
                f"The whole load took {cpu[0]:.1f} s of CPU here and {cpu[1]:.1f} s there. It left {disk[0]:.0f} MB "
            )
            reason += f"on disk here, {copies:.0f} MB of them copies for later sizes, and {disk[1]:.0f} MB there."
            texts = f"{spread(ours['per_second']).text()}/s", f"{spread(theirs['per_second']).text()}/s"
            yield Loss(f"mixed traffic: {case['load']}", rival, *texts, times.median, reason)
