"""Measure many clients that request the same new pictures at once, of two hosts that share an object store and Redis.

Each picture is to be rendered once. Then inside of the hosts: how long after the end of a render the requests that
waited for it are answered, by the host that has rendered and by the other one. The crowd comes for one picture after
the other, and then for all pictures at the same moment.

All servers run on this machine, so the hosts share its processors with the store, Redis and each other.
"""

from __future__ import annotations

import secrets
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers, shared_servers, sites
from bench.load import ask_all_at_once
from bench.measure import Run, interleaved, percentile, rounded, spread
from bench.parts.stampede import THREADS, WIDTH, wait_for_workers
from bench.servers import PACKAGE, Server, gunicorn, running
from bench.tables import Goal, Table, disturbance, goal
from bench.workload import CAMERA, copy_into

HOSTS = 2
CROWD, QUICK_CROWD = 50, 6
PICTURES, QUICK_PICTURES = 40, 4
ROUNDS, QUICK_ROUNDS = 3, 1
PATIENCE_SECONDS = 60  # so that nobody renders twice because this machine is busy

HERE, ELSEWHERE = "by the host that has rendered", "by the other host"
ONE_BY_ONE, AT_ONCE = "one picture after the other", "all pictures at once"


@dataclass(frozen=True, slots=True)
class Burst:
    """One round: the answers per status, the renders, and times in ms.

    *beyond* are the times between the end of a render and the answers of requests that waited for it, by the host that
    answered. *late* is how late a thread that only sleeps woke up.
    """

    statuses: Counter[str]
    renders: list[str]
    beyond: Mapping[str, list[float]]
    late: list[float]

    @property
    def all_beyond(self) -> list[float]:
        return [wait for waits in self.beyond.values() for wait in waits]


def measure(run: Run) -> dict[str, Any]:
    shared_servers.require()
    clients, pictures = run.pick(CROWD, QUICK_CROWD), run.pick(PICTURES, QUICK_PICTURES)
    rounds = run.rounds_or(ROUNDS, QUICK_ROUNDS)
    with shared_servers.object_store() as store, shared_servers.redis() as redis:
        hosts = partial(burst, {**store, **redis}, pictures, clients)
        turns = interleaved({way: partial(hosts, at_once=way == AT_ONCE) for way in (ONE_BY_ONE, AT_ONCE)}, rounds)
    run.on_step("bursts")
    return {
        "hosts": HOSTS,
        "clients": clients,
        "pictures": pictures,
        "rounds": rounds,
        "cores": len(servers.cores()),
        **turns.noted(),
        "ways": {way: _figures(found) for way, found in turns.samples.items()},
    }


def _figures(found: Sequence[Burst]) -> dict[str, Any]:
    return {
        "statuses": dict(sum((each.statuses for each in found), Counter[str]())),
        "renders": [len(each.renders) for each in found],
        "waited": sum(len(each.all_beyond) for each in found),
        "p95_ms": rounded(percentile(each.all_beyond or [0], 0.95) for each in found),
        "by_host_ms": {
            who: [rounded(percentile(each.beyond[who] or [0], share) for each in found) for share in (0.5, 0.95, 1)]
            for who in (HERE, ELSEWHERE)
        },
        "late_p95_ms": rounded(percentile(each.late or [0], 0.95) for each in found),
    }


