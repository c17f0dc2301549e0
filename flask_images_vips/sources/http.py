"""How is a remote source fetched? By one guarded, bounded GET that follows redirects itself and trusts no answer.

The connection is urllib3's, but for the socket: that is opened here, to an address that the guard has let through.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from io import BufferedReader
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from ..errors import ConfigError, ImagesError, RemoteFailed, SourceNotFound
from .guard import DEFAULT_PORTS, Endpoint, Guard, Target, as_address

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
    from urllib3.response import BaseHTTPResponse

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {
    "User-Agent": "flask-images-vips",
    "Accept": "image/*, */*;q=0.1",
    # Nothing is decoded: a few bytes could become more than any limit.
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_PIECE_BYTES = 1 << 16
_LONGEST_LINE = 1 << 16

# A name lookup cannot be ended from outside. So many may hang, each in a thread of its own, before more are refused.
_LOOKUPS = threading.BoundedSemaphore(32)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, 200 or 304, at *url*, where the redirects ended.

    *size_bytes* were written. *age* is in seconds; the rest is the text of the header of that name, None without one.
    """

    status: int
    url: str
    etag: str | None
    last_modified: str | None
    date: str | None
    age: int | None
    cache_control: str | None
    expires: str | None
    size_bytes: int
    content_type: str | None


@dataclass(frozen=True, slots=True)
class Client:
    """Fetches what *guard* lets through. Proxies, cookies and ``.netrc`` are unknown to it.

    *timeout_seconds* bounds a whole fetch with its redirects, *connect_timeout_seconds* in each of them the lookup, the
    connection and the TLS handshake. *ssl_context* says which certificates are good, by default the system's.
    """

    guard: Guard
    timeout_seconds: float = 10.0
    connect_timeout_seconds: float = 3.0
    max_bytes: int = 20_000_000
    max_redirects: int = 3
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    def get(self, url: str, file: BinaryIO, *, etag: str | None = None, last_modified: str | None = None) -> Reply:
        """Write what is at *url* to *file*, unless it still is what *etag* or *last_modified* stand for (304).

        After an error *file* may hold a part.

        Raises:
            SourceNotFound: the server says that there is no such thing: 404 or 410.
            RemoteFailed: it could not be had for any other reason.
            ConfigError: urllib3 is missing, or not the one that the guard relies on.
            OSError: *file* cannot be written.
        """
        if problem := _urllib3_problem():
            raise ConfigError(problem)
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in validators.items() if value is not None}
        with _Deadline(url, self.timeout_seconds) as deadline:
            try:
                target = self.guard.check(url)
                for _ in range(self.max_redirects + 1):
                    with self._answer(target, headers, deadline) as response:
                        location = response.headers.get("Location")
                        if response.status not in _REDIRECTS or location is None:
                            return self._received(response, target, headers, file, deadline)
                    target = self.guard.check(_utf8(location), base=target.url)
            except (RemoteFailed, SourceNotFound) as error:
                if error.ref == url:
                    raise
                raise type(error)(url, f"{error.reason}, at {error.ref!r}") from error.__cause__
            raise RemoteFailed(url, f"more than {self.max_redirects} redirects")

    @contextmanager
    def _answer(self, target: Target, headers: Mapping[str, str], deadline: _Deadline) -> Iterator[BaseHTTPResponse]:
        """The answer of one server, as far as its headers; leaving the block closes the connection."""
        seconds = min(self.connect_timeout_seconds, deadline.seconds_left())
        dial = functools.partial(_dial, self.guard, target, seconds, deadline.watch)
        with closing(_connection(target, dial, self.ssl_context)) as connection:
            with _as_remote_failure(target, deadline):
                connection.connect()
                connection.auto_open = 0  # once is what was checked
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

    def _received(
        self,
        response: BaseHTTPResponse,
        target: Target,
        validators: Mapping[str, str],
        file: BinaryIO,
        deadline: _Deadline,
    ) -> Reply:
        """What *response* says, after its body was written to *file*."""
        if response.status in (404, 410):
            raise SourceNotFound(target.url, f"the server answered {response.status}")
        if response.status != 200 and not (response.status == 304 and validators):
            raise RemoteFailed(target.url, f"the server answered {response.status}")
        size_bytes = 0
        if response.status == 200:
            announced_bytes = self._announced_bytes(response, target)
            for piece in _pieces(response, target, deadline):
                size_bytes += len(piece)
                if size_bytes > self.max_bytes:
                    raise RemoteFailed(target.url, f"over the limit of {self.max_bytes:,} bytes")
                file.write(piece)
            # A body without a length ends with the connection, also where it was the watchdog that ended it.
            deadline.seconds_left()
            if announced_bytes is not None and size_bytes != announced_bytes:
                raise RemoteFailed(target.url, f"{size_bytes:,} bytes came, {announced_bytes:,} were announced")
        age = response.headers.get("Age", "")
        return Reply(
            status=response.status,
            url=target.url,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            date=response.headers.get("Date"),
            age=int(age) if _LENGTH.fullmatch(age) else None,
            cache_control=response.headers.get("Cache-Control"),
            expires=response.headers.get("Expires"),
            size_bytes=size_bytes,
            content_type=response.headers.get("Content-Type"),
        )

    def _announced_bytes(self, response: BaseHTTPResponse, target: Target) -> int | None:
        """The length of the body, where it is announced; that it is announced, and coded, in one plain way."""
        length = response.headers.get("Content-Length")
        transfer_coding = response.headers.get("Transfer-Encoding")
        content_coding = response.headers.get("Content-Encoding", "identity")
        if content_coding.lower() != "identity":
            raise RemoteFailed(target.url, f"Content-Encoding is {content_coding!r}, which was not asked for")
        # Whoever sends both may be smuggling (RFC 9112, section 6.3).
        if transfer_coding is not None and (transfer_coding.lower() != "chunked" or length is not None):
            raise RemoteFailed(target.url, f"Transfer-Encoding is {transfer_coding!r}, Content-Length {length!r}")
        if length is None:
            return None
        if not _LENGTH.fullmatch(length):
            raise RemoteFailed(target.url, f"Content-Length is {length!r}")
        if int(length) > self.max_bytes:
            raise RemoteFailed(target.url, f"{int(length):,} bytes, over the limit of {self.max_bytes:,}")
        return int(length)


