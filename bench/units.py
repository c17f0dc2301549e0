"""Measure what one event costs a site: a hit, a render, a request to an object store, a command to Redis, a tag.

`bench.parts.growing` multiplies these by the numbers of events that a simulation counts.
"""

from __future__ import annotations

import itertools
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from bench import servers, shared_servers
from bench.load import ask_again, ask_all
from bench.measure import Run, WrongAnswer, cpu_ms, interleaved, rounded
from bench.parts import fleet, warm
from bench.parts.page import CALLS, LOOP
from bench.servers import PACKAGE, Running, running
from bench.tables import columns
from bench.workload import UPLOAD, copy_into
from flask_images_vips import Images
from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.fleet.leases import Leases
from flask_images_vips.fleet.listener import Listener
from flask_images_vips.fleet.locks import RedisLocks
from flask_images_vips.stores.location import parse_location
from flask_images_vips.stores.store import ObjectStore

WIDTHS = (400, 800, 1600)
FORMATS = ("avif", "webp", "jpeg")
VARIANTS = [(format, width) for format in FORMATS for width in WIDTHS]
TAGS = 25
TAG = "… layout='constrained', placeholder='color'"

DOOR, EARLY, PYTHON = "front door", "early hit", "hit in Python"
GET, MISSING, CREATE = "GET", "GET of a missing object", "conditional PUT"
LOCK = "lock and unlock"

ROUNDS, QUICK_ROUNDS = 5, 1
SECONDS = 1.0
RENDERS, QUICK_RENDERS = 4, 1
CALLS_A_ROUND, QUICK_CALLS = 200, 20


def measure(run: Run) -> dict[str, Any]:
    shared_servers.require()
    found = {"hits": hits(run), "renders": renders(run), "page": page(run)}
    with shared_servers.object_store() as store_config, shared_servers.redis() as redis_config:
        found["store"] = store(run, store_config["IMAGES_STORE_OPTIONS"], _answer_bytes(found["renders"]))
        found["redis"] = redis(run, redis_config["IMAGES_REDIS"])
        found["fetch"] = {"cpu_ms": fleet.misses(run, {**store_config, **redis_config})["cpu_ms"][fleet.FETCHED]}
    return found


def _answer_bytes(found: Mapping[str, Any]) -> int:
    """Return the median of the bytes of all renditions."""
    return int(statistics.median(row["bytes"] for row in found.values()))


def name_of(format: str, width: int) -> str:
    return f"{format} {width}"


# Hits.


def hits(run: Run) -> dict[str, Any]:
    """Measure the CPU µs of a hit by nginx' front door, by early hits, and by a view, under gunicorn."""
    rounds, clients = run.rounds_or(ROUNDS, QUICK_ROUNDS), 2 * len(servers.cores())
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        parent = Path(name)
        parent.chmod(0o755)  # nginx' workers run as nobody
        started: warm.Started = warm.behind_nginx(parent, stack) if servers.NGINX else {}
        front = {DOOR: started[warm.DOOR]} if started else {}
        _, url = warm.prepare(parent / "package", warm.sites.package)
        for kind, site in ((EARLY, "early"), (PYTHON, "package")):
            here = stack.enter_context(running(replace(servers.threaded(), site=site), parent / "package"))
            front[kind] = (here.port, here.tree, url)
        for kind, (port, tree, path) in front.items():
            ask_again(kind, port, tree, path, SECONDS, clients)
        asks = {
            kind: partial(ask_again, kind, port, tree, path, SECONDS, clients)
            for kind, (port, tree, path) in front.items()
        }
        turns = interleaved(asks, rounds)
    run.on_step("hits")
    return {
        kind: {"cpu_us": rounded((1000 * load.server_ms for load in loads), 1)} for kind, loads in turns.samples.items()
    }


# Renders.


def renders(run: Run) -> dict[str, Any]:
    """Measure the CPU ms of a miss in each format and width, of the web worker and its renderer, and its bytes."""
    rounds, count = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(RENDERS, QUICK_RENDERS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"{number}-{UPLOAD.file}" for number in range(rounds * count + 2)]
        copy_into(folder / "static", UPLOAD, names)
        with running(servers.threaded(), folder) as here:
            for format, width in VARIANTS:  # the libraries are loaded
                urls = [_url(here, name, format, width) for name in names[-2:]]
                ask_all(PACKAGE, here.port, here.tree, urls, 2)
            asks = {name_of(*variant): partial(_missed, here, variant, iter(names), count) for variant in VARIANTS}
            turns = interleaved(asks, rounds, spare=0)
    run.on_step("renders")
    return {
        name: {"cpu_ms": rounded(cpu for cpu, _ in samples), "bytes": samples[0][1]}
        for name, samples in turns.samples.items()
    }


