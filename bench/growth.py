"""Multiply the events of a day by what one of each costs: processors, bytes and requests. No I/O here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measure import spread
from bench.units import CREATE, LOCK, MISSING

DAY_SECONDS = 86_400
LOCK_COMMANDS = 2  # one takes it, and one releases it

Counts = Mapping[str, Any]
"""The events of one day, in a sample of the site: see `bench.parts.growing.counted`."""


class Costs:
    """The CPU seconds of one event each, from the figures of `bench.units`."""

    def __init__(self, units: Mapping[str, Any]) -> None:
        self.hits = {kind: spread(row["cpu_us"]).median / 1e6 for kind, row in units["hits"].items()}
        self.renders = [spread(row["cpu_ms"]).median / 1e3 for row in units["renders"].values()]
        self.bytes = [int(row["bytes"]) for row in units["renders"].values()]
        self.store = {kind: spread(row["cpu_us"]).median / 1e6 for kind, row in units["store"]["requests"].items()}
        self.lock = spread(units["redis"][LOCK]["cpu_us"]).median / 1e6
        self.lock_in_redis = spread(units["redis"][LOCK]["server_us"]).median / 1e6
        self.fetch = spread(units["fetch"]["cpu_ms"]).median / 1e3
        self.page = spread(units["page"]["cpu_ms"]).median / 1e3

    def cpu_seconds(self, counts: Counts, door: str, other: str, *, shared: bool) -> float:
        """Return the CPU seconds of the hosts for *counts*.

        *door* and *other* name the kinds of hits that answer what has a link and what only lies on the disk. *shared*:
        there are an object store and Redis.
        """
        rendered = sum(counts["rendered"])
        seconds = counts["door"] * self.hits[door] + counts["disk"] * self.hits[other]
        seconds += sum(count * cost for count, cost in zip(counts["rendered"], self.renders, strict=True))
        if shared:
            seconds += counts["fetched"] * self.fetch
            # Once before the lock and once under it.
            seconds += rendered * (2 * self.store[MISSING] + self.store[CREATE])
            seconds += rendered * self.lock
        return seconds


@dataclass(frozen=True, slots=True)
class Need:
    """What a site needs in its busiest hour. Rates are per second, for all hosts together."""

    requests: float
    renders: float
    cores: float
    page_cores: float
    gigabits: float
    gets: float
    puts: float
    checks: float
    redis: float
    redis_cores: float

    def hosts(self, cores: int, gigabits: float, busy: float) -> int:
        """Return the number of hosts, at least two, if *busy* is the share of each that may be used."""
        return max(2, math.ceil(self.cores / cores / busy), math.ceil(self.gigabits / gigabits / busy))


def need(costs: Costs, counts: Counts, hits: tuple[str, str], *, shared: bool, page: int, peak: float) -> Need:
    """Return what *counts* need in an hour that has *peak* times the average traffic.

    *page* is the number of pictures on each page.
    """
    each = counts["factor"] / DAY_SECONDS * peak
    renders = each * sum(counts["rendered"])
    sent = each * sum(count * size for count, size in zip(counts["sent"], costs.bytes, strict=True))
    return Need(
        requests=each * sum(counts["sent"]),
        renders=renders,
        cores=each * costs.cpu_seconds(counts, *hits, shared=shared),
        page_cores=each * counts["shown"] / page * costs.page,
        gigabits=8 * sent / 1e9,
        gets=each * counts["fetched"] + 2 * renders if shared else 0,
        puts=renders if shared else 0,
        checks=each * counts["checked"] if shared else 0,
        redis=LOCK_COMMANDS * renders if shared else 0,
        redis_cores=renders * costs.lock_in_redis if shared else 0,
    )


def bytes_stored(costs: Costs, counts: Counts, shares: Sequence[float]) -> float:
    """Return the bytes of all renditions in the store, whose formats and widths are requested in these *shares*."""
    mean = sum(share * size for share, size in zip(shares, costs.bytes, strict=True)) / sum(shares)
    return float(counts["stored"] * counts["factor"] * mean)
