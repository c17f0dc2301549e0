"""A real Caddy with the configuration in docs/deploying/caddy.md passes images on as they are."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import PHOTOGRAPHS, needs, url_of
from flask import Flask, request
from real_servers import free_port
from servers import IN_THREAD, until
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import make_server

from docs.blocks import blocks_of, runs
from flask_images_vips import Images

PAGE = "docs/deploying/caddy.md"
CADDY = shutil.which("caddy")
OPTIONS = """{{
	admin off
	auto_https disable_redirects
	skip_install_trust
	http_port {http}
	https_port {https}
}}
"""
NAMES = ("cat.jpg", "two words (é).jpg", "plus+and,comma.jpg")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Front(NamedTuple):
    app: Flask
    upstream: int
    http: int
    https: int

    def ask(self, url: str, method: str = "GET", *, tls: bool = False, **headers: str) -> Answer:
        if tls:
            context = ssl._create_unverified_context()
            client: http.client.HTTPConnection = http.client.HTTPSConnection("localhost", self.https, context=context)
        else:
            client = http.client.HTTPConnection("127.0.0.1", self.http)
        client.timeout = 20
        try:
            client.request(method, url, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = client.getresponse()
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, named, response.read())
        finally:
            client.close()


def site(folder: Path) -> Flask:
    """An application with the page's settings."""
    (folder / "static").mkdir()
    for name in NAMES:
        shutil.copyfile(PHOTOGRAPHS / "cat.jpg", folder / "static" / name)
        os.utime(folder / "static" / name, (1_700_000_000, 1_700_000_000))
    app = Flask("site", root_path=str(folder))
    app.config.update(SECRET_KEY="caddy", IMAGES_CACHE="cache", IMAGES_METRICS="/metrics/images", **IN_THREAD)
    (settings,) = (block.code for block in blocks_of(PAGE) if block.language == "python")
    exec(settings, {"app": app})
    assert isinstance(app.wsgi_app, ProxyFix)
    Images(app)
    app.add_url_rule("/who", view_func=lambda: f"{request.scheme} {request.remote_addr}")
    return app


def written(http_port: int, https_port: int, upstream: int) -> str:
    """The Caddyfiles of the page in one file, for two ports of this test."""
    first, pools, local, _ = (block.code for block in blocks_of(PAGE) if block.language == "caddyfile")
    assert "8001" in pools
    text = first.replace("www.example.com", f"http://127.0.0.1:{http_port}") + local
    return OPTIONS.format(http=http_port, https=https_port) + text.replace("127.0.0.1:8000", f"127.0.0.1:{upstream}")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    needs("caddy", CADDY, "apt-get install caddy")
    assert CADDY is not None
    folder = tmp_path_factory.mktemp("caddy")
    app = site(folder)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    ports = free_port(), free_port()
    (folder / "Caddyfile").write_text(written(*ports, server.server_port))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        command = [CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, env={**os.environ, **home}, stdout=log, stderr=log)
    made = Front(app, server.server_port, *ports)
    try:
        until(lambda: process.poll() is not None or answers(made), "Caddy answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield made
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        thread.join(20)
        server.server_close()


def answers(front: Front) -> bool:
    try:
        return front.ask("/who").status == front.ask("/who", tls=True).status == 200
    except OSError:
        return False


@runs("docs/deploying/caddy.md", "www.example.com {\n\t# Metrics", "localhost {")
@pytest.mark.parametrize("name", NAMES)
def test_caddy_passes_an_image_on_as_it_is(front: Front, name: str) -> None:
    url = url_of(front.app, name, width=64)
    answer = front.ask(url)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"  # the URL arrived as it was written
    direct = front._replace(http=front.upstream).ask(url)
    assert direct.body == answer.body
    different = {key for key, value in direct.headers.items() if answer.headers.get(key) != value}
    assert different <= {"server", "date", "connection", "expires"}


def test_conditions_ranges_and_heads_are_answered(front: Front) -> None:
    url = url_of(front.app, "cat.jpg", width=64)
    whole = front.ask(url)
    assert front.ask(url, If_None_Match=whole.headers["etag"]).status == 304
    part = front.ask(url, Range="bytes=0-9")
    assert (part.status, part.body) == (206, whole.body[:10])
    head = front.ask(url, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", whole.headers["content-length"])


def test_the_application_hears_who_asks_and_by_which_scheme(front: Front) -> None:
    forged = {"X_Forwarded_For": "192.0.2.1", "X_Forwarded_Proto": "ftp"}
    assert front.ask("/who", **forged).body == b"http 127.0.0.1"
    assert front.ask("/who", tls=True).body.startswith(b"https ")


def test_metrics_stay_inside(front: Front) -> None:
    assert front.ask("/metrics/images").status == 404
    assert front._replace(http=front.upstream).ask("/metrics/images").status == 200
