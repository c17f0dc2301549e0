"""What does a site's traffic cost, from a cold cache on? Sources by Zipf's law in six sizes, by each server in turns.

Each server keeps results in its own way, or not at all. Since a real one may stand behind a CDN, the same load comes
once more without its repetitions: that is what a cache in front lets through that forgets nothing.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers, sites
from bench.cold import CLIENTS_PER_CORE
from bench.load import Load, ask_all
from bench.measure import check, interleaved, rounded
from bench.popularity import zipf
from bench.servers import Server, Urls, running
from bench.statistics import percentile
from bench.workload import CAMERA, LARGE, WEBP, Picture, copy_into, described
from flask_images_vips import resized_img_src, resized_img_srcset

WIDTHS = (320, 480, 640, 960, 1280, 1600)
FORMAT = "jpeg"
PICTURES = (LARGE, CAMERA, LARGE, WEBP)
SOURCES, QUICK_SOURCES = 200, 25
REQUESTS, QUICK_REQUESTS = 750, 100
ROUNDS, QUICK_ROUNDS = 3, 1
ALL, ONCE = "all requests", "each URL once"

Asked = tuple[int, int]
"""A source, and a width."""


def picture_of(source: int) -> Picture:
    return PICTURES[source % len(PICTURES)]


def name_of(source: int) -> str:
    return f"{source}-{picture_of(source).file}"


def size_of(source: int, width: int) -> tuple[int, int]:
    """The (width, height) of an answer, and the box to ask for: so high that the width decides."""
    across, down = picture_of(source).size
    return width, -(-width * down // across)


def load_of(requests: int, sources: int) -> list[Asked]:
    """The same ones in the same order at each call."""
    chance = random.Random(1)
    return [(source, chance.choice(WIDTHS)) for source in itertools.islice(zipf(sources, 1, 1), requests)]


def announced(folder: Path) -> Urls:
    """As where the pages that show the pictures name all sizes in a ``srcset``."""
    app = sites.package(str(folder))
    with app.test_request_context():
        for path in (folder / "static").glob("[0-9]*"):
            resized_img_srcset(path.name, widths=WIDTHS, format=FORMAT)

    def url(name: str, width: int, height: int, format: str = "") -> str:
        with app.test_request_context():
            return resized_img_src(name, width=width, format=format or None)

    return url


def contenders(quick: bool) -> dict[str, list[Server]]:
    """Who is given which load."""
    package = replace(servers.threaded(), name="this package", note="gthread, as it comes")
    alone = replace(package, name="this package, no copies", site="uncopied", note="IMAGES_COPIES = False")
    others = [servers.thumbor(), servers.ipx(), servers.imgproxy()]
    note = "the pages named all sizes in a srcset before"
    variants = [
        replace(package, name="this package, announced", urls=announced, note=note),
        replace(package, name="this package, JPEG copies", site="jpeg copied", note="IMAGES_COPIES = 'jpeg'"),
    ]
    return {ALL: [package, alone, *([] if quick else variants), *others], ONCE: [package, alone, *others]}


def steps(quick: bool) -> int:
    here = [server for found in contenders(quick).values() for server in found if not server.missing]
    return len(here) * (QUICK_ROUNDS if quick else ROUNDS)


def run(quick: bool, told: Callable[[str], object]) -> dict[str, Any]:
    """Both loads by every server that is here, each time from a fresh start."""
    rounds, sources = (QUICK_ROUNDS, QUICK_SOURCES) if quick else (ROUNDS, SOURCES)
    asked = load_of(QUICK_REQUESTS if quick else REQUESTS, sources)
    loads = {ALL: asked, ONCE: list(dict.fromkeys(asked))}
    clients = CLIENTS_PER_CORE * len(servers.cores())
    found = contenders(quick)
    cases = []
    with tempfile.TemporaryDirectory() as parent:
        originals = Path(parent, "originals")
        for picture in dict.fromkeys(PICTURES):
            copy_into(originals, picture, [picture.file])
        for name, load in loads.items():

            def ask(server: Server, name: str = name, load: list[Asked] = load) -> tuple[Load, dict[str, float]]:
                given = served(server, originals, load, clients)
                told(f"{name}, {server.name}")
                return given

            here = {server.name: partial(ask, server) for server in found[name] if not server.missing}
            # A round takes the better part of a minute: a first look does not repeat it.
            turns = interleaved(here, rounds, spare=0 if quick else None)
            columns = {server: row(samples) for server, samples in turns.samples.items()}
            cases.append({"load": name, "requests": len(load), **turns.noted(), "contenders": columns})
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
    """What *load* cost a fresh *server*, the MB that it keeps of it, and the kB of an answer."""
    with tempfile.TemporaryDirectory(dir=originals.parent) as name:
        folder = Path(name)
        (folder / "static").mkdir()
        for source in {source for source, _ in load}:
            os.link(originals / picture_of(source).file, folder / "static" / name_of(source))
        another = f"warm-{picture_of(1).file}"
        os.link(originals / picture_of(1).file, folder / "static" / another)
        with running(server, folder) as here:
            warm = [here.url(another, *size_of(1, WIDTHS[0] - index)) for index in range(clients * 2)]
            ask_all(server.name, here.port, here.tree, warm, clients)  # each worker has loaded its libraries
            before = kept_in(folder)
            urls = [here.url(name_of(source), *size_of(source, width), FORMAT) for source, width in load]
            cost, bodies = ask_all(server.name, here.port, here.tree, urls, clients)
            found = {what: held - before[what] for what, held in kept_in(folder).items()}
    for asked, body in set(zip(load, bodies, strict=True)):
        check(server.name, body, size_of(*asked), FORMAT)
    return cost, {**found, "answer_kb": sum(map(len, bodies)) / len(bodies) / 1000}


def kept_in(folder: Path) -> dict[str, float]:
    """What lies in a server's folder, and what of it are this package's copies of the sources, in MB."""
    within = {"disk_mb": folder, "copies_mb": folder / "cache" / "flask-images-vips" / "copies"}
    return {
        what: sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
        for what, place in within.items()
    }


def row(samples: Sequence[tuple[Load, dict[str, float]]]) -> dict[str, list[float]]:
    loads = [load for load, _ in samples]
    return {
        "per_second": rounded(load.per_second for load in loads),
        "cpu_s": rounded(load.server_cpu for load in loads),
        "client_s": rounded(load.client_cpu for load in loads),
        "median_ms": rounded(1000 * percentile(load.waits, 0.5) for load in loads),
        "p95_ms": rounded(1000 * percentile(load.waits, 0.95) for load in loads),
        **{what: rounded((found[what] for _, found in samples), 1) for what in samples[0][1]},
    }
