"""Each request of the simulated visitors has one answer, and the caches do what caches do."""

from __future__ import annotations

import pytest

from bench.simulation import ADDED, EMPTIED, LOST, RENEWED, Answers, Cdn, Lru, Site, answered, through
from bench.visitors import DAY, DAYS, Requests, Traffic, shown

TRAFFIC = Traffic(10_000_000, 5_000, (10_000, 40_000), (0.7, 0.3))
NOON = (DAYS - 1) * DAY + DAY // 2


@pytest.fixture(scope="module")
def stream() -> tuple[Requests, Requests]:
    return shown(TRAFFIC)


def totals(answers: Answers) -> tuple[int, ...]:
    kinds = (answers.door, answers.disk, answers.fetched, answers.rendered)
    return tuple(int(kind.sum()) for kind in kinds)


def test_the_least_recently_used_picture_is_removed() -> None:
    cache = Lru(100, (40,))
    assert [cache.add(1), cache.add(2)] == [[], []]
    assert cache.hit(1)
    assert cache.add(3) == [2]
    assert [cache.hit(key) for key in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize("site", [Site(2), Site(3, store=False), Site(3, 1e9, hashed=False), Site(1, 1e9, store=False)])
def test_each_request_has_one_answer(stream: tuple[Requests, Requests], site: Site) -> None:
    answers = answered(site, TRAFFIC, stream[1])
    assert sum(totals(answers)) == answers.sent.sum() == stream[1].per_minute().sum()
    assert (answers.fetched.sum() > 0) == site.store or site.disk_bytes > 1e9


def test_a_url_that_always_goes_to_one_host_is_found_there_more_often(stream: tuple[Requests, Requests]) -> None:
    hashed, any_host = (
        totals(answered(Site(4, 1e9, hashed=is_hashed), TRAFFIC, stream[1])) for is_hashed in (True, False)
    )
    assert hashed[0] > any_host[0]


def test_a_store_saves_the_renders_of_a_new_host(stream: tuple[Requests, Requests]) -> None:
    for event in (ADDED, LOST):
        shared, alone = (
            answered(Site(4, store=is_shared), TRAFFIC, stream[1], event, NOON) for is_shared in (True, False)
        )
        assert alone.rendered.sum() > 2 * shared.rendered.sum()


def test_empty_front_doors_cost_hits_and_a_purge_costs_renders(stream: tuple[Requests, Requests]) -> None:
    ordinary, renewed, emptied = (
        totals(answered(Site(4), TRAFFIC, stream[1], event, NOON)) for event in (None, RENEWED, EMPTIED)
    )
    assert renewed[1] > ordinary[1]
    assert renewed[3] == ordinary[3]
    assert emptied[3] > 5 * ordinary[3]


def test_a_cdn_passes_on_what_it_lacks(stream: tuple[Requests, Requests]) -> None:
    passed = [
        int(through(cdn, TRAFFIC, stream[1], emptied).per_minute().sum())
        for cdn, emptied in ((Cdn(), None), (Cdn(shield_days=7), None), (Cdn(shield_days=7), NOON))
    ]
    assert passed[1] < passed[2] < stream[1].per_minute().sum()
    assert passed[1] < passed[0] < stream[1].per_minute().sum()
