"""The site of `docker/`, on two hosts of this machine, with the same configuration files."""

from __future__ import annotations

import itertools
import re
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
from nginx.test_nginx import Answer, ask
from real_servers import RedisServer, StoreServer
from servers import decoded_size, until

from topology.conftest import short_folder
from topology.fronts import FRONTS, answers
from topology.native import Topology

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="renderers need Linux")


@pytest.fixture(scope="module")
def shared_topology(store_server: StoreServer) -> Iterator[Topology]:
    """Shared by all tests, which restore what they change."""
    with short_folder() as folder:
        redis = RedisServer(folder)
        redis.start()
        topology = Topology(folder, store_server, redis)
        yield topology
        topology.stop()
        redis.stop()


@pytest.fixture(params=FRONTS)
def topology(request: pytest.FixtureRequest, shared_topology: Topology) -> Topology:
    shared_topology.front = shared_topology.fronts[request.param]
    return shared_topology


widths = itertools.count(200)


def new_page(topology: Topology) -> list[str]:
    """The URLs of the images of a page, in a size that no other test has used."""
    page = topology.get(f"/?width={next(widths)}")
    assert page.status == 200
    urls = [unescape(url) for url in re.findall(r'src="([^"]+)"', page.body.decode())]
    assert len(urls) == 7
    return urls


def test_a_page_and_its_images_are_served_and_each_is_rendered_once(topology: Topology) -> None:
    before = sum(topology.rendered())
    urls = new_page(topology)
    with ThreadPoolExecutor(14) as clients:
        found = list(clients.map(topology.get, urls * 4))
    assert {decoded_size(answer.body)[1] for answer in found} == {240}
    assert sum(topology.rendered()) == before + 7
    # Each host also has what only the other one was asked for, without rendering it.
    for host in topology.hosts:
        assert {ask(host.door.port, url).status for url in urls} == {200}
    assert sum(topology.rendered()) == before + 7


def test_a_host_whose_pool_for_images_is_gone_sends_what_it_has_and_the_other_one_renders(topology: Topology) -> None:
    first, _ = topology.hosts
    urls = new_page(topology)
    known, new = urls[:4], urls[4:]
    assert {ask(first.door.port, url).status for url in known} == {200}
    first.images.kill()
    try:
        assert {ask(first.door.port, url).status for url in known} == {200}
        assert {ask(first.door.port, url).status for url in new} == {502}
        assert {topology.get(url).status for url in ["/", *urls]} == {200}
    finally:
        first.images.start()
        first.images.wait()


def test_pages_are_answered_while_all_threads_for_images_wait_for_renders(shared_topology: Topology) -> None:
    topology = shared_topology
    urls = new_page(topology)
    for host in topology.hosts:
        host.images.kill()
        host.images.start(GUNICORN_CMD_ARGS="--workers=1 --threads=3")
    for host in topology.hosts:
        host.images.wait()
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
        assert [topology.get(url).status for url in ["/", "/up"] * 5] == [200, 204] * 5
        assert found == []
    finally:
        for host in topology.hosts:
            host.signal_renderers(signal.SIGCONT)
    for thread in threads:
        thread.join()
    assert [answer.status for answer in found] == [200] * len(threads)


def test_the_front_hides_what_is_for_operators_and_each_host_shows_it(topology: Topology) -> None:
    for url in ("/metrics/images", "/health/images"):
        assert topology.get(url).status == 404
        assert [ask(host.door.port, url).status for host in topology.hosts] == [200, 200]
