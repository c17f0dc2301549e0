"""Count what is asked for, rendered and refused: in total by day, and by source. This module does no I/O.

The counts of several processes, or of several times, are added. What is asked for counts less with time, so that the
most popular pictures of today come first. What counts for little is forgotten, so the counts have a limited size.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..sources.spelling import plain_ref
from .queries import watermark_of

HALF_LIFE_DAYS = 14
"""After so many days, a request counts half."""

DAYS_KEPT = 31
_DAY_SECONDS = 86_400.0
_LONGEST_STEP_SECONDS = 4 * HALF_LIFE_DAYS * _DAY_SECONDS  # after which one request still counts more than _LEAST
_LEAST = 0.05  # what counts less is forgotten: a picture that was asked for once, after two months
_MAX_SOURCES, _MAX_ASKED = 10_000, 10_000
_MAX_CHARACTERS = 3_000_000
_LONGEST_REF, _LONGEST_QUERY = 1000, 500  # characters; a source or query that is longer is counted only in total
_MAX_KINDS = 500  # of a day


class Measure(NamedTuple):
    """What a number of a day counts: *what* of the *kind*, such as a format, that is called *name*."""

    kind: str
    name: str
    what: str


@dataclass(slots=True)
class Asked:
    """How often one rendition was asked for, the name of its *file* in the cache, and when nginx last read that.

    *seen* is in seconds since 1970, or 0.
    """

    count: float = 0.0
    file: str = ""
    seen: int = 0

    def add(self, other: Asked) -> None:
        self.count += other.count
        self.file = other.file or self.file
        self.seen = max(self.seen, other.seen)


@dataclass(frozen=True, slots=True)
class Render:
    """One render: its cost, and the time *at* which it ended, in seconds since 1970."""

    seconds: float
    waited_seconds: float
    cpu_seconds: float
    size_bytes: int
    at: int
    format: str
    options: str
    engine: str


@dataclass(slots=True)
class OfSource:
    """The counts of one source. The keys of *asked* are the query, as `query_of` returns it, and the format."""

    renders: float = 0.0
    cpu_seconds: float = 0.0
    asked: dict[tuple[str, str], Asked] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: Render | None = None

    def add(self, other: OfSource) -> None:
        self.renders += other.renders
        self.cpu_seconds += other.cpu_seconds
        for key, asked in other.asked.items():
            self.asked.setdefault(key, Asked()).add(asked)
        self.refused.update(other.refused)
        self.note_render(other.slowest)

    def note_render(self, render: Render | None) -> None:
        """Keep *render* if it is the slowest."""
        if render is not None and (self.slowest is None or render.seconds > self.slowest.seconds):
            self.slowest = render

    def age(self, factor: float, oldest: float) -> None:
        """Let all counts be *factor* of what they are, and forget a render that ended before *oldest*."""
        self.renders *= factor
        self.cpu_seconds *= factor
        for asked in self.asked.values():
            asked.count *= factor
        self.asked = {key: asked for key, asked in self.asked.items() if asked.count >= _LEAST}
        kept = {name: count * factor for name, count in self.refused.items() if count * factor >= _LEAST}
        self.refused = Counter(kept)
        if self.slowest is not None and self.slowest.at < oldest:
            self.slowest = None

    @property
    def count(self) -> float:
        """How often the source was asked for, in all its renditions."""
        return sum(asked.count for asked in self.asked.values())

    @property
    def is_empty(self) -> bool:
        return not self.asked and not self.refused and self.slowest is None and self.renders < _LEAST


@dataclass(slots=True)
class Counts:
    """The counts by day, such as ``"2026-01-31"`` in UTC, and those by source. *aged_at* is when the latter were aged.

    Times are in seconds since 1970.
    """

    days: dict[str, Counter[Measure]] = field(default_factory=dict)
    sources: dict[str, OfSource] = field(default_factory=dict)
    aged_at: float = 0.0

    def day(self, at: float) -> Counter[Measure]:
        """Return the counts of the day of the time *at*."""
        return self.days.setdefault(day_of(at), Counter())

    def of(self, ref: str) -> OfSource:
        """Return the counts of the source *ref*. If it is too long, they are kept nowhere."""
        if len(ref) > _LONGEST_REF:
            return OfSource()
        return self.sources.setdefault(ref, OfSource())

    def ask(self, ref: str, query: str, format: str, asked: Asked) -> None:
        """Add *asked* for a rendition of *ref*."""
        if len(query) <= _LONGEST_QUERY:
            self.of(ref).asked.setdefault((query, format), Asked()).add(asked)

    def add(self, other: Counts) -> None:
        """Add the counts of *other*, which may share objects with this one then."""
        for day, counter in other.days.items():
            self.days.setdefault(day, Counter()).update(counter)
        for ref, source in other.sources.items():
            if ref in self.sources:
                self.sources[ref].add(source)
            else:
                self.sources[ref] = source

    def forget(self, ref: str) -> None:
        """Remove all that names the source *ref*, also as the watermark of others."""
        self.forget_if(lambda other: plain_ref(other) == plain_ref(ref))

    def forget_if(self, unwanted: Callable[[str], bool]) -> None:
        """Remove all that names a source for which *unwanted* returns true, also as the watermark of others."""
        for ref in [ref for ref in self.sources if unwanted(ref)]:
            del self.sources[ref]
        for source in self.sources.values():
            gone = [key for key in source.asked if (mark := watermark_of(key[0])) is not None and unwanted(mark)]
            for key in gone:
                del source.asked[key]
            slowest = source.slowest
            if slowest is not None and (mark := watermark_of(slowest.options)) is not None and unwanted(mark):
                source.slowest = None

    def age(self, now: float) -> None:
        """Let what is counted by source count less, by the time since it was last aged, and forget old days.

        A clock that was wrong, as before the first contact of a host with a time server, must not forget everything:
        what happens within one step is limited.
        """
        since = min(max(0.0, now - self.aged_at), _LONGEST_STEP_SECONDS) if self.aged_at else 0.0
        self.aged_at = now
        factor, oldest = 0.5 ** (since / _DAY_SECONDS / HALF_LIFE_DAYS), now - DAYS_KEPT * _DAY_SECONDS
        for source in self.sources.values():
            source.age(factor, oldest)
        self.sources = {ref: source for ref, source in self.sources.items() if not source.is_empty}
        self.days = {day: counter for day, counter in self.days.items() if day > day_of(oldest)}

    def bound(self) -> None:
        """Forget what counts least, so that the counts stay within their size."""
        for day, counter in self.days.items():
            if len(counter) > _MAX_KINDS:
                self.days[day] = Counter(dict(counter.most_common(_MAX_KINDS)))
        ranked = sorted(self.sources.items(), key=lambda each: each[1].count + each[1].renders, reverse=True)
        self.sources = dict(ranked[:_MAX_SOURCES])
        asked = sorted(self._asked(), key=lambda each: each[2].count, reverse=True)
        characters = 0
        for index, (ref, key, each) in enumerate(asked):
            characters += len(ref) + len(key[0]) + len(each.file)
            if index >= _MAX_ASKED or characters > _MAX_CHARACTERS:
                del self.sources[ref].asked[key]

    def _asked(self) -> Iterator[tuple[str, tuple[str, str], Asked]]:
        for ref, source in self.sources.items():
            for key, asked in source.asked.items():
                yield ref, key, asked


def day_of(at: float) -> str:
    """Return the day of the time *at*, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))
