"""Compute what a growing site needs: requests, renders, bytes, processors and hosts, up to a billion pictures a day.

What one event costs is measured in the same run (`bench.units`). How often it happens is simulated
(`bench.simulation`). The results are multiplied by `bench.growth`, and shown by docs/deploying/growing.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from bench import units
from bench.growth import Costs, need
from bench.measure import Run
from bench.simulation import (
    ADDED,
    EMPTIED,
    LOST,
    RENEWED,
    Answers,
    Cdn,
    Site,
    answered,
    through,
)
from bench.tables import Table
from bench.tables_of_growth import HITS, WITH_STORE, all_tables
from bench.visitors import DAY, Requests, Traffic, shown

BILLION = 1_000_000_000
SIZES = (1_000_000, 10_000_000, 100_000_000, BILLION)
SAMPLE, QUICK_SAMPLE = 200_000, 10_000
FORMAT_SHARES = (0.94, 0.04, 0.02)  # of the visitors, by the best format that their browsers take
WIDTH_SHARES = (0.5, 0.35, 0.15)
SHARES = [one * other for one in FORMAT_SHARES for other in WIDTH_SHARES]

HOSTS = 8
HOST = {"disk_bytes": 500e9, "cores": 8, "gigabits": 10, "busy": 0.6}
DISKS = (0.05, 0.2, 0.5, 1)  # of all renditions, on the disks of all hosts together
EVENT_MINUTES = 10
NOON = 2 * DAY + DAY // 2  # in the busiest hour of the day that is counted

YEARS = 3650  # days
EDGES, SHIELDED = Cdn(), Cdn(shield_days=7)


def measure(run: Run) -> dict[str, Any]:
    costs = units.measure(run)
    streams = [Stream.of(size, run.pick(SAMPLE, QUICK_SAMPLE), costs) for size in SIZES]
    run.on_step("visitors")
    large = streams[-1]
    data = {
        "units": costs,
        "site": asdict(large.traffic),
        "host": HOST,
        "hosts": HOSTS,
        "store_days": Site(HOSTS).store_days,
        "cdn": asdict(SHIELDED),
        "steps": steps(streams[1], large),
    }
    run.on_step("steps")
    data["sizes"] = [of_size(stream, Costs(costs)) for stream in streams]
    run.on_step("sizes")
    data["events"] = {"minutes": EVENT_MINUTES, "rows": events(large)}
    run.on_step("events")
    data["disks"] = disks(large)
    smaller = Stream.of(BILLION, large.traffic.sample // 2, costs)
    data["half"] = smaller.counted(Site(HOSTS, HOST["disk_bytes"]))
    run.on_step("disks")
    return data


@dataclass(slots=True)
class Stream:
    """The pictures that one site shows, and the requests that its browsers send for them."""

    traffic: Traffic
    all: Requests
    sent: Requests

    @classmethod
    def of(cls, pictures_a_day: int, sample: int, costs: dict[str, Any]) -> Stream:
        sizes = [row["bytes"] for row in costs["renders"].values()]
        traffic = Traffic(pictures_a_day, min(sample, pictures_a_day), sizes, SHARES)
        return cls(traffic, *shown(traffic))

    def counted(self, site: Site, cdn: Cdn | None = None) -> dict[str, Any]:
        """Return the events of the last day with *site* and *cdn*."""
        requests = self.sent if cdn is None else through(cdn, self.traffic, self.sent)
        answers = answered(site, self.traffic, requests)
        return self.counts(answers)

    def counts(self, answers: Answers, minutes: slice = slice(None)) -> dict[str, Any]:
        """Return *answers* as they are stored, and what browsers did, in these *minutes* of the last day."""
        return {
            "factor": self.traffic.factor,
            "shown": int(self.all.per_minute()[minutes].sum()),
            "requested": int(self.sent.per_minute()[minutes].sum()),
            **{kind: int(getattr(answers, kind)[minutes].sum()) for kind in ("door", "disk", "fetched", "checked")},
            **{kind: getattr(answers, kind)[minutes].sum(axis=0).tolist() for kind in ("rendered", "sent")},
            "stored": answers.stored,
        }


def steps(medium: Stream, large: Stream) -> list[dict[str, Any]]:
    """Count who answers the pictures of a site, step by step: first of a medium one, then of a large one."""
    disk = HOST["disk_bytes"]
    alone, shared = Site(1, disk, store=False), Site(HOSTS, disk)
    rows: list[tuple[str, str, Stream, Site, Cdn | None]] = [
        ("one host, without nginx", "python", medium, alone, None),
        ("… with IMAGES_EARLY_HITS", "early", medium, alone, None),
        ("… with nginx and IMAGES_FRONT_DOOR", "nginx", medium, alone, None),
        ("one host", "nginx", large, alone, None),
        (f"{HOSTS} hosts, any host for any URL", "nginx", large, Site(HOSTS, disk, store=False, hashed=False), None),
        (f"{HOSTS} hosts, each URL to one of them", "nginx", large, Site(HOSTS, disk, store=False), None),
        (WITH_STORE, "nginx", large, shared, None),
        ("… a CDN", "nginx", large, shared, EDGES),
        ("… a CDN with a shield", "nginx", large, shared, SHIELDED),
        (f"{HOSTS} hosts, objects that never expire", "nginx", large, replace(shared, store_days=YEARS), None),
    ]
    return [
        {
            "step": step,
            "hits": hits,
            "shared": site.store,
            "pictures": stream.traffic.pictures_a_day,
            "counts": stream.counted(site, cdn),
        }
        for step, hits, stream, site, cdn in rows
    ]


def of_size(stream: Stream, costs: Costs) -> dict[str, Any]:
    """Count the events of a site with as many hosts as it needs, with and without a CDN in front."""
    found: dict[str, Any] = {"pictures": stream.traffic.pictures_a_day}
    for name, cdn in (("alone", None), ("cdn", SHIELDED)):
        hosts, enough = 1, 2
        while hosts < enough:  # more hosts have more disks, so they also need fewer cores
            hosts += 1
            counts = stream.counted(Site(hosts, HOST["disk_bytes"]), cdn)
            peak, page = stream.traffic.peak, stream.traffic.page
            needed = need(costs, counts, HITS["nginx"], shared=True, page=page, peak=peak)
            enough = needed.hosts(HOST["cores"], HOST["gigabits"], HOST["busy"])
        found[name] = {"hosts": hosts, "counts": counts}
    return found


def events(stream: Stream) -> list[dict[str, Any]]:
    """Count the minutes after an event in the busiest hour, with and without a store behind the hosts."""
    rows = []
    minutes = slice(NOON % DAY, NOON % DAY + EVENT_MINUTES)
    for event in (None, RENEWED, ADDED, LOST, EMPTIED):
        row: dict[str, Any] = {"event": event or "an ordinary day"}
        for name, is_shared in (("alone", False), ("shared", True)):
            site = Site(HOSTS, HOST["disk_bytes"], store=is_shared)
            answers = answered(site, stream.traffic, stream.sent, event, NOON)
            row[name] = stream.counts(answers, minutes)
        rows.append(row)
    purged = through(SHIELDED, stream.traffic, stream.sent, emptied=NOON)
    row = {"event": "the CDN purged completely"}
    for name, is_shared in (("alone", False), ("shared", True)):
        answers = answered(Site(HOSTS, HOST["disk_bytes"], store=is_shared), stream.traffic, purged)
        row[name] = stream.counts(answers, minutes)
    return [*rows, row]


def disks(stream: Stream) -> list[dict[str, Any]]:
    """Count the hits of disks of several sizes, if each URL goes to one host, and if it goes to any."""
    traffic = stream.traffic
    mean = sum(share * size for share, size in zip(traffic.shares, traffic.bytes, strict=True))
    whole = traffic.sources * traffic.factor * len(traffic.shares) * mean
    return [
        {
            "share": share,
            "disk_bytes": share * whole / HOSTS,
            **{
                name: stream.counted(Site(HOSTS, share * whole / HOSTS, hashed=is_hashed))
                for name, is_hashed in (("hashed", True), ("any", False))
            },
        }
        for share in DISKS
    ]


def tables(data: dict[str, Any]) -> list[Table]:
    return list(all_tables(data).values())