def burst(shared: Mapping[str, Any], pictures: int, clients: int, *, at_once: bool) -> Burst:
    """Start the hosts with empty disks and an empty store, and let *clients* request each of *pictures*.

    The requests for each picture come at the same moment and are spread over the hosts. With *at_once*, those for all
    pictures come at the same moment.
    """
    names = [f"{number}.jpg" for number in range(pictures)]
    config = {**shared, "IMAGES_CACHE": f"{shared['IMAGES_CACHE']}/{secrets.token_hex(4)}"}
    command = gunicorn(f"--workers={len(servers.cores())}", f"--threads={THREADS}", "--backlog=4096")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        config |= {"IMAGES_CACHE_LOCAL": "cache", "IMAGES_PATH": [f"{name}/static"]}
        config |= {"IMAGES_LOCK_TIMEOUT": PATIENCE_SECONDS, "IMAGES_MAX_RENDERS": max(1, len(servers.cores()) // HOSTS)}
        copy_into(Path(name, "static"), CAMERA, names)
        folders = [Path(name, f"host-{number + 1}") for number in range(HOSTS)]
        found, events = [], []
        for folder in folders:
            folder.mkdir()
            events.append(sites.Events(folder))
            server = Server(f"{PACKAGE}, {folder.name}", command, servers.signed, site="timed", config=config)
            found.append(stack.enter_context(running(server, folder)))
            wait_for_workers(events[-1], len(servers.cores()))
        app = sites.package(str(folders[0]), IMAGES_PATH=config["IMAGES_PATH"])
        crowds = [[sites.signed_url(app, name, WIDTH)] * (clients // HOSTS) for name in names]
        if at_once:
            crowds = [[url for urls in zip(*crowds, strict=True) for url in urls]]
        asked = (ask_all_at_once([(here.port, here.tree, urls) for here in found]) for urls in crowds)
        statuses = sum(asked, Counter[str]())
        return _measured(statuses, events)


def _measured(statuses: Counter[str], events: Sequence[sites.Events]) -> Burst:
    rendered = {name: (end, who) for who, own in enumerate(events) for name, (end, _) in own.of("rendered")}
    beyond: dict[str, list[float]] = {HERE: [], ELSEWHERE: []}
    for who, own in enumerate(events):
        for name, (begin, end) in own.of("answered"):
            done, by = rendered.get(name, (begin, who))
            if begin < done:
                beyond[HERE if by == who else ELSEWHERE].append(1000 * (end - done))
    first = min(begin for own in events for _, (begin, _) in own.of("answered"))
    last = max((end for end, _ in rendered.values()), default=first)
    late = [1000 * seconds for own in events for _, (due, seconds) in own.of("woke") if first < due < last]
    return Burst(statuses, [name for own in events for name, _ in own.of("rendered")], beyond, late)


# Tables and goals.


def tables(data: dict[str, Any]) -> list[Table]:
    rows = [
        (way, who, *(spread(values).text() for values in figures["by_host_ms"][who]))
        for way, figures in data["ways"].items()
        for who in (HERE, ELSEWHERE)
    ]
    note = (
        f"{disturbance(data, data['rounds'])}{data['clients']} clients request each of {data['pictures']} new pictures "
        f"at once, spread over {data['hosts']} hosts ({CAMERA.name}), {data['rounds']} rounds. "
        f"{' '.join(_counts(way, figures) for way, figures in data['ways'].items())} Times are measured in the hosts, "
        "from the end of a render to the answer of a request that waited for it. All hosts, the store and Redis share "
        f"{data['cores']} cores."
    )
    return [Table(("clients come for", "answered", "median ms", "p95 ms", "last ms"), rows, note)]


def _counts(way: str, figures: dict[str, Any]) -> str:
    renders = ", ".join(map(str, figures["renders"]))
    statuses = ", ".join(f"{status}: {count:,}" for status, count in figures["statuses"].items())
    late = spread(figures["late_p95_ms"]).text()
    return (
        f"{way.capitalize()}: renders in each round: {renders}; answers: {statuses}; a thread that only sleeps wakes "
        f"up late by {late} ms (p95)."
    )


def goals(data: dict[str, Any]) -> list[Goal]:
    ways = data["ways"] if data else {}
    renders = spread([max(max(each["renders"]) for each in ways.values()) / data["pictures"]]) if data else None
    waits = spread(ways[ONE_BY_ONE]["p95_ms"]) if data else None
    reason = f"{data['clients']} answers share {data['cores']} cores" if data else ""
    return [
        goal("renders of each new picture that a crowd requests of two hosts", 1, renders, "", at_least=False),
        goal(
            "p95 of their waits beyond the render, one picture after the other, ms", 30, waits, reason, at_least=False
        ),
    ]
