"""Fetch remote sources by HTTP, with limits of time and size. Responses are not trusted.

Redirects are followed here, and not by urllib3, so that each target is checked by the guard.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

from ..errors import ConfigError, ImagesError, RemoteFailed, SourceNotFound, shown
from ..system_errors import busy, is_shortage, start
from .connection import connection_to, dial, urllib3_problem
from .guard import Guard, Target

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {
    "User-Agent": "flask-images-vips",
    "Accept": "image/*, */*;q=0.1",
    # Responses are never decompressed: a few bytes could become more than any limit.
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
LONGEST_VALIDATOR = 1024
"""The longest ``ETag`` and ``Last-Modified`` that are kept, in characters."""

_PIECE_BYTES = 1 << 16
# Each chunk takes some microseconds of Python. More chunks than _FREE_CHUNKS must have so many bytes on average.
_FREE_CHUNKS, _SMALLEST_CHUNK = 1000, 256


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response, with the status 200 or 304, after all redirects.

    *size_bytes* is the number of bytes that were written. *age* is in seconds. The other fields are headers, or None
    for those that the server did not send. A validator, *etag* or *last_modified*, is also None if it is longer than
    `LONGEST_VALIDATOR`.
    """

    status: int
    etag: str | None
    last_modified: str | None
    date: str | None
    age: int | None
    cache_control: str | None
    expires: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Client:
    """Fetches URLs that *guard* permits. Proxies, cookies and ``.netrc`` are ignored.

    *timeout_seconds* limits a whole fetch including its redirects. *connect_timeout_seconds* limits the name lookup,
    the connection and the TLS handshake of each request. *ssl_context* determines which certificates are trusted, by
    default the system's.
    """

    guard: Guard
    timeout_seconds: float = 10.0
    connect_timeout_seconds: float = 3.0
    max_bytes: int = 20_000_000
    max_redirects: int = 3
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    def get(self, url: str, file: BinaryIO, *, etag: str | None = None, last_modified: str | None = None) -> Reply:
        """Fetch *url* and write its content to *file*.

        Nothing is written if the server answers that the version with this *etag* or *last_modified* is still current
        (304). After an error, *file* may contain a part of the content.

        Raises:
            SourceNotFound: If the server answers with 404 or 410.
            RemoteFailed: If *url* cannot be fetched for any other reason.
            Busy: If this process or the host has no descriptors, threads or memory left.
            ConfigError: If urllib3 is missing or bypasses the guard.
            OSError: If *file* cannot be written.
        """
        if problem := urllib3_problem():
            raise ConfigError(problem)
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in validators.items() if value is not None}
        with _Deadline(url, self.timeout_seconds) as deadline:
            try:
                target = self.guard.check(url)
                for _ in range(self.max_redirects + 1):
                    with self._response(target, headers, deadline) as response:
                        location = response.headers.get("Location")
                        if response.status not in _REDIRECTS or location is None:
                            return self._receive(response, target, headers, file, deadline)
                    target = self.guard.check(_utf8(location), base=target.url)
            except (RemoteFailed, SourceNotFound) as error:
                if error.ref == url:
                    raise
                raise type(error)(url, f"{error.reason}, at {shown(error.ref)}") from error.__cause__
            raise RemoteFailed(url, f"more than {self.max_redirects} redirects (IMAGES_REMOTE_MAX_REDIRECTS)")

    @property
    def _limit(self) -> str:
        return f"the limit is {self.max_bytes:,} (IMAGES_REMOTE_MAX_BYTES)"

    @contextmanager
    def _response(self, target: Target, headers: Mapping[str, str], deadline: _Deadline) -> Iterator[BaseHTTPResponse]:
        """Send a request and yield the response after reading its headers. The connection is closed afterwards."""
        seconds = min(self.connect_timeout_seconds, deadline.seconds_left())
        open_socket = functools.partial(dial, self.guard, target, seconds, deadline.watch)
        with closing(connection_to(target, open_socket, self.ssl_context)) as connection:
            with _as_remote_failure(target, deadline):
                connection.connect()
                connection.auto_open = 0  # never reconnect, since only this connection was checked
                connection.timeout = deadline.seconds_left()
                connection.request(
                    "GET",
                    target.path,
                    headers={"Host": target.authority, **_HEADERS, **headers},
                    preload_content=False,
                    decode_content=False,
                )
                response = connection.getresponse()
            with closing(response):
                yield response

    def _receive(
        self,
        response: BaseHTTPResponse,
        target: Target,
        validators: Mapping[str, str],
        file: BinaryIO,
        deadline: _Deadline,
    ) -> Reply:
        """Write the body of *response* to *file* and return the reply."""
        if response.status in (404, 410):
            raise SourceNotFound(target.url, f"its server answered with status {response.status}")
        if response.status != 200 and not (response.status == 304 and validators):
            raise RemoteFailed(target.url, f"its server answered with status {response.status}, not 200")
        size_bytes = 0
        if response.status == 200:
            declared_bytes = self._declared_bytes(response, target)
            for piece in _pieces(response, target, deadline):
                size_bytes += len(piece)
                if size_bytes > self.max_bytes:
                    raise RemoteFailed(target.url, f"the file has too many bytes; {self._limit}")
                file.write(piece)
            # A body without a length ends when the connection is closed. If the deadline has closed it, the body is
            # incomplete, and the next line raises an error.
            deadline.seconds_left()
            if declared_bytes is not None and size_bytes != declared_bytes:
                raise RemoteFailed(target.url, f"its server sent {size_bytes:,} bytes, but declared {declared_bytes:,}")
        age = response.headers.get("Age", "")
        return Reply(
            status=response.status,
            etag=_validator(response.headers.get("ETag")),
            last_modified=_validator(response.headers.get("Last-Modified")),
            date=response.headers.get("Date"),
            age=int(age) if _LENGTH.fullmatch(age) else None,
            cache_control=response.headers.get("Cache-Control"),
            expires=response.headers.get("Expires"),
            size_bytes=size_bytes,
        )

    def _declared_bytes(self, response: BaseHTTPResponse, target: Target) -> int | None:
        """Return the length of the body, or None if the server does not declare it.

        Raises:
            RemoteFailed: If the body is compressed, too long, or its length is ambiguous.
        """
        length = response.headers.get("Content-Length")
        transfer_coding = response.headers.get("Transfer-Encoding")
        content_coding = response.headers.get("Content-Encoding", "identity")
        if content_coding.lower() != "identity":
            raise RemoteFailed(target.url, f"Content-Encoding is {content_coding[:100]!r}, which was not requested")
        # Both headers together may be an attempt at request smuggling (RFC 9112, section 6.3).
        if transfer_coding is not None and (transfer_coding.lower() != "chunked" or length is not None):
            pair = f"Transfer-Encoding is {transfer_coding[:100]!r}, and Content-Length is {(length or '')[:100]!r}"
            raise RemoteFailed(target.url, f"its server broke the rules of HTTP: {pair}")
        if length is None:
            return None
        if not _LENGTH.fullmatch(length):
            raise RemoteFailed(target.url, f"its server broke the rules of HTTP: Content-Length is {length[:100]!r}")
        if int(length) > self.max_bytes:
            raise RemoteFailed(target.url, f"the file has {int(length):,} bytes; {self._limit}")
        return int(length)


