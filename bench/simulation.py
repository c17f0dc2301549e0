"""Simulate a CDN and the hosts of a site: who answers each request. No I/O here.

The requests are a sample: see `bench.visitors`. All caches are smaller by the same factor. They are nearly full at the
beginning.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.visitors import DAY, DAYS, Requests, Traffic

NEVER = -math.inf  # the minute of the last request


class Lru:
    """A cache of *capacity* bytes that removes the least recently used pictures."""

    def __init__(self, capacity: float, bytes: Sequence[int]) -> None:
        self.capacity = capacity
        self._bytes = bytes
        self._kept: OrderedDict[int, None] = OrderedDict()
        self.held = 0

    def hit(self, key: int) -> bool:
        if key in self._kept:
            self._kept.move_to_end(key)
            return True
        return False

    def add(self, key: int) -> list[int]:
        """Keep *key*, which is not kept yet, and return what is removed for it."""
        self._kept[key] = None
        self.held += self._bytes[key % len(self._bytes)]
        removed = []
        while self.held > self.capacity:
            old, _ = self._kept.popitem(last=False)
            self.held -= self._bytes[old % len(self._bytes)]
            removed.append(old)
        return removed

    def clear(self) -> None:
        self._kept.clear()
        self.held = 0


def _ages(traffic: Traffic, share: float, seed: int) -> np.ndarray:
    """Return the days since the last request for each key, before the beginning, where *share* of all requests is seen.

    So no cache has to be empty at the beginning. The age of a key that was not there yet is infinite.
    """
    chance = np.random.default_rng(seed)
    ages = chance.exponential(1, (traffic.sources, len(traffic.shares))) / traffic.key_rates() / share
    uploaded = chance.exponential(1 / traffic.uploads, (traffic.sources, 1))
    found: np.ndarray = np.where(ages < uploaded, ages, np.inf).ravel()
    return found


# A CDN.


@dataclass(frozen=True, slots=True)
class Cdn:
    """A CDN with *places* all over the world.

    Its caches are shared with other sites, so they have no size of our own: a place forgets a picture that nobody has
    requested there for *place_days*. With a shield, all places ask one more cache before they ask the site.
    """

    places: int = 20
    place_days: float = 3
    shield_days: float = 0


def through(cdn: Cdn, traffic: Traffic, requests: Requests, emptied: int | None = None) -> Requests:
    """Return the requests that *cdn* passes on to the site. It is purged completely in the minute *emptied*."""
    places = [_requested_before(traffic, 1 / cdn.places, cdn.place_days, number) for number in range(cdn.places)]
    shield = _requested_before(traffic, 1, cdn.shield_days, cdn.places)
    place_minutes, shield_minutes = cdn.place_days * DAY, cdn.shield_days * DAY
    passed = Requests()
    for minute, key, visitor in requests:
        if emptied is not None and minute >= emptied:
            emptied = None
            for cache in (*places, shield):
                cache.clear()
        place = places[visitor % cdn.places]
        is_hit = minute - place.get(key, NEVER) < place_minutes
        place[key] = minute
        if not is_hit and cdn.shield_days:
            is_hit = minute - shield.get(key, NEVER) < shield_minutes
            shield[key] = minute
        if not is_hit:
            passed.add(minute, key, visitor)
    return passed


def _requested_before(traffic: Traffic, share: float, days: float, seed: int) -> dict[int, float]:
    """Return the minute of the last request, before the beginning, of each key that is requested within *days*."""
    ages = _ages(traffic, share, seed)
    keys = np.flatnonzero(ages < days)
    return dict(zip(keys.tolist(), (-DAY * ages[keys]).tolist(), strict=True))


# The hosts of the site.


@dataclass(frozen=True, slots=True)
class Site:
    """Hosts with a disk cache of *disk_bytes* each, and perhaps an object store behind them.

    *hashed*: the same URL always goes to the same host. Objects of the store expire after *store_days*.
    """

    hosts: int
    disk_bytes: float = 200e9
    store: bool = True
    hashed: bool = True
    store_days: float = 90


RENEWED, ADDED, LOST, EMPTIED = "front doors emptied", "a host added", "a host lost", "everything purged"


@dataclass(slots=True)
class Answers:
    """Who answered the requests of the last day, in each minute: arrays of numbers.

    *door*: nginx. *disk*: the application, from the disk of the host. *fetched*: from the store. *rendered* and *sent*
    are by variant. *checked* is the number of sources that a host asks the store about, at most once a minute each.
    """

    door: np.ndarray
    disk: np.ndarray
    fetched: np.ndarray
    checked: np.ndarray
    rendered: np.ndarray
    sent: np.ndarray
    stored: int = 0  # objects in the store in the end, of the sample


class _Host:
    def __init__(self, capacity: float, bytes: Sequence[int]) -> None:
        self.disk = Lru(capacity, bytes)
        self.linked: set[int] = set()
        self.checked: dict[int, int] = {}  # the last minute, by source

    def check(self, source: int, minute: int) -> bool:
        """Return whether the store has to be asked about *source*."""
        is_due = self.checked.get(source) != minute
        self.checked[source] = minute
        return is_due

    def keep(self, key: int) -> None:
        self.linked.difference_update(self.disk.add(key))
        self.linked.add(key)


class _Fleet:
    """The hosts of a site, and the objects in their store."""

    def __init__(self, site: Site, traffic: Traffic) -> None:
        self.site, self.traffic = site, traffic
        self.hosts = [self.new_host() for _ in range(site.hosts)]
        self.added: _Host | None = None
        self.is_lost = False
        self.stored = _stored(traffic, site.store_days) if site.store else {}
        """The minute in which each object of the store expires."""
        ages = _ages(traffic, 1 if site.hashed else 1 / site.hosts, 100)
        for key in np.argsort(-ages)[np.isinf(ages).sum() :].tolist():
            for host in [self.host_of(key, 0)] if site.hashed else self.hosts:
                host.keep(key)

    def new_host(self) -> _Host:
        return _Host(self.site.disk_bytes / self.traffic.factor, self.traffic.bytes)

    def host_of(self, key: int, turn: int) -> _Host:
        digest = key * 2_654_435_761 % 4_294_967_296 if self.site.hashed else turn
        if self.added is not None and (digest // 7919) % (len(self.hosts) + 1) == 0:
            return self.added
        number = digest % len(self.hosts)
        if self.is_lost and number == 0 and len(self.hosts) > 1:
            number = 1 + (digest // 7919) % (len(self.hosts) - 1)
        return self.hosts[number]

    def happen(self, event: str) -> None:
        if event == ADDED:
            self.added = self.new_host()
        elif event == LOST:
            self.is_lost = True
        else:
            for host in self.hosts:
                host.linked.clear()
                if event == EMPTIED:
                    host.disk.clear()
            if event == EMPTIED:
                self.stored.clear()


def _stored(traffic: Traffic, days: float) -> dict[int, float]:
    """Return the keys in the store at the beginning, and the minute in which each expires."""
    chance = np.random.default_rng(200)
    rates = traffic.key_rates()
    uploaded = chance.exponential(1 / traffic.uploads, (traffic.sources, 1))
    age = uploaded - chance.exponential(1, rates.shape) / rates  # of the first object
    # One that has expired since was written again with the next request, and may have expired again.
    is_later = age > days
    is_there = np.where(is_later, chance.random(rates.shape) < days / (days + 1 / rates), age > 0)
    age = np.where(is_later, chance.random(rates.shape) * days, age)
    keys = np.flatnonzero(is_there)
    return dict(zip(keys.tolist(), (DAY * (days - age.ravel()[keys])).tolist(), strict=True))


def answered(
    site: Site, traffic: Traffic, requests: Requests, event: str | None = None, when: int | None = None
) -> Answers:
    """Return who of *site* answers *requests*. In the minute *when*, *event* happens."""
    fleet, variants = _Fleet(site, traffic), len(traffic.shares)
    door, disk, fetched, checked = (np.zeros(DAYS * DAY, dtype=int) for _ in range(4))
    rendered, sent = (np.zeros((DAYS * DAY, variants), dtype=int) for _ in range(2))
    for turn, (minute, key, _) in enumerate(requests):
        if when is not None and event is not None and minute >= when:
            fleet.happen(event)
            when = None
        host = fleet.host_of(key, turn)
        source, variant = divmod(key, variants)
        sent[minute, variant] += 1
        is_kept = host.disk.hit(key)
        if key in host.linked:
            door[minute] += 1
            continue
        checked[minute] += host.check(source, minute)
        if is_kept:
            disk[minute] += 1
        else:
            if fleet.stored.get(key, -1) > minute:
                fetched[minute] += 1
            else:
                rendered[minute, variant] += 1
                if site.store:
                    fleet.stored[key] = minute + DAY * site.store_days
            host.keep(key)
        host.linked.add(key)
    last = slice(-DAY, None)
    stored = sum(expiry > DAYS * DAY for expiry in fleet.stored.values())
    return Answers(door[last], disk[last], fetched[last], checked[last], rendered[last], sent[last], stored)