class _Deadline:
    """Ends the connection that it watches, wherever it hangs, when the time of a whole fetch is over.

    A socket's own timeout starts anew with each byte: a server that sends one now and then would hold us for ever.
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
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._watched is not None:
            self._watched.close()

    def seconds_left(self) -> float:
        """More than 0. RemoteFailed where nothing is left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise RemoteFailed(self._ref, f"not done within {self._seconds:g} s")
        return left

    def watch(self, connection: socket.socket) -> None:
        """Shut *connection* down when time is over, in place of the one before."""
        # A descriptor of our own: TLS takes the socket's away, and may be hanging in its handshake then.
        duplicate = connection.dup()
        with self._lock:
            self._watched, last = duplicate, self._watched
        if last is not None:
            last.close()

    def _end(self) -> None:
        with self._lock, suppress(OSError):  # it may have ended by itself
            if self._watched is not None:
                self._watched.shutdown(socket.SHUT_RDWR)
                # Closing then breaks off. A server that pours would go on to a half-closed connection.
                self._watched.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def _as_remote_failure(target: Target, deadline: _Deadline) -> Iterator[None]:
    try:
        yield
    except ImagesError:
        raise
    # Whatever a server's bytes can make http.client, email, ssl and urllib3 raise: OSError, HTTPException, HTTPError,
    # ValueError have been seen, and none of them says so.
    except Exception as error:
        deadline.seconds_left()
        raise RemoteFailed(target.url, f"{type(error).__name__}: {error}") from error


def _pieces(response: BaseHTTPResponse, target: Target, deadline: _Deadline) -> Iterator[bytes]:
    """The body, piece by piece. Only reading it is the server's fault: what is done with a piece happens outside."""
    with _as_remote_failure(target, deadline):
        for piece in response.stream(_PIECE_BYTES, decode_content=False):
            deadline.seconds_left()  # also what has come already may take long, a byte at a time
            yield piece


