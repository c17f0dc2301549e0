"""Simulate the visitors of a large site: what pages show them, and what their browsers request. No I/O here.

A sample of the site is simulated. It has every *n*-th source and visitor, so a source is requested as often as in the
whole site. The popularity of sources follows Zipf's law. New uploads take the places of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

HOURS = 24
DAY = 60 * HOURS  # minutes
DAYS = 3
"""The last of these days is counted."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The visitors of a site. *sample* is the number of pictures that are simulated per day.

    *seen_pages* is the share of page views whose page the same visitor has opened before. *peak* is the traffic of the
    busiest hour, divided by the average. *bytes* is the size of each variant (format and width), and *shares* says how
    many visitors get it.
    """

    pictures_a_day: int
    sample: int
    bytes: Sequence[int]
    shares: Sequence[float]
    sources_a_picture: float = 0.02
    uploads: float = 0.005  # of the sources, per day
    exponent: float = 0.9
    page: int = 25
    pictures_a_visitor: int = 60
    visitors_return: int = 3  # a visitor comes every third day
    seen_pages: float = 0.3
    peak: float = 1.8

    @property
    def factor(self) -> float:
        """By how much the site is larger than the sample."""
        return self.pictures_a_day / self.sample

    @property
    def sources(self) -> int:
        return round(self.sample * self.sources_a_picture)

    def rates(self) -> np.ndarray:
        """Return how often a day each source is requested, the most popular first."""
        ranks = np.arange(self.sources) * self.factor + (self.factor + 1) / 2
        weights = ranks**-self.exponent
        found: np.ndarray = self.sample * weights / weights.sum()
        return found

    def key_rates(self) -> np.ndarray:
        """Return how often a day each variant of each source is requested: an array (source, variant)."""
        found: np.ndarray = np.outer(self.rates(), self.shares)
        return found


@dataclass(slots=True)
class Requests:
    """Requests in the order of time. *minutes* are counted from the beginning.

    A key is the number of the source times the number of variants, plus that of the variant.
    """

    minutes: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    visitors: list[int] = field(default_factory=list)

    def add(self, minute: int, key: int, visitor: int) -> None:
        self.minutes.append(minute)
        self.keys.append(key)
        self.visitors.append(visitor)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        return zip(self.minutes, self.keys, self.visitors, strict=True)

    def per_minute(self) -> np.ndarray:
        """Return the number of requests in each minute of the last day."""
        counts: np.ndarray = np.bincount(np.array(self.minutes, dtype=int), minlength=DAYS * DAY)[-DAY:]
        return counts


def shown(traffic: Traffic, seed: int = 1) -> tuple[Requests, Requests]:
    """Return all pictures that pages show, and those that are not in the browser's cache: its URLs never change."""
    chance = np.random.default_rng(seed)
    views = round(traffic.sample / traffic.page)
    visitors = round(traffic.sample / traffic.pictures_a_visitor * traffic.visitors_return)
    variants = chance.choice(len(traffic.shares), visitors, p=traffic.shares).tolist()
    opened: list[list[list[int]]] = [[] for _ in range(visitors)]
    kept: list[set[int]] = [set() for _ in range(visitors)]
    all_shown, requested = Requests(), Requests()
    for minute, visitor, again, sources in _views(traffic, views, visitors, chance):
        pages, browser = opened[visitor], kept[visitor]
        if again < traffic.seen_pages and pages:
            keys = pages[int(again / traffic.seen_pages * len(pages))]
        else:
            keys = [source * len(traffic.shares) + variants[visitor] for source in sources]
            pages.append(keys)
        for key in keys:
            all_shown.add(minute, key, visitor)
            if key not in browser:
                browser.add(key)
                requested.add(minute, key, visitor)
    return all_shown, requested


def _views(
    traffic: Traffic, views: int, visitors: int, chance: np.random.Generator
) -> Iterator[tuple[int, int, float, list[int]]]:
    """Yield page views: the minute, the visitor, a number below 1, and the sources of the page."""
    source_of = np.arange(traffic.sources)
    newest = traffic.sources
    cumulated = np.cumsum(traffic.rates())
    busy = 1 - (traffic.peak - 1) * np.cos(2 * np.pi * (np.arange(DAY) + 0.5) / DAY)
    for day in range(DAYS):
        minutes = day * DAY + np.sort(chance.choice(DAY, views, p=busy / busy.sum()))
        who, again = chance.integers(visitors, size=views), chance.random(views)
        ranks = np.searchsorted(cumulated, chance.random((views, traffic.page)) * cumulated[-1])
        for part in np.array_split(np.arange(views), HOURS):
            uploads = chance.poisson(traffic.uploads * traffic.sources / HOURS)
            source_of[chance.integers(traffic.sources, size=uploads)] = np.arange(newest, newest + uploads)
            newest += uploads
            columns = (minutes[part], who[part], again[part], source_of[ranks[part]])
            yield from zip(*(column.tolist() for column in columns), strict=True)
