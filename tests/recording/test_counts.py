"""Counts: they are added, they count less with time, and their size is limited."""

from __future__ import annotations

from collections import Counter

import pytest

from flask_images_vips.recording import counts as counting
from flask_images_vips.recording.counts import Asked, Counts, Measure, Render, day_of

NOW = 1_790_000_000.0
DAY = 86_400.0
HITS = Measure("", "", "hits")


def counts_of(**asked: float) -> Counts:
    """Counts of a source for each keyword, a rendition of which was asked for so often."""
    counts = Counts(aged_at=NOW)
    for name, count in asked.items():
        counts.ask(f"{name}.png", "w=50", "png", Asked(count, f"{name}-file"))
    return counts


def render(seconds: float, at: float = NOW, options: str = "w=50") -> Render:
    return Render(seconds, 0.0, seconds, 1000, int(at), "png", options, "vips")


def test_counts_are_added() -> None:
    one, other = counts_of(a=1, b=2), counts_of(b=3, c=4)
    one.day(NOW)[HITS] = 5
    other.day(NOW)[HITS] = 6
    other.day(NOW - DAY)[HITS] = 7
    other.of("b.png").refused["404 SourceNotFound"] += 1
    one.of("b.png").slowest, other.of("b.png").slowest = render(1), render(2)
    one.add(other)
    assert {ref: source.count for ref, source in one.sources.items()} == {"a.png": 1, "b.png": 5, "c.png": 4}
    assert one.days == {day_of(NOW): Counter({HITS: 11}), day_of(NOW - DAY): Counter({HITS: 7})}
    assert one.sources["b.png"].refused == {"404 SourceNotFound": 1}
    assert one.sources["b.png"].slowest == render(2)


def test_what_was_asked_for_counts_half_after_two_weeks_and_is_forgotten_later() -> None:
    counts = counts_of(often=100, once=1)
    counts.age(NOW + 14 * DAY)
    assert counts.sources["often.png"].count == pytest.approx(50)
    counts.age(NOW + 28 * DAY)
    assert counts.sources["often.png"].count == pytest.approx(25)
    assert "once.png" in counts.sources
    counts.age(NOW + 70 * DAY)
    assert [*counts.sources] == ["often.png"]


def test_a_clock_that_was_set_back_ages_nothing() -> None:
    counts = counts_of(a=1)
    counts.age(NOW - DAY)
    assert counts.sources["a.png"].count == 1
    assert counts.aged_at == NOW - DAY


def test_a_clock_that_was_wrong_for_a_time_forgets_nothing_that_is_popular() -> None:
    counts = counts_of(a=16, b=1)
    counts.age(DAY)  # as on a host that has not asked a time server yet
    counts.age(NOW)
    assert {name: source.count for name, source in counts.sources.items()} == {"a.png": 1, "b.png": 1 / 16}


def test_old_days_and_renders_are_forgotten() -> None:
    counts = counts_of(a=100)
    for days in range(40):
        counts.day(NOW - days * DAY)[HITS] = 1
    counts.of("a.png").slowest = render(1, NOW - 32 * DAY)
    counts.of("b.png").slowest = render(1, NOW - 30 * DAY)
    counts.age(NOW)
    assert len(counts.days) == 31
    assert day_of(NOW) in counts.days
    assert counts.sources["a.png"].slowest is None
    assert counts.sources["b.png"].slowest is not None


def test_a_source_is_forgotten_also_as_a_watermark() -> None:
    counts = counts_of(a=1, b=1)
    counts.ask("b.png", "w=50&wm=a.png%2Cse", "png", Asked(1))
    counts.of("b.png").slowest = render(1, options="w=50&wm=a.png,southeast,10,1.0,0.25")
    counts.forget("a.png")
    assert [*counts.sources] == ["b.png"]
    assert [*counts.sources["b.png"].asked] == [("w=50", "png")]
    assert counts.sources["b.png"].slowest is None


def test_only_the_most_popular_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_MAX_ASKED", 3)
    counts = counts_of(a=1, b=5, c=3, d=4, e=2)
    counts.bound()
    assert {ref for ref, source in counts.sources.items() if source.asked} == {"b.png", "c.png", "d.png"}
    monkeypatch.setattr(counting, "_MAX_SOURCES", 2)
    counts.bound()
    assert {*counts.sources} == {"b.png", "d.png"}


def test_the_characters_of_all_names_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_MAX_CHARACTERS", 100)
    counts = Counts()
    for number in range(10):
        counts.ask(f"{number}" * 20, "w=50", "png", Asked(number))
    counts.bound()
    assert sum(bool(source.asked) for source in counts.sources.values()) == 4


def test_names_that_are_too_long_are_not_kept() -> None:
    counts = Counts()
    counts.ask("a" * 2000, "w=50", "png", Asked(1))
    counts.ask("a.png", "w=" + "5" * 1000, "png", Asked(1))
    counts.of("a" * 2000).renders += 1
    assert counts.sources == {}


def test_the_kinds_of_a_day_are_limited() -> None:
    counts = Counts()
    for number in range(600):
        counts.day(NOW)[Measure("page", f"page{number}", "renders")] = number
    counts.bound()
    assert len(counts.day(NOW)) == 500
    assert min(counts.day(NOW).values()) == 100