def _url(here: Running, name: str, format: str, width: int) -> str:
    return here.url(name, width, width, format)


def _missed(here: Running, variant: tuple[str, int], names: Iterator[str], count: int) -> tuple[float, int]:
    """Request *variant* of the next *count* of *names*. Returns the CPU ms, and the bytes of an answer."""
    urls = [_url(here, name, *variant) for name in itertools.islice(names, count)]
    cpu, _, bodies = fleet.cpu_of_each(PACKAGE, here, urls)
    return cpu, round(sum(map(len, bodies)) / len(bodies))


# Pages.


def page(run: Run) -> dict[str, Any]:
    """Measure the CPU ms of the image tags of one page, whose pictures are known."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # background work may go on
        names = [f"{number}.jpg" for number in range(TAGS)]
        copy_into(Path(folder, "static"), UPLOAD, names)
        app = Flask("page", root_path=folder)
        app.config.update(SECRET_KEY="page", IMAGES_CACHE="cache")
        Images(app)
        with app.test_request_context():
            template = app.jinja_env.from_string(LOOP.format(call=CALLS[TAG]))
            template.render(names=names)
            work = partial(cpu_ms, partial(template.render, names=names))
            turns = interleaved({TAG: work}, 4 * run.rounds_or(ROUNDS, QUICK_ROUNDS), spare=0)
    run.on_step("page")
    return {"tags": TAGS, "cpu_ms": rounded(turns.samples[TAG])}


# The object store and Redis.


def store(run: Run, options: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Measure requests to an object store for objects of *size* bytes: the CPU of the client, and the waits."""
    objects = ObjectStore(parse_location("s3://bucket/units"), options, timeout=10)
    data = bytes(size)
    objects.create("known", data)
    new = secrets.token_hex(4)
    numbers = itertools.count()
    asks: dict[str, Callable[[], object]] = {
        GET: lambda: objects.get("known"),
        MISSING: lambda: objects.get("missing"),
        "HEAD": lambda: objects.head("known"),
        CREATE: lambda: objects.create(f"{new}/{next(numbers)}", data),
    }
    return {"bytes": size, "requests": _repeated(asks, run, "store")}


def redis(run: Run, url: str) -> dict[str, Any]:
    """Measure a lock that nobody else wants: the CPU of this process and of Redis, and the waits."""
    connection = RedisConnection(url, "units", timeout=5)
    listener = Listener(connection)
    locks = RedisLocks(Leases(connection, listener))

    def lock() -> None:
        with locks.hold("a picture", since=time.monotonic(), timeout=5, needless=lambda: False) as held:
            if not held:
                raise WrongAnswer("a lock that nobody else wants was not taken")

    def busy() -> float:
        used = connection.run(lambda client: client.info("cpu"))
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    try:
        return _repeated({LOCK: lock}, run, "redis", busy)
    finally:
        listener.stop()


def _repeated(
    asks: Mapping[str, Callable[[], object]], run: Run, step: str, busy: Callable[[], float] = lambda: 0.0
) -> dict[str, Any]:
    """Measure each of *asks*: the CPU of this process, the CPU of the server as *busy* tells it, and the waits."""
    count, rounds = run.pick(CALLS_A_ROUND, QUICK_CALLS), run.rounds_or(ROUNDS, QUICK_ROUNDS)

    def ask(one: Callable[[], object]) -> dict[str, float]:
        theirs, begin, cpu = busy(), time.perf_counter(), time.process_time()
        for _ in range(count):
            one()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begin
        return {"cpu_us": 1e6 * cpu / count, "server_us": 1e6 * (busy() - theirs) / count, "ms": 1000 * wall / count}

    for one in asks.values():
        one()
    turns = interleaved({name: partial(ask, one) for name, one in asks.items()}, rounds)
    run.on_step(step)
    return {name: columns(samples) for name, samples in turns.samples.items()}