def _utf8(header: str) -> str:
    """*header*, whose bytes http.client took for Latin-1, as the UTF-8 that they are if they are more than ASCII."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


class _Reader(BufferedReader):
    """Makes errors of what http.client and urllib3 let pass.

    Headers that break off, lines of any length (a chunk's, in older urllib3), and a chunk of -1 bytes: "all there is".
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise ValueError("a part of the answer has a negative length")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_LONGEST_LINE if size is None or size < 0 else size)
        if not line.endswith(b"\n"):
            raise ValueError("a line of the answer breaks off, or is too long")
        return line


class _Response(HTTPResponse):
    fp: BufferedReader

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.fp = _Reader(self.fp.detach())


def _connection(target: Target, dial: Callable[[], socket.socket], context: ssl.SSLContext | None) -> HTTPConnection:
    """A connection for *target*, not open yet, whose socket will be what *dial* gives."""
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415  (optional, and slow to import)

    connection = (
        HTTPConnection(target.host, target.port)
        if target.scheme == "http"
        else HTTPSConnection(target.host, target.port, ssl_context=context or _system_certificates())
    )
    connection._new_conn = dial  # type: ignore[method-assign]
    connection.response_class = _Response
    return connection


@functools.cache
def _system_certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


def _dial(guard: Guard, target: Target, seconds: float, watch: Callable[[socket.socket], None]) -> socket.socket:
    """A socket connected to *target*, whose addresses are looked up and checked now; what is left is its timeout."""
    ends = time.monotonic() + seconds
    endpoints = _resolved(guard, target, seconds)
    failure = OSError()
    for tried, (family, address) in enumerate(endpoints):
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a host without IPv6
            failure = error
            continue
        try:
            # A dead address may not use up the time of those after it.
            connection.settimeout(max((ends - time.monotonic()) / (len(endpoints) - tried), 0.001))
            connection.connect(address)
            watch(connection)
            connection.settimeout(max(ends - time.monotonic(), 0.001))
            return connection
        except OSError as error:
            failure = error
            connection.close()
    raise failure


def _resolved(guard: Guard, target: Target, seconds: float) -> tuple[Endpoint, ...]:
    """`Guard.resolve`, for so many seconds at most."""
    if as_address(target.host) is not None:
        return guard.resolve(target.host, target.port)
    if not _LOOKUPS.acquire(blocking=False):
        raise RemoteFailed(target.url, "too many name lookups hang")
    found: Future[tuple[Endpoint, ...]] = Future()

    def look_up() -> None:
        try:
            found.set_result(guard.resolve(target.host, target.port))
        except Exception as error:
            found.set_exception(error)
        finally:
            _LOOKUPS.release()

    threading.Thread(target=look_up, name="image source lookup", daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise RemoteFailed(target.url, f"the name lookup was not done within {seconds:g} s") from None


@functools.cache
def _urllib3_problem() -> str:
    """Why nothing may be fetched with the urllib3 that is installed; empty where all is well.

    Another package, urllib3-future, installs itself over urllib3. So before the first fetch a connection to a
    forbidden address is tried: it must end in the guard.
    """
    try:
        import urllib3  # noqa: PLC0415
    except ImportError:
        return "Remote sources need urllib3: pip install 'flask-images-vips[remote]'"
    version = vars(urllib3).get("__version__")
    refused = 0
    for scheme in DEFAULT_PORTS:
        target = Target(scheme, "127.0.0.1", 9, "/")
        dial = functools.partial(_dial, Guard(), target, 1.0, lambda _: None)
        try:
            with closing(_connection(target, dial, None)) as connection:
                connection.connect()
        except RemoteFailed:
            refused += 1
        except Exception:  # noqa: S110  (it went past the guard, or is no urllib3 that we know)
            pass
    if refused == len(DEFAULT_PORTS):
        return ""
    return (
        f"This urllib3 ({version}) opens connections past the guard, so remote sources are off: "
        "pip uninstall urllib3-future, then pip install --force-reinstall 'urllib3>=2.5'"
    )
