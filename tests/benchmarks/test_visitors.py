"""The simulated visitors of a site request its pictures as often as they should."""

from __future__ import annotations

import pytest

from bench.visitors import DAYS, Requests, Traffic, shown

TRAFFIC = Traffic(10_000_000, 5_000, (10_000, 40_000), (0.7, 0.3))


@pytest.fixture(scope="module")
def stream() -> tuple[Requests, Requests]:
    return shown(TRAFFIC)


def test_a_source_is_requested_as_often_as_in_the_whole_site() -> None:
    whole = Traffic(10_000, 10_000, (1,), (1,)).rates()
    half = Traffic(10_000, 5_000, (1,), (1,)).rates()
    assert half.sum() == pytest.approx(5_000)
    assert half[1:] == pytest.approx(whole[2::2], rel=0.3)
    assert half[50] == pytest.approx((whole[100] + whole[101]) / 2, rel=0.05)


def test_browsers_request_no_picture_twice(stream: tuple[Requests, Requests]) -> None:
    pages, requested = stream
    assert len(pages.keys) == TRAFFIC.sample * DAYS
    asked = list(zip(requested.keys, requested.visitors, strict=True))
    assert len(asked) == len(set(asked))
    assert 0.3 < len(asked) / len(pages.keys) < 0.8
    assert requested.minutes == sorted(requested.minutes)


def test_the_busiest_hour_has_the_traffic_that_was_assumed(stream: tuple[Requests, Requests]) -> None:
    per_hour = stream[0].per_minute().reshape(24, 60).sum(axis=1)
    assert per_hour[11:13].mean() / per_hour.mean() == pytest.approx(TRAFFIC.peak, rel=0.1)
