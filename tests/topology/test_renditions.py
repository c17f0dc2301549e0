"""Hosts that share an object store and Redis: each image is rendered once in all, whatever host is asked for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import share
from real_servers import RedisServer, StoreServer
from servers import Answer, decoded_size

from topology.conftest import short_folder
from topology.fleet import Fleet, all_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

CROWD = 50
PICTURES = share(40)
RENDITIONS = share(1000)
CLIENTS = 8


@pytest.fixture(scope="module")
def fleet(store_server: StoreServer) -> Iterator[Fleet]:
    """Two hosts, shared by all tests, each of which has pictures of its own."""
    with short_folder() as folder:
        redis = RedisServer(folder)
        redis.start()
        fleet = Fleet(folder, store_server, redis)
        try:
            for _ in range(2):
                fleet.add_host()
            yield fleet
        finally:
            fleet.stop()
            redis.stop()


def test_a_crowd_at_two_hosts_lets_each_image_be_rendered_once(fleet: Fleet) -> None:
    before = sum(fleet.rendered().values())
    urls = [fleet.url(fleet.draw(f"crowd-{number}.png", (640, 480)), width=300) for number in range(PICTURES)]
    for url in urls:
        answers = all_at_once([(fleet.hosts[index % 2], url) for index in range(CROWD)])
        assert {answer.status if isinstance(answer, Answer) else answer for answer in answers} == {200}
        assert len({answer.body for answer in answers if isinstance(answer, Answer)}) == 1
    assert sum(fleet.rendered().values()) == before + PICTURES
    assert not fleet.hosts[0].warnings() + fleet.hosts[1].warnings()


def test_a_host_with_an_empty_disk_renders_nothing_of_what_the_others_have(fleet: Fleet) -> None:
    before = sum(fleet.rendered().values())
    pictures = [fleet.draw(f"known-{number}.png", (320, 240)) for number in range(4)]
    urls = [fleet.url(pictures[number % 4], width=16 + number // 4) for number in range(RENDITIONS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        made = list(clients.map(lambda each: fleet.hosts[each[0] % 2].get(each[1]), enumerate(urls)))
        assert sum(fleet.rendered().values()) == before + RENDITIONS

        new = fleet.add_host("--preload")  # both of its workers use the store, although they are forked
        found = list(clients.map(new.get, urls))
    assert {answer.status for answer in made + found} == {200}
    assert [answer.body for answer in found] == [answer.body for answer in made]
    assert decoded_size(found[-1].body)[0] == 16 + (RENDITIONS - 1) // 4
    assert new.rendered() == []
    assert not new.warnings()


def test_hosts_go_on_while_one_is_paused_or_gone_and_it_returns_with_its_disk(fleet: Fleet) -> None:
    first, second = fleet.hosts[:2]
    urls = [fleet.url(fleet.draw("returning.png"), width=width) for width in range(10, 16)]
    assert {first.get(url).status for url in urls[:2]} == {200}
    first.pause()
    assert {second.get(url).status for url in urls[:4]} == {200}
    first.resume()
    first.kill()
    assert isinstance(first.asked(urls[0]), OSError)
    assert {second.get(url).status for url in urls} == {200}
    first.start()
    rendered = fleet.rendered()
    assert {first.get(url).status for url in urls} == {200}
    assert fleet.rendered() == rendered
