"""Fetching remote sources from real servers, good ones and such as misbehave in every way there is."""

from __future__ import annotations

import io
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from conftest import ROOT

from flask_images_vips.errors import RemoteFailed, SourceNotFound
from flask_images_vips.sources.guard import Guard
from flask_images_vips.sources.http import Client, Reply
from sources.test_guard import answer

TOTAL_SECONDS = 1.0
GRACE_SECONDS = 0.5  # how much later than that a fetch may end
MAX_BYTES = 1_000_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Script = Callable[[socket.socket], None]
"""What a server does with one connection, whose request it has read."""


class Server:
    """Runs *script* with each connection to a port of *host*, over TLS where there is a *context*."""

    def __init__(
        self, script: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", *, reads: bool = True
    ) -> None:
        self._script, self._context, self._reads = script, context, reads
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if context else 'http'}://{name}:{self.port}/a.jpg"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=[connection])
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with suppress(OSError), ExitStack() as stack:
            stack.enter_context(connection)
            if self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
            request = b""
            while self._reads and not request.endswith(b"\r\n\r\n"):
                if not (received := connection.recv(1 << 16)):
                    return
                request += received
            self.requests.append(request)
            self._script(connection)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


def sends(*pieces: bytes) -> Script:
    return lambda connection: connection.sendall(b"".join(pieces))


def drips(start: bytes, *, byte: bytes = b"a", every: float = 0.05) -> Script:
    """Sends *start*, then a byte now and then for ever, so that no pause is long enough for a timeout."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(every)
            connection.sendall(byte)

    return script


def pours(start: bytes, piece: bytes) -> Script:
    """Sends *start*, then *piece* again and again as fast as it can."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return script


