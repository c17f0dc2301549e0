"""Connections that are opened past no guard, in time, and to nobody else."""

from __future__ import annotations

import io
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from flask_images_vips.errors import Busy, RemoteFailed
from flask_images_vips.sources.guard import Guard
from flask_images_vips.sources.http import Client
from sources.shared import (
    HANDSHAKES,
    Server,
    client_of,
    fetched,
    guard_of,
    status,
)
from sources.test_guard import answer


def test_a_handshake_that_hangs_ends_with_the_time_for_connecting(trusting: ssl.SSLContext) -> None:
    with Server(HANDSHAKES["a dripping handshake"], reads=False) as server:
        client = client_of(server, trusting=trusting, connect_timeout_seconds=0.5)
        started = time.monotonic()
        with pytest.raises(RemoteFailed):
            client.get(server.url.replace("http:", "https:"), io.BytesIO())
        assert time.monotonic() - started < client.timeout_seconds


def test_a_name_lookup_that_hangs_ends_with_the_time_for_connecting_and_so_many_may_hang() -> None:
    done = threading.Event()

    def hangs(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        done.wait(60)
        return []

    client = Client(Guard(getaddrinfo=hangs), connect_timeout_seconds=0.3)
    before = set(threading.enumerate())
    try:
        started = time.monotonic()
        with pytest.raises(RemoteFailed, match="name lookup took longer"):
            client.get("http://slow.example/", io.BytesIO())
        assert time.monotonic() - started < client.timeout_seconds
        with ThreadPoolExecutor(40) as pool:
            reasons = list(pool.map(lambda _: reason_of(client, "http://slow.example/"), range(40)))
        assert sum("too many name lookups" in reason for reason in reasons) == 9
    finally:
        done.set()
        for thread in set(threading.enumerate()) - before:
            thread.join()


def reason_of(client: Client, url: str) -> str:
    with pytest.raises((RemoteFailed, Busy)) as caught:
        client.get(url, io.BytesIO())
    return str(caught.value)


def test_a_dead_address_does_not_keep_the_others_from_being_tried() -> None:
    with Server(status(200, body=b"an image")) as server, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
        other.close()
        answers = [answer("127.0.0.3", closed), answer("::1", closed), answer("127.0.0.1", server.port)]
        file = io.BytesIO()
        client = Client(guard_of(server, getaddrinfo=lambda *_, **__: answers))
        client.get(f"http://images.example:{server.port}/", file)
    assert file.getvalue() == b"an image"


def test_ipv6_servers_are_reached(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    try:
        server = Server(status(200, body=b"an image"), context, "::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    with server:
        assert fetched(server, trusting)[1] == b"an image"
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize(
    ("names", "host", "is_good"),
    [
        (["images.example"], "images.example", True),
        (["images.example"], "IMAGES.example.", True),
        (["*.images.example"], "a.images.example", True),
        (["xn--bcher-kva.example"], "bücher.example", True),
        (["127.0.0.1"], "127.0.0.1", True),
        (["other.example"], "images.example", False),
        (["127.0.0.1"], "images.example", False),
        (["images.example"], "127.0.0.1", False),
    ],
)
def test_a_certificate_must_be_for_the_host_of_the_url(
    names: list[str], host: str, is_good: bool, certified: Callable[..., ssl.SSLContext], trusting: ssl.SSLContext
) -> None:
    asked: list[str | None] = []
    context = certified(*names)
    context.sni_callback = lambda _, name, __: asked.append(name)
    with Server(status(200), context) as server:
        guard = guard_of(
            server, hosts=("*.example", "127.0.0.1"), getaddrinfo=lambda *_, **__: [answer("127.0.0.1", server.port)]
        )
        client = Client(guard, ssl_context=trusting)
        url = f"https://{host}:{server.port}/"
        if is_good:
            client.get(url, io.BytesIO())
        else:
            with pytest.raises(RemoteFailed, match="certificate"):
                client.get(url, io.BytesIO())
            assert server.requests == []
    expected = host.lower().rstrip(".").encode("idna").decode()
    assert asked == [None if host == "127.0.0.1" else expected]


def test_a_certificate_of_nobody_is_refused(certified: Callable[..., ssl.SSLContext]) -> None:
    with Server(status(200), certified("127.0.0.1")) as server, pytest.raises(RemoteFailed, match="certificate"):
        client_of(server).get(server.url, io.BytesIO())


def run_with(urllib3: str, folder: Path) -> str:
    """What a first fetch says in a process where *urllib3* is the source of that package."""
    (folder / "urllib3").mkdir()
    (folder / "urllib3" / "__init__.py").write_text("__version__ = '2.99'\n" + urllib3)
    (folder / "urllib3" / "connection.py").write_text(urllib3)
    code = (
        f"import io, sys; sys.path.insert(0, {str(folder)!r})\n"
        "from flask_images_vips.errors import ConfigError\n"
        "from flask_images_vips.sources.guard import Guard\n"
        "from flask_images_vips.sources.http import Client\n"
        "try:\n    Client(Guard()).get('http://127.0.0.1:80/', io.BytesIO())\n"
        "except ConfigError as error:\n    print(error)\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_a_missing_urllib3_is_told_with_the_way_to_install_it(tmp_path: Path) -> None:
    assert "pip install 'urllib3>=2.0.2'" in run_with("raise ImportError", tmp_path)


def test_a_urllib3_that_goes_past_the_guard_turns_remote_sources_off(tmp_path: Path) -> None:
    replaced = """
import socket

class HTTPConnection:
    def __init__(self, host, port, **_):
        self.host, self.port = host, port

    def connect(self):
        self._open_as_it_likes()

    def _open_as_it_likes(self):
        pass

    def close(self):
        pass

HTTPSConnection = HTTPConnection
"""
    said = run_with(replaced, tmp_path)
    assert "(2.99) bypasses the check for private addresses" in said
    assert "remote sources are off" in said
