"""Servers for the tests of remote sources: good ones, and such as misbehave in every way there is."""

from __future__ import annotations

import io
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from flask_images_vips.sources.guard import Guard
from flask_images_vips.sources.http import Client, Reply

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
    "a body in chunks of one byte": sends(CHUNKED, b"1\r\na\r\n" * 5000, b"0\r\n\r\n"),
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
