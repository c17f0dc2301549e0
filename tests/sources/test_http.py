"""Fetching remote sources from real servers, good ones and such as misbehave in every way there is."""

from __future__ import annotations

import io
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from flask_images_vips.errors import RemoteFailed, SourceNotFound
from flask_images_vips.sources.http import Reply
from sources.shared import (
    CHUNKED,
    GRACE_SECONDS,
    HANDSHAKES,
    MAX_BYTES,
    MISBEHAVIOUR,
    OK,
    TOTAL_SECONDS,
    Script,
    Server,
    client_of,
    fetch_once,
    fetched,
    in_turn,
    redirects,
    sends,
    status,
    stops,
)


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """No thread and no descriptor more after the block than before."""

    def held() -> tuple[set[threading.Thread], int]:
        return set(threading.enumerate()), psutil.Process().num_fds() if os.name == "posix" else 0

    before = held()
    yield
    assert held() == before


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_misbehaving_server_is_a_failure_within_the_time_limit(
    secure: bool, trusting: ssl.SSLContext, certified: Callable[..., ssl.SSLContext]
) -> None:
    context = certified("127.0.0.1") if secure else None
    fetch_once(trusting)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: misbehave(MISBEHAVIOUR[name], name, context, trusting), MISBEHAVIOUR))


def test_a_misbehaving_handshake_is_a_failure_within_the_time_limit(trusting: ssl.SSLContext) -> None:
    fetch_once(trusting)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: misbehave(HANDSHAKES[name], name, None, trusting, is_tls=True), HANDSHAKES))


def misbehave(
    script: Script, name: str, context: ssl.SSLContext | None, trusting: ssl.SSLContext, *, is_tls: bool = False
) -> None:
    """Fetch from a server that does *script*: it must fail in time, and soon close the connection."""
    with Server(script, context, reads=not is_tls) as server:
        client = client_of(server, trusting=trusting, timeout_seconds=TOTAL_SECONDS)
        url = server.url.replace("http:", "https:") if is_tls else server.url
        started = time.monotonic()
        try:
            reply = client.get(url, io.BytesIO())
        except RemoteFailed as error:
            failure = error
        else:
            pytest.fail(f"{name}: {reply}")
        seconds = time.monotonic() - started
        assert seconds < TOTAL_SECONDS + GRACE_SECONDS, f"{name}: {seconds:.2f} s, {failure}"
        assert failure.ref == url


