"""Measure what an object store and Redis behind a host cost: a hit, a render, and a picture that another host has made.

All servers run on this machine, so the waits for the store and for Redis are shorter than those over a network.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from bench import servers, shared_servers, sites
from bench.load import Load, ask_again, ask_all
from bench.measure import Run, WrongAnswer, interleaved, percentile, ratio, rounded, spread
from bench.parts import warm
from bench.servers import Running, running
from bench.tables import Goal, Table, disturbance, goal
from bench.workload import UPLOAD, copy_into
from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.state import images_of

Config = Mapping[str, Any]

ROUNDS, QUICK_ROUNDS = 9, 2
REQUESTS, TURNS = 200, 12  # in the application: short turns meet the same disturbances
SECONDS, QUICK_SECONDS = 1.0, 0.2
MISSES, QUICK_MISSES = 8, 2  # of each host in a round
SETTLING_SECONDS = 0.2  # until the CPU time of a renderer that has ended counts as that of its parent
WIDTH = 800

ALONE, SHARED = "a disk alone", "with a store and Redis behind it"
RENDERED, STORED, FETCHED = "a render, a disk alone", "a render, with a store and Redis", "another host has rendered it"
HIT = "a hit"


def measure(run: Run) -> dict[str, Any]:
    shared_servers.require()
    with shared_servers.object_store() as store, shared_servers.redis() as redis:
        shared = {**store, **redis}
        return {"hits": hits(run, shared), "misses": misses(run, shared), "asked": asked(shared)}


def stop_listening(app: Flask) -> None:
    """Let *app* no longer listen to Redis, which is about to end."""
    fleet = images_of(app).fleet
    if fleet is not None:
        fleet.listener.stop()


# Hits.


def hits(run: Run, shared: Config) -> dict[str, Any]:
    """Measure hits in the application and under gunicorn, each with and without a store and Redis."""
    kinds: dict[str, Config] = {ALONE: {}, SHARED: {**shared, "IMAGES_CACHE_LOCAL": "cache"}}
    rounds, clients = run.rounds_or(ROUNDS, QUICK_ROUNDS), 2 * len(servers.cores())
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        parent = Path(name)
        apps = {}
        for kind, config in kinds.items():
            for early in (False, True):
                label = "early" if early else "view"
                folder = parent / f"{kind} {label}"
                app, url = warm.prepare(folder, partial(sites.package, IMAGES_EARLY_HITS=early, **config))
                apps[f"{label}: {kind}"] = app
                stack.callback(stop_listening, app)
        inside = {kind: partial(warm.in_process, app, url, REQUESTS) for kind, app in apps.items()}
        within = interleaved(inside, TURNS * rounds)
        calls = {kind: _calls(app, url) for kind, app in apps.items()}
        run.on_step("hits in the application")
        started = {}
        for kind, config in kinds.items():
            server = replace(servers.threaded(), config=config)
            started[kind] = stack.enter_context(running(server, parent / f"{kind} view"))
            ask_again(kind, started[kind].port, started[kind].tree, url, 1, clients)
        asks = {kind: partial(_asked_again, here, kind, url, run, clients) for kind, here in started.items()}
        turns = interleaved(asks, rounds)
        run.on_step("hits under gunicorn")
    return {
        "rounds": rounds,
        "cpu_us": {kind: rounded(times, 2) for kind, times in within.samples.items()},
        "calls": calls,
        "served_us": {
            kind: rounded((1000 * load.server_ms for load in loads), 2) for kind, loads in turns.samples.items()
        },
        **within.noted(),
    }


def _asked_again(here: Running, kind: str, url: str, run: Run, clients: int) -> Load:
    return ask_again(kind, here.port, here.tree, url, run.pick(SECONDS, QUICK_SECONDS), clients)


def _calls(app: Flask, url: str) -> int:
    """Return how many functions one hit calls. Unlike its time, it does not depend on other processes."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    client = app.test_client()
    client.get(url)
    sys.setprofile(profile)
    try:
        response = client.get(url)
    finally:
        sys.setprofile(None)
    if response.status_code != 200:
        raise WrongAnswer(f"{url} was answered {response.status_code}")
    return count


# Misses.


def misses(run: Run, shared: Config) -> dict[str, Any]:
    """Measure first requests for pictures: at a host alone, at one with a store, and then at another host.

    They have the same originals, and caches of their own.
    """
    rounds, count = run.rounds_or(ROUNDS, QUICK_ROUNDS), run.pick(MISSES, QUICK_MISSES)
    hosts: dict[str, Config] = {
        RENDERED: {"IMAGES_CACHE": "alone"},
        STORED: {**shared, "IMAGES_CACHE_LOCAL": "first"},
        FETCHED: {**shared, "IMAGES_CACHE_LOCAL": "second"},
    }
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        names = [f"{number}-{UPLOAD.file}" for number in range(rounds * count + 2)]
        copy_into(folder / "static", UPLOAD, names)
        started = {}
        for kind, config in hosts.items():
            here = stack.enter_context(running(replace(servers.threaded(), name=kind, config=config), folder))
            ask_all(kind, here.port, here.tree, _urls(here, names[:2]), 1)
            started[kind] = here
        parts = iter([names[start : start + count] for start in range(2, len(names), count)])

        def round_() -> dict[str, tuple[float, float]]:
            part = next(parts)  # the same for all, in the order in which hosts meet them
            return {kind: _missed(kind, here, _urls(here, part)) for kind, here in started.items()}

        samples = [round_() for _ in range(rounds)]
    run.on_step("misses")
    return {
        "rounds": rounds,
        "count": count,
        "picture": UPLOAD.name,
        "width": WIDTH,
        "cpu_ms": {kind: rounded(sample[kind][0] for sample in samples) for kind in hosts},
        "wait_ms": {kind: rounded(sample[kind][1] for sample in samples) for kind in hosts},
    }


