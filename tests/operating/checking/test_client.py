"""Asking a site: whatever answers there, it ends."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from flask_images_vips.operating.checking import client


@contextmanager
def dripping(begin: bytes) -> Iterator[str]:
    """A server that sends *begin* to one visitor, and then a byte from time to time, until that hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(begin)
                while True:
                    time.sleep(0.02)
                    connection.sendall(b"x")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    thread.join(10)
    assert not thread.is_alive()  # the visitor has hung up


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"H"]
)
def test_an_answer_without_an_end_is_given_up(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LONGEST_SECONDS", 0.2)
    with dripping(begin) as url, pytest.raises((TimeoutError, http.client.HTTPException)):
        client.ask(url, "/a.png")


def test_a_long_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MAX_BYTES", 10)
    with dripping(b"HTTP/1.0 200 OK\r\nX-A: b\r\n\r\n") as url:
        answer = client.ask(url, "/a.png")
    assert (answer.status, answer.body, answer.headers["x-a"]) == (200, b"x" * 10, "b")
