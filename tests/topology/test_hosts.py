"""Several hosts of one site, which share an object store and Redis."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from servers import decoded_size

from topology.fleet import Fleet, all_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")


def test_every_host_answers_after_it_was_paused_killed_and_started_again(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet()
    first, second = fleet.hosts
    url = fleet.url(fleet.draw("a.png"), width=20)

    assert [decoded_size(answer.body) for answer in all_at_once([(first, url), (second, url)])] == [(20, 15)] * 2
    first.pause()
    assert second.get(url).status == 200
    first.resume()
    assert first.get(url).status == 200
    first.kill()
    assert isinstance(first.asked(url), OSError)
    first.start()
    assert first.get(url).status == 200
    assert 1 <= sum(fleet.rendered().values()) <= 2