def stops(start: bytes) -> Script:
    """Sends *start*, then waits until the client goes away."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while connection.recv(1 << 16):
            pass

    return script


def in_turn(*scripts: Script) -> Script:
    """Does the next of *scripts* with each connection."""
    following = iter(scripts)

    def script(connection: socket.socket) -> None:
        next(following)(connection)

    return script


def resets(start: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def redirects(location: str, status: int = 302) -> Script:
    return sends(f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())


def status(code: int, *headers: bytes, body: bytes = b"no image") -> Script:
    length = f"Content-Length: {len(body)}".encode()
    return sends(b"\r\n".join((f"HTTP/1.1 {code} Reason".encode(), *headers, length, b"", body)))


MISBEHAVIOUR: dict[str, Script] = {
    "says nothing": stops(b""),
    "drips a status line": drips(b"HTTP/1.1 20"),
    "drips a header": drips(OK + b"X-Slow: "),
    "drips headers": drips(OK, byte=b"X: y\r\n", every=0.02),
    "drips a body with a length": drips(OK + b"Content-Length: 1000\r\n\r\n"),
    "drips a body without a length": drips(OK + b"\r\n"),
    "drips chunks": drips(CHUNKED, byte=b"1\r\na\r\n"),
    "drips one chunk": drips(CHUNKED + b"ffff\r\n"),
    "drips a chunk's length": drips(CHUNKED, byte=b"0"),
    "drips trailers": drips(CHUNKED + b"1\r\na\r\n0\r\n", byte=b"X: y\r\n"),
    "stops within the headers": stops(OK + b"Content-"),
    "stops within the body": stops(OK + b"Content-Length: 9\r\n\r\nabc"),
    "stops before the last chunk": stops(CHUNKED + b"3\r\nabc\r\n"),
    "an endless body": pours(OK + b"\r\n", b"a" * 65536),
    "endless chunks": pours(CHUNKED, b"1000\r\n" + b"a" * 4096 + b"\r\n"),
    "endless chunks of one byte": pours(CHUNKED, b"1\r\na\r\n" * 1000),
    "an endless chunk": pours(CHUNKED + b"ffffffffffff\r\n", b"a" * 65536),
    "a chunk of length -1": pours(CHUNKED + b"-1\r\n", b"a" * 65536),
    "an endless chunk length": pours(CHUNKED, b"0" * 4096),
    "an endless chunk extension": pours(CHUNKED + b"1;", b"a" * 4096),
    "endless headers": pours(OK, b"X-More: more\r\n"),
    "an endless header": pours(OK + b"X-Long: ", b"a" * 4096),
    "an endless status line": pours(b"HTTP/1.1 200 ", b"a" * 4096),
    "100 Continue for ever": pours(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body shorter than announced": sends(OK, b"Content-Length: 100\r\n\r\nabc"),
    "a body over the limit": sends(OK, b"Content-Length: 1000001\r\n\r\n", b"a" * 1_000_001),
    "a length of words": sends(OK, b"Content-Length: three\r\n\r\nabc"),
    "a negative length": sends(OK, b"Content-Length: -3\r\n\r\nabc"),
    "a length with a sign": sends(OK, b"Content-Length: +3\r\n\r\nabc"),
    "an empty length": sends(OK, b"Content-Length: \r\n\r\nabc"),
    "two lengths": sends(OK, b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "a length of too many digits": sends(OK, b"Content-Length: ", b"9" * 5000, b"\r\n\r\nabc"),
    "a length and chunks": sends(OK, b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "another transfer coding": sends(OK, b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "a chunk length that is none": sends(CHUNKED, b"three\r\nabc\r\n0\r\n\r\n"),
    "a chunk cut short": sends(CHUNKED, b"ff\r\nabc"),
    "no last chunk": sends(CHUNKED, b"3\r\nabc\r\n"),
    "a chunk longer than its length": sends(CHUNKED, b"3\r\nabcdefgh\r\n0\r\n\r\n"),
    "a compressed body": status(200, b"Content-Encoding: gzip"),
    "two codings": status(200, b"Content-Encoding: identity, br"),
    "garbage": sends(bytes(range(256)) * 64),
    "no answer": sends(),
    "half a status line": sends(b"HTTP/1.1 2"),
    "half a header": sends(OK, b"Content-Le"),
    "a reset": resets(b""),
    "a reset within the body": resets(OK + b"Content-Length: 100\r\n\r\nabc"),
    "HTTP/0.9": sends(b"\xff\xd8\xff\xe0 an image without headers"),
    "another protocol": sends(b"ICY 200 OK\r\n\r\nabc"),
    "SSH": sends(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a status of words": sends(b"HTTP/1.1 two OK\r\n\r\nabc"),
    "a status of four digits": sends(b"HTTP/1.1 2000 OK\r\n\r\nabc"),
    "a redirect to itself": redirects("/a.jpg"),
    "a redirect to nowhere": redirects("http://"),
    "a redirect to a file": redirects("file:///etc/passwd"),
    "a redirect to another scheme": redirects("ftp://example.com/a.jpg"),
    "a redirect to a closed port": redirects("http://127.0.0.1:9/"),
    "a redirect to a host that is none": redirects("http://a..b/"),
    "a redirect in another encoding": sends(b"HTTP/1.1 302 Found\r\nLocation: //\xff\xfe/\r\n\r\n"),
    "two redirects at once": redirects("/a\r\nLocation: /b"),
    "a redirect without a location": status(302),
    "several choices": status(300, b"Location: /b.jpg"),
    "use a proxy": status(305, b"Location: http://127.0.0.1:9/"),
    "304 without being asked": sends(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    **{f"status {code}": status(code) for code in (101, 103, 201, 202, 203, 206, 400, 401, 403, 407, 418, 429)},
    **{f"status {code}": status(code) for code in (500, 502, 503, 504, 599, 999)},
    "status 204": sends(b"HTTP/1.1 204 No Content\r\n\r\n"),
}
HANDSHAKES: dict[str, Script] = {
    "a mute handshake": stops(b""),
    "a dripping handshake": drips(b"\x16\x03\x03\x40\x00\x02", byte=b"\x00"),
    "a handshake that ends": sends(),
    "a handshake that is reset": resets(b"\x16\x03\x03"),
    "garbage for a handshake": sends(bytes(range(256)) * 4),
    "plain HTTP for a handshake": status(200),
    "an endless handshake": pours(b"", b"\x16\x03\x03\x40\x00\x02\xff\xff\xff" + b"\x00" * 0x3FFC),
}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client needs that is to trust the servers of these tests."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Makes what a server needs to be any host."""

    def certify(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return certify


@pytest.fixture(params=["http", "https"])
def context(request: pytest.FixtureRequest, certified: Callable[..., ssl.SSLContext]) -> ssl.SSLContext | None:
    return certified("127.0.0.1", "::1") if request.param == "https" else None


def guard_of(*servers: Server, **keywords: Any) -> Guard:
    ports = (80, 443, *(server.port for server in servers))
    return Guard(ports=ports, allow_private=("127.0.0.0/8", "::1/128"), **keywords)


def client_of(*servers: Server, trusting: ssl.SSLContext | None = None, **limits: Any) -> Client:
    return Client(
        guard_of(*servers),
        **{"timeout_seconds": 10.0, "max_bytes": MAX_BYTES, "ssl_context": trusting, **limits},
    )


def fetched(server: Server, trusting: ssl.SSLContext, **validators: Any) -> tuple[Reply, bytes]:
    file = io.BytesIO()
    return client_of(server, trusting=trusting).get(server.url, file, **validators), file.getvalue()


def fetch_once(trusting: ssl.SSLContext) -> None:
    """The first fetch of a process imports and checks urllib3, in which no server has a part."""
    with Server(status(200)) as server:
        fetched(server, trusting)


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
    # Leaving the server's block waits for its threads, and those for the client to hang up.


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
        with pytest.raises(RemoteFailed, match="name lookup was not done"):
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
    with pytest.raises(RemoteFailed) as caught:
        client.get(url, io.BytesIO())
    return caught.value.reason


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
    assert "pip install 'flask-images-vips[remote]'" in run_with("raise ImportError", tmp_path)


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
    assert "(2.99) opens connections past the guard" in said
    assert "remote sources are off" in said