class _Deadline:
    """Shuts down the connection of a fetch when its time is over, whatever the fetch is waiting for.

    A socket timeout is not enough: it starts again with each byte, so a slow server could send forever.
    """

    def __init__(self, ref: str, seconds: float) -> None:
        self._ref = ref
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        start(self._timer)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._watched is not None:
            self._watched.close()

    def seconds_left(self) -> float:
        """Return the time left, which is more than 0.

        Raises:
            RemoteFailed: If no time is left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise RemoteFailed(self._ref, f"not fetched within {self._seconds:g} s (IMAGES_REMOTE_TIMEOUT)")
        return left

    def watch(self, connection: socket.socket) -> None:
        """Shut down *connection* when the time is over, instead of the one watched before."""
        # Keep a duplicate of the descriptor. TLS takes the socket's own descriptor away, and may then hang in its
        # handshake.
        duplicate = connection.dup()
        with self._lock:
            self._watched, last = duplicate, self._watched
        if last is not None:
            last.close()

    def _end(self) -> None:
        with self._lock, suppress(OSError):  # the connection may be closed already
            if self._watched is not None:
                self._watched.shutdown(socket.SHUT_RDWR)
                # With this option, closing resets the connection. After a plain shutdown, some servers would continue
                # to send.
                self._watched.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def _as_remote_failure(target: Target, deadline: _Deadline) -> Iterator[None]:
    try:
        yield
    except ImagesError:
        raise
    # Malformed responses make http.client, email, ssl and urllib3 raise undocumented errors. OSError, HTTPException,
    # HTTPError and ValueError have been seen.
    except Exception as error:
        if isinstance(error, OSError) and is_shortage(error):
            raise busy(target.url, error) from error
        deadline.seconds_left()
        raise RemoteFailed(target.url, f"{type(error).__name__}: {error}".removesuffix(": ")) from error


def _pieces(response: BaseHTTPResponse, target: Target, deadline: _Deadline) -> Iterator[bytes]:
    """Yield the body in pieces. Errors while reading become RemoteFailed. Errors while writing a piece do not."""
    received = 0
    with _as_remote_failure(target, deadline):
        for number, piece in enumerate(response.stream(_PIECE_BYTES, decode_content=False)):
            received += len(piece)
            if number > _FREE_CHUNKS + received // _SMALLEST_CHUNK:
                raise RemoteFailed(target.url, f"the first {received:,} bytes came in {number:,} chunks")
            deadline.seconds_left()  # chunks take long to parse, even if all of them have arrived
            yield piece


def _validator(header: str | None) -> str | None:
    return None if header is None or len(header) > LONGEST_VALIDATOR else header


def _utf8(header: str) -> str:
    """Decode *header* as UTF-8, because http.client has decoded it as Latin-1."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")