def _urls(here: Running, names: list[str]) -> list[str]:
    return [here.url(name, WIDTH, WIDTH) for name in names]


def _missed(kind: str, here: Running, urls: list[str]) -> tuple[float, float]:
    """Return the CPU ms of each of *urls*, and the median of their waits in ms."""
    cpu, load, _ = cpu_of_each(kind, here, urls)
    return cpu, 1000 * percentile(load.waits, 0.5)


def cpu_of_each(kind: str, here: Running, urls: list[str]) -> tuple[float, Load, list[bytes]]:
    """Request *urls* one by one. Returns the CPU ms of each, with the renderers, and what `ask_all` returns."""
    before = here.tree.cpu_seconds()
    load, bodies = ask_all(kind, here.port, here.tree, urls, 1)
    time.sleep(SETTLING_SECONDS)
    return 1000 * (here.tree.cpu_seconds() - before) / len(urls), load, bodies


# Requests.


def asked(shared: Config) -> dict[str, dict[str, int]]:
    """Count the requests to the store and the commands to Redis of a render, a hit, and a fetch by another host."""
    import obstore

    calls = [(obstore, name, f"store: {name.upper()}") for name in ("get", "head", "put", "delete", "list")]
    calls.append((RedisConnection, "run", "Redis"))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        apps: list[Flask] = []
        copy_into(Path(name, "static"), UPLOAD, ["first.jpg", "picture.jpg"])
        for cache in ("first", "second"):
            apps.append(sites.package(name, **shared, IMAGES_CACHE_LOCAL=cache))
            stack.callback(stop_listening, apps[-1])
            _get(apps[-1], sites.signed_url(apps[-1], "first.jpg", WIDTH))  # connections are made
        found = {}
        for step, app in ((STORED, apps[0]), (HIT, apps[0]), (FETCHED, apps[1])):
            with _counting(calls) as found[step]:
                _get(app, sites.signed_url(app, "picture.jpg", WIDTH))
    return {step: dict(counts) for step, counts in found.items()}


def _get(app: Flask, url: str) -> None:
    response = app.test_client().get(url)
    if response.status_code != 200:
        raise WrongAnswer(f"{url} was answered {response.status_code}")


@contextmanager
def _counting(calls: Sequence[tuple[Any, str, str]]) -> Iterator[Counter[str]]:
    """Count *calls* in the block: the object, the name of its function, and the label to count it by."""
    found: Counter[str] = Counter()

    def counting(function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def count(*arguments: Any, **keywords: Any) -> Any:
            found[label] += 1
            return function(*arguments, **keywords)

        return count

    with ExitStack() as stack:
        for owner, name, label in calls:
            function = getattr(owner, name)
            stack.callback(setattr, owner, name, function)
            setattr(owner, name, counting(function, label))
        yield found


# Tables.


def tables(data: dict[str, Any]) -> list[Table]:
    return [hit_table(data), miss_table(data), asked_table(data)]


def hit_table(data: dict[str, Any]) -> Table:
    found, rows = data["hits"], []
    labels = {"view": "in the application", "early": "IMAGES_EARLY_HITS, in the application"}
    for label, title in labels.items():
        alone, shared = (f"{label}: {kind}" for kind in (ALONE, SHARED))
        times = [found["cpu_us"][kind] for kind in (alone, shared)]
        calls = f"{found['calls'][alone]} / {found['calls'][shared]}"
        rows.append((title, *(spread(each).text() for each in times), ratio(times[1], times[0]).text(3), calls))
    times = [found["served_us"][kind] for kind in (ALONE, SHARED)]
    rows.append(
        ("under gunicorn, gthread", *(spread(each).text() for each in times), ratio(times[1], times[0]).text(3), "–")
    )
    note = f"{disturbance(found, TURNS * found['rounds'])}CPU µs, median of interleaved rounds (least–most)."
    return Table(("a hit", ALONE, SHARED, "ratio", "calls of functions"), rows, note)


def miss_table(data: dict[str, Any]) -> Table:
    found = data["misses"]
    rows = [
        (
            kind,
            spread(found["cpu_ms"][kind]).text(),
            ratio(found["cpu_ms"][kind], found["cpu_ms"][RENDERED]).text(2),
            spread(found["wait_ms"][kind]).text(),
        )
        for kind in (RENDERED, STORED, FETCHED)
    ]
    note = (
        f"A {found['picture']} at {found['width']} px, {found['count']} pictures in each of {found['rounds']} rounds."
    )
    return Table(("a first request", "CPU ms", "÷ a disk alone", "wait, ms"), rows, note)


def asked_table(data: dict[str, Any]) -> Table:
    kinds = list(dict.fromkeys(itertools.chain.from_iterable(data["asked"].values())))
    rows = [(step, *(str(found.get(kind, 0)) for kind in kinds)) for step, found in data["asked"].items()]
    return Table(("requests and commands", *kinds), rows)


def goals(data: dict[str, Any]) -> Iterator[Goal]:
    found = data.get("hits", {}).get("cpu_us", {})
    shared, alone = (found.get(f"view: {kind}") for kind in (SHARED, ALONE))
    share = ratio(shared, alone) if shared and alone else None
    yield goal("CPU of a hit with a store and Redis behind the host ÷ without", 1.02, share, "", at_least=False)
