"""Two hosts behind a cache in front: what one of them forgets is gone from both, and from that cache."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from cdn.test_varnish import is_hit, varnish
from nginx.test_nginx import ask
from real_servers import RedisServer, free_port
from servers import site

from flask_images_vips import Images
from topology.fleet import Fleet
from topology.fronts import start_front

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: gunicorn, nginx, Varnish")

WIDTHS = range(10, 18)


def test_what_one_host_forgets_is_gone_from_both_and_from_the_cache_in_front(
    disks: Path, redis_server: RedisServer
) -> None:
    port = free_port()
    cdn = {"cdn": "varnish", "urls": [f"http://127.0.0.1:{port}/"]}
    fleet = Fleet(disks, None, redis_server, IMAGES_CACHE_TAGS="varnish", IMAGES_CDN=cdn, IMAGES_MAX_RENDERS=0)
    try:
        hosts = [fleet.add_host("--workers=1") for _ in range(2)]
        front = start_front("nginx", disks / "front", [host.port for host in hosts])
        try:
            with varnish(port, front.port):
                forget_and_ask(fleet, port)
        finally:
            front.stop()
    finally:
        for host in fleet.hosts:
            host.kill()


def forget_and_ask(fleet: Fleet, port: int) -> None:
    first, second = fleet.hosts
    fleet.draw("secret.png")
    urls = [fleet.url("secret.png", width=width) for width in WIDTHS]
    for url in urls:
        assert [ask(port, url).status for _ in range(2)] == [200, 200]
    assert all(is_hit(ask(port, url)) for url in urls)
    assert min(fleet.rendered().values()) > 0  # the front gives URLs to both
    images: Images = site(first.folder, **fleet.config).extensions["images"]
    begin = time.monotonic()
    receipt = images.forget("secret.png")
    answers = [ask(port, url).status for url in urls] + [host.get(urls[0]).status for host in (first, second)]
    seconds = time.monotonic() - begin
    assert answers == [410] * len(answers)
    assert receipt.cdn == ("varnish",)
    assert len(receipt.hosts) == 1, receipt
    print(f"gone everywhere after {seconds * 1000:.0f} ms, of which forget took {receipt.seconds * 1000:.0f} ms")
