"""The site of `docker/`, on two hosts of this machine, with the same configuration files."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import pytest
from nginx.test_nginx import Answer, ask
from real_servers import RedisServer, StoreServer
from servers import decoded_size, until

from topology.fronts import FRONTS, answers
from topology.native import Topology

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")

Make = Callable[[str], Topology]


@pytest.fixture
def start(disks: Path, store_server: StoreServer, redis_server: RedisServer) -> Iterator[Make]:
    """A function that starts the topology with a front."""
    started: list[Topology] = []

    def start(front: str) -> Topology:
        started.append(Topology(disks, front, store_server, redis_server))
        return started[-1]

    yield start
    for topology in started:
        topology.stop()


def images_of_page(topology: Topology) -> list[str]:
    page = topology.get("/")
    assert page.status == 200
    return [unescape(url) for url in re.findall(r'src="([^"]+)"', page.body.decode())]


@pytest.mark.parametrize("front", FRONTS)
def test_a_page_and_its_images_are_served_and_each_is_rendered_once(start: Make, front: str) -> None:
    topology = start(front)
    urls = images_of_page(topology)
    assert len(urls) == 7

    with ThreadPoolExecutor(14) as clients:
        found = list(clients.map(topology.get, urls * 4))
    assert [decoded_size(answer.body) for answer in found] == [(320, 240)] * 28
    assert sum(topology.rendered()) == 7
    # Each host also has what only the other one was asked for, without rendering it.
    for host in topology.hosts:
        assert {ask(host.door.port, url).status for url in urls} == {200}
    assert sum(topology.rendered()) == 7
    assert topology.get("/metrics/images").status == 404


@pytest.mark.parametrize("front", FRONTS)
def test_a_host_whose_pool_for_images_is_gone_sends_what_it_has_and_the_other_renders(start: Make, front: str) -> None:
    topology = start(front)
    first, second = topology.hosts
    urls = images_of_page(topology)
    for url in urls[:4]:
        assert ask(first.door.port, url).status == 200
    first.images.kill()

    assert {ask(first.door.port, url).status for url in urls[:4]} == {200}
    assert {topology.get(url).status for url in urls} == {200}
    assert {ask(first.door.port, url).status for url in urls[4:]} == {502}
    assert topology.get("/").status == 200
    assert second.rendered() >= 3


def test_pages_are_answered_while_all_threads_for_images_wait_for_renders(start: Make) -> None:
    topology = start("haproxy")
    urls = images_of_page(topology)
    for host in topology.hosts:
        host.images.restart(GUNICORN_CMD_ARGS="--workers=1 --threads=3")
        assert ask(host.door.port, urls[0]).status == 200  # which starts the renderers
        host.signal_renderers(signal.SIGSTOP)
    found: list[Answer] = []
    threads = [
        threading.Thread(target=lambda url=url, port=host.door.port: found.append(ask(port, url)), daemon=True)
        for host in topology.hosts
        for url in urls[1:]
    ]
    try:
        for thread in threads:
            thread.start()
        for host in topology.hosts:
            until(lambda host=host: not answers(host.images.port, 0.5), "no thread for images is left")
        assert {topology.get(url).status for url in ["/", "/up"] * 5} == {200, 204}
        assert found == []
    finally:
        for host in topology.hosts:
            host.signal_renderers(signal.SIGCONT)
    for thread in threads:
        thread.join()
    assert [answer.status for answer in found] == [200] * len(threads)