def test_failures_leave_neither_a_thread_nor_a_socket_behind(
    context: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    names = ("drips a body with a length", "a chunk cut short", "a redirect to itself", "status 500", "an endless body")
    fetch_once(trusting)
    for name in names:
        with nothing_left_behind():
            misbehave(MISBEHAVIOUR[name], name, context, trusting)
    if context is not None:
        with nothing_left_behind():
            misbehave(HANDSHAKES["a dripping handshake"], "", None, trusting, is_tls=True)


def test_success_leaves_neither_a_thread_nor_a_socket_behind(
    context: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    # It keeps the connection open, though it was asked to close it.
    good = stops(OK + b"Content-Length: 8\r\n\r\nan image")
    fetch_once(trusting)
    with nothing_left_behind(), Server(good, context) as server:
        assert fetched(server, trusting)[1] == b"an image"


def test_an_answer_is_written_and_described(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    headers = (b'ETag: "1"', b"Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT", b"Date: Tue, 24 Nov 2026 10:00:00 GMT")
    caching = (b"Age: 30", b"Cache-Control: max-age=60", b"Cache-Control: public", b"Expires: 0")
    kind = b"Content-Type: image/png"
    with Server(status(200, *headers, *caching, kind, body=b"an image"), context) as server:
        reply, body = fetched(server, trusting)
    assert body == b"an image"
    assert reply == Reply(
        status=200,
        etag='"1"',
        last_modified="Mon, 23 Nov 2026 10:00:00 GMT",
        date="Tue, 24 Nov 2026 10:00:00 GMT",
        age=30,
        cache_control="max-age=60, public",
        expires="0",
        size_bytes=8,
    )


def test_an_answer_may_say_nothing_of_itself(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    with Server(sends(b"HTTP/1.0 200 OK\r\nAge: old\r\n\r\nan image"), context) as server:
        reply, body = fetched(server, trusting)
    assert body == b"an image"
    assert reply == Reply(200, None, None, None, None, None, None, 8)


def test_the_request_tells_what_is_wanted_and_nothing_else(trusting: ssl.SSLContext) -> None:
    with Server(status(200)) as server:
        fetched(server, trusting)
    first, *lines = server.requests[0].decode().rstrip().split("\r\n")
    assert first == "GET /a.jpg HTTP/1.1"
    assert dict(line.split(": ", 1) for line in lines) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": "flask-images-vips",
        "Accept": "image/*, */*;q=0.1",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_validators_are_sent_and_304_is_an_answer(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    date = "Mon, 23 Nov 2026 10:00:00 GMT"
    unchanged = sends(b'HTTP/1.1 304 Not Modified\r\nETag: "2"\r\nContent-Length: 5\r\n\r\n')
    for validators in ({"etag": '"1"'}, {"last_modified": date}, {"etag": '"1"', "last_modified": date}):
        with Server(unchanged, context) as server:
            reply, body = fetched(server, trusting, **validators)
        assert (reply.status, reply.etag, reply.size_bytes, body) == (304, '"2"', 0, b"")
        request = server.requests[0].decode()
        assert ('If-None-Match: "1"\r\n' in request) == ("etag" in validators)
        assert (f"If-Modified-Since: {date}\r\n" in request) == ("last_modified" in validators)


def test_a_validator_cannot_carry_another_header(trusting: ssl.SSLContext) -> None:
    with Server(status(200)) as server:
        for validator in ('"1"\r\nX-Evil: 1', '"1"\nX-Evil: 1', '"€"'):
            with pytest.raises(RemoteFailed):
                fetched(server, trusting, etag=validator)
    assert not any(b"Evil" in request for request in server.requests)


def test_a_chunked_body_is_put_together(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    body = bytes(range(256)) * 1000
    pieces = (body[:1], body[1:90_000], body[90_000:])
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    with Server(sends(CHUNKED, chunks, b"0\r\nX-Trailer: 1\r\n\r\n"), context) as server:
        reply, received = fetched(server, trusting)
    assert received == body
    assert reply.size_bytes == len(body)


def test_a_body_ends_where_it_was_announced_to(context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    with Server(sends(OK, b"Content-Length: 3\r\n\r\nabcdef"), context) as server:
        assert fetched(server, trusting)[1] == b"abc"


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(
    context: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    for start in (OK + b"\r\n", OK + b"Content-Length: %d\r\n\r\n"):
        for extra, fits in ((0, True), (1, False)):
            size = MAX_BYTES + extra
            head = start % size if b"%d" in start else start
            with Server(sends(head, b"a" * size), context) as server:
                if fits:
                    assert fetched(server, trusting)[0].size_bytes == size
                else:
                    with pytest.raises(RemoteFailed, match="limit"):
                        fetched(server, trusting)


@pytest.mark.parametrize("code", [404, 410])
def test_what_the_server_says_is_missing_is_not_found(
    code: int, context: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    with Server(status(code), context) as server, pytest.raises(SourceNotFound, match=str(code)):
        fetched(server, trusting)


def test_a_source_that_is_missing_after_a_redirect_has_the_name_it_was_asked_for_by(trusting: ssl.SSLContext) -> None:
    with Server(status(404)) as end, Server(redirects(end.url)) as start, pytest.raises(SourceNotFound) as caught:
        client_of(start, end).get(start.url, io.BytesIO())
    assert caught.value.ref == start.url
    assert end.url in caught.value.reason


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(code: int, context: ssl.SSLContext | None, trusting: ssl.SSLContext) -> None:
    file = io.BytesIO()
    with Server(status(200, body=b"an image"), context) as end, Server(redirects(end.url, code)) as start:
        client_of(start, end, trusting=trusting).get(start.url, file, etag='"1"')
    assert file.getvalue() == b"an image"
    assert b"GET /a.jpg " in end.requests[0]
    assert end.requests[0].count(f"Host: 127.0.0.1:{end.port}".encode()) == 1


def test_a_redirect_may_be_relative_and_need_not_be_ascii(trusting: ssl.SSLContext) -> None:
    with Server(in_turn(redirects("../é.jpg?ü"), status(200))) as server:
        fetched(server, trusting)
    assert b"GET /%C3%A9.jpg?%C3%BC " in server.requests[1]


def test_spaces_in_a_url_and_in_a_redirect_are_quoted(trusting: ssl.SSLContext) -> None:
    with Server(in_turn(redirects("/next one.jpg?x y"), status(200))) as server:
        server_url = f"{server.url} b.jpg"
        client_of(server, trusting=trusting).get(server_url, io.BytesIO())
    assert b"%20b.jpg " in server.requests[0]
    assert b"GET /next%20one.jpg?x%20y " in server.requests[1]


def test_so_many_redirects_are_followed_and_no_more(trusting: ssl.SSLContext) -> None:
    for redirects_given, fits in ((0, True), (2, True), (3, False)):
        with Server(in_turn(*[redirects("/next")] * redirects_given, status(200))) as server:
            client = client_of(server, max_redirects=2)
            if fits:
                client.get(server.url, io.BytesIO())
            else:
                with pytest.raises(RemoteFailed, match="more than 2 redirects"):
                    client.get(server.url, io.BytesIO())
        assert len(server.requests) == min(redirects_given + 1, 3)


def test_the_time_limit_is_for_all_redirects_together() -> None:
    def dawdles(connection: socket.socket) -> None:
        time.sleep(0.4)
        redirects("/next")(connection)

    with Server(dawdles) as server:
        started = time.monotonic()
        with pytest.raises(RemoteFailed, match="within 1 s"):
            client_of(server, timeout_seconds=TOTAL_SECONDS, max_redirects=100).get(server.url, io.BytesIO())
        assert time.monotonic() - started < TOTAL_SECONDS + GRACE_SECONDS


def test_a_proxy_of_the_environment_sees_nothing(trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(status(200)) as proxy, Server(status(200, body=b"an image")) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert fetched(server, trusting)[1] == b"an image"
    assert proxy.requests == []


def test_a_file_that_cannot_be_written_is_no_failure_of_the_server(trusting: ssl.SSLContext) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    fetch_once(trusting)
    with Server(status(200)) as server, pytest.raises(OSError, match="No space left"):
        client_of(server).get(server.url, Full())
