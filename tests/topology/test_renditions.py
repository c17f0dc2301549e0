"""Renditions that several hosts share, in a real object store."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from servers import Answer

from topology.fleet import Fleet, all_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")


def test_each_image_is_rendered_once_in_all_and_a_new_host_renders_nothing(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(hosts=2)
    urls = [fleet.url(fleet.draw(f"{number}.png"), width=20) for number in range(4)]
    answers = all_at_once([(host, url) for url in urls for host in fleet.hosts for _ in range(5)])
    assert {answer.status if isinstance(answer, Answer) else answer for answer in answers} == {200}
    assert sum(fleet.rendered().values()) == len(urls)

    third = fleet.add_host("--preload")  # both of its workers use the store
    answers = all_at_once([(third, url) for url in urls for _ in range(5)])
    assert {answer.status if isinstance(answer, Answer) else answer for answer in answers} == {200}
    assert third.rendered() == []
    url = fleet.url(fleet.draw("new.png"), width=20)
    assert [host.get(url).status for host in reversed(fleet.hosts)] == [200] * 3
    assert sum(fleet.rendered().values()) == len(urls) + 1
    assert not fleet.hosts[0].warnings() + third.warnings()
