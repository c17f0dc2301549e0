"""The header Server-Timing: off by default, and what it says of misses, hits and early hits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import url_of
from flask import Flask

from flask_images_vips.monitoring.server_timing import server_timing
from flask_images_vips.phases import Phase, Timeline


def timing(app: Flask, url: str, **headers: str) -> dict[str, str]:
    """The metrics of one request, with their first parameter."""
    with app.test_client().get(url, headers=headers) as response:
        assert response.status_code in (200, 304)
        return dict(re.findall(r"(\w+);(?:dur|desc)=([\w.]+)", response.headers.get("Server-Timing", "")))


@pytest.mark.parametrize("early", [False, True])
def test_a_miss_has_its_phases_and_a_hit_says_so(make_app: Callable[..., Flask], draw: Any, early: bool) -> None:
    app = make_app(IMAGES_SERVER_TIMING=True, IMAGES_EARLY_HITS=early)
    draw("a.png")
    url = url_of(app, "a.png", width=10)
    miss, hit = timing(app, url), timing(app, url)
    assert list(miss) == ["cache", "lookup", "lock", "queue", "encode", "render", "store", "total"]
    assert miss["cache"] == "miss"
    parts = sum(float(miss[name]) for name in ("lookup", "lock", "queue", "render", "store"))
    assert float(miss["encode"]) <= float(miss["render"])
    assert 0 < parts <= float(miss["total"]) + 0.05  # each is rounded
    assert list(hit) == ["cache", "lookup", "total"]
    assert hit["cache"] == "hit"
    assert timing(app, url, **{"If-None-Match": "*"})["cache"] == "hit"


def test_it_is_off_by_default(app: Flask, draw: Any) -> None:
    draw("a.png")
    assert timing(app, url_of(app, "a.png", width=10)) == {}


def test_it_is_written_as_the_specification_says() -> None:
    timeline = Timeline()
    timeline.phases = [Phase("lock", timeline.begin + 0.001, timeline.begin + 0.0015)]
    written = server_timing(timeline, cached=False)
    token = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
    assert re.fullmatch(rf"{token};(?:desc|dur)={token}(?:, {token};(?:desc|dur)={token})*", written)
    assert written.startswith("cache;desc=miss, lookup;dur=1.00, lock;dur=0.50, total;dur=")
