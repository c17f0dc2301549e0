"""What `docker/` puts in front of the hosts, HAProxy or nginx, before two hosts that tell what they were asked."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from nginx.test_nginx import Answer, ask
from servers import PATIENCE_SECONDS, until

from topology.fronts import FRONTS, Haproxy, Nginx, start_front

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: HAProxy, nginx")

URLS = [f"/imgsizer/photo.jpg?w={width}&s=abc" for width in range(100, 140)]


class FakeHost:
    """A host that records the requests for images and pages, and answers with `status`, or not at all if that is 0.

    It answers requests for images only while `renders` is set.
    """

    def __init__(self) -> None:
        host = self
        self.status = 200
        self.renders = threading.Event()
        self.renders.set()
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._connections: list[socket.socket] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/up":  # the health check
                    self.send_response(204)
                    self.end_headers()
                    return
                host.asked.append((self.command, self.path))
                host.headers.append(dict(self.headers))
                if self.path.startswith("/imgsizer/"):
                    host.renders.wait(PATIENCE_SECONDS)
                if host.status == 0:
                    self.close_connection = True
                    return
                self.send_response(host.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = respond  # noqa: N815

            def setup(self) -> None:
                super().setup()
                host._connections.append(self.connection)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # clients that have gone
        self._server.daemon_threads = False  # server_close waits for them
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def paths(self) -> set[str]:
        return {path for _, path in self.asked}

    def stop(self) -> None:
        """Refuse connections, and end those that are kept alive."""
        self._server.shutdown()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()


class Hosts(NamedTuple):
    first: FakeHost
    second: FakeHost
    front: Haproxy | Nginx

    def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        return ask(self.front.port, url, method, **headers)

    def forget(self) -> None:
        for host in (self.first, self.second):
            host.asked.clear()
            host.headers.clear()


@contextlib.contextmanager
def two_hosts(start: Callable[[list[int]], Haproxy | Nginx]) -> Iterator[Hosts]:
    """Two hosts behind the front that *start* starts before their ports."""
    first, second = FakeHost(), FakeHost()
    here = Hosts(first, second, start([first.port, second.port]))
    try:
        until(lambda: here.get("/").status == 200, "the front finds its hosts")
        here.forget()
        yield here
    finally:
        here.front.stop()
        first.stop()
        second.stop()


@pytest.fixture(params=FRONTS)
def hosts(request: pytest.FixtureRequest, disks: Path) -> Iterator[Hosts]:
    with two_hosts(lambda ports: start_front(request.param, disks, ports)) as hosts:
        yield hosts


def test_each_image_belongs_to_one_host_and_only_those_of_a_host_that_leaves_move(hosts: Hosts) -> None:
    for _ in range(3):
        assert {hosts.get(url).status for url in URLS} == {200}
    first, second = hosts.first.paths(), hosts.second.paths()
    assert first | second == set(URLS)
    assert first & second == set()
    assert min(len(first), len(second)) > len(URLS) / 5

    hosts.forget()
    hosts.second.stop()
    assert {hosts.get(url).status for url in URLS} == {200}
    assert hosts.first.paths() == set(URLS)


def test_what_a_host_could_not_answer_is_asked_of_the_other_one_but_never_a_post(hosts: Hosts) -> None:
    for status in (502, 0):
        for url in ("/imgsizer/photo.jpg?w=1&s=a", "/page"):
            hosts.forget()
            hosts.first.status = hosts.second.status = status
            assert hosts.get(url).status == 502
            assert len(hosts.first.asked) + len(hosts.second.asked) == 2
            assert hosts.first.paths() == hosts.second.paths() == {url}

            hosts.forget()
            assert hosts.get(url, "POST").status == 502
            asked = Counter(hosts.first.asked + hosts.second.asked)
            assert asked == {("POST", url): 1}


def test_an_error_of_the_application_is_passed_on_and_not_repeated(hosts: Hosts) -> None:
    for status in (503, 404, 500):
        hosts.forget()
        hosts.first.status = hosts.second.status = status
        for url in ("/imgsizer/photo.jpg?w=1&s=a", "/page"):
            assert hosts.get(url).status == status
        assert len(hosts.first.asked) + len(hosts.second.asked) == 2


def test_metrics_and_health_of_the_hosts_are_not_shown_to_visitors(hosts: Hosts) -> None:
    assert [hosts.get(url).status for url in ("/metrics/images", "/health/images")] == [404, 404]
    assert hosts.first.asked == hosts.second.asked == []


def test_hosts_hear_of_the_visitor_and_the_scheme(hosts: Hosts) -> None:
    for url in ("/imgsizer/photo.jpg?w=1&s=a", "/page"):
        hosts.forget()
        hosts.get(url, Host="example.com", X_Forwarded_Proto="gopher")
        (headers,) = hosts.first.headers + hosts.second.headers
        heard = {name.lower(): text for name, text in headers.items()}
        assert (heard["host"], heard["x-forwarded-proto"]) == ("example.com", "http")
        assert heard["x-forwarded-for"].endswith("127.0.0.1")


def test_images_queue_in_haproxy_for_hosts_that_are_full_and_pages_do_not_wait_for_them(disks: Path) -> None:
    full = {"maxconn 512": "maxconn 1"}
    with two_hosts(lambda ports: Haproxy(disks, ports, full)) as hosts, ThreadPoolExecutor(len(URLS)) as clients:
        for host in (hosts.first, hosts.second):
            host.renders.clear()
        answers = [clients.submit(hosts.get, url) for url in URLS]
        until(lambda: hosts.first.asked and hosts.second.asked, "both hosts have an image to render")
        until(lambda: queued(hosts) == len(URLS) - 2, "the other requests wait")
        assert [hosts.get("/page").status for _ in range(10)] == [200] * 10
        assert len(hosts.first.paths() & set(URLS)) == len(hosts.second.paths() & set(URLS)) == 1
        for host in (hosts.first, hosts.second):
            host.renders.set()
        assert [answer.result().status for answer in answers] == [200] * len(URLS)


def queued(hosts: Hosts) -> int:
    """How many requests for images wait in HAProxy, by its own metrics."""
    assert isinstance(hosts.front, Haproxy)
    text = ask(hosts.front.metrics_port, "/metrics").body.decode()
    return sum(
        map(int, re.findall(r'^haproxy_(?:server|backend)_current_queue{proxy="images".*} (\d+)$', text, re.MULTILINE))
    )
