"""Renditions that several hosts share, in a real object store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import share
from servers import Answer, decoded_size

from topology.fleet import Fleet, all_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

CROWD = 50
PICTURES = share(40)
RENDITIONS = share(1000)
CLIENTS = 8


def test_a_crowd_at_two_hosts_lets_each_image_be_rendered_once(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(hosts=2)
    urls = [fleet.url(fleet.draw(f"{number}.png", (640, 480)), width=300) for number in range(PICTURES)]
    for url in urls:
        answers = all_at_once([(fleet.hosts[index % 2], url) for index in range(CROWD)])
        assert {answer.status if isinstance(answer, Answer) else answer for answer in answers} == {200}
        assert len({answer.body for answer in answers if isinstance(answer, Answer)}) == 1
    assert sum(fleet.rendered().values()) == PICTURES
    # No key was lost to one host alone, by a lock that failed: both have rendered.
    assert min(fleet.rendered().values()) > 0
    assert not fleet.hosts[0].warnings() + fleet.hosts[1].warnings()


def test_a_third_host_with_an_empty_disk_renders_nothing_of_what_the_others_have(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet(hosts=2)
    pictures = [fleet.draw(f"{number}.png", (320, 240)) for number in range(4)]
    urls = [fleet.url(pictures[number % 4], width=16 + number // 4) for number in range(RENDITIONS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        made = list(clients.map(lambda each: fleet.hosts[each[0] % 2].get(each[1]), enumerate(urls)))
        assert sum(fleet.rendered().values()) == RENDITIONS

        third = fleet.add_host()
        found = list(clients.map(third.get, urls))
    assert {answer.status for answer in made + found} == {200}
    assert [answer.body for answer in found] == [answer.body for answer in made]
    assert decoded_size(found[-1].body)[0] == 16 + (RENDITIONS - 1) // 4
    assert third.rendered() == []


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
