"""Open connections for `http`: only to addresses that the guard permits, and with stricter parsing of responses.

urllib3 implements HTTP and TLS. The socket is opened here, so that urllib3 never looks up a name itself.
"""

from __future__ import annotations

import functools
import importlib.util
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from http.client import HTTPResponse
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from ..cache.per_process import PerProcess
from ..errors import Busy, ConfigError, RemoteFailed
from ..system_errors import start
from .guard import DEFAULT_PORTS, Endpoint, Guard, Target, as_address

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

_LONGEST_LINE = 1 << 16
_REQUIRED = "'urllib3>=2.0.2'"
_MISSING = f"Remote sources need urllib3. Install it with: pip install {_REQUIRED}"

# A name lookup cannot be cancelled. So each one runs in its own thread, and at most this many may run or hang at once.
_LOOKUPS = PerProcess(lambda: threading.BoundedSemaphore(32))


def connection_to(target: Target, dial: Callable[[], socket.socket], context: ssl.SSLContext | None) -> HTTPConnection:
    """Return an unopened connection to *target*, whose socket *dial* will open.

    *context* determines which certificates are trusted. If it is None, those of the system are trusted.
    """
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415  (optional, and slow to import)

    connection = (
        HTTPConnection(target.host, target.port)
        if target.scheme == "http"
        else HTTPSConnection(target.host, target.port, ssl_context=context or _system_certificates())
    )
    connection._new_conn = dial  # type: ignore[method-assign]
    connection.response_class = _Response
    return connection


def dial(guard: Guard, target: Target, seconds: float, watch: Callable[[socket.socket], None]) -> socket.socket:
    """Look up *target*, check its addresses, and return a socket connected to one of them.

    All of this takes at most *seconds*. The time that is left becomes the timeout of the socket. *watch* is called with
    the connected socket.

    Raises:
        RemoteFailed: If an address is forbidden, or the lookup fails or takes too long.
        Busy: If no lookup can be started.
        OSError: If no address can be connected to.
    """
    ends = time.monotonic() + seconds
    endpoints = _resolved(guard, target, seconds)
    failure = OSError()
    for tried, (family, address) in enumerate(endpoints):
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # this host has no IPv6
            failure = error
            continue
        try:
            # Each address gets an equal part of the time, so that a dead one leaves enough for the others.
            connection.settimeout(max((ends - time.monotonic()) / (len(endpoints) - tried), 0.001))
            connection.connect(address)
            watch(connection)
            connection.settimeout(max(ends - time.monotonic(), 0.001))
            return connection
        except OSError as error:
            failure = error
            connection.close()
    raise failure


def check_urllib3() -> None:
    """Check cheaply whether urllib3 is installed, without importing it.

    Raises:
        ConfigError: If it is not.
    """
    if importlib.util.find_spec("urllib3") is None:
        raise ConfigError(_MISSING)


@functools.cache
def urllib3_problem() -> str:
    """Return an error message if the installed urllib3 must not be used, otherwise an empty string.

    Another package, urllib3-future, replaces the files of urllib3 and may bypass the guard. So before the first fetch,
    this function tries to connect to a forbidden address, which the guard must refuse.
    """
    try:
        import urllib3  # noqa: PLC0415
    except ImportError:
        return _MISSING
    version = vars(urllib3).get("__version__")
    refused = 0
    for scheme in DEFAULT_PORTS:
        target = Target(scheme, "127.0.0.1", 9, "/")
        try:
            with closing(connection_to(target, functools.partial(dial, Guard(), target, 1.0, _ignore), None)) as opened:
                opened.connect()
        except RemoteFailed:
            refused += 1
        except Exception:  # noqa: S110  (this urllib3 bypassed the guard, or is unknown)
            pass
    if refused == len(DEFAULT_PORTS):
        return ""
    return (
        f"This urllib3 ({version}) bypasses the check for private addresses, so remote sources are off. Run: "
        f"pip uninstall urllib3-future, then pip install --force-reinstall {_REQUIRED}"
    )


class _Reader(BufferedReader):
    """Raises errors for malformed responses that http.client and urllib3 accept.

    These are incomplete headers, overlong lines (older versions of urllib3 do not limit the lines that state the length
    of a chunk), and chunks of length -1, which would read everything.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise ValueError("a part of the response has a negative length")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(_LONGEST_LINE if size is None or size < 0 else size)
        if not line.endswith(b"\n"):
            raise ValueError("a line of the response is incomplete or too long")
        return line


class _Response(HTTPResponse):
    fp: BufferedReader

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.fp = _Reader(self.fp.detach())


@functools.cache
def _system_certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


def _resolved(guard: Guard, target: Target, seconds: float) -> tuple[Endpoint, ...]:
    """Return the endpoints of *target*, as `Guard.resolve` does, within *seconds*.

    Raises:
        RemoteFailed: If the name cannot be looked up in time, or must not be connected to.
        Busy: If no lookup can be started.
    """
    if as_address(target.host) is not None:
        return guard.resolve(target.host, target.port)
    lookups = _LOOKUPS.get()
    if not lookups.acquire(blocking=False):
        raise Busy("too many name lookups are running")
    found: Future[tuple[Endpoint, ...]] = Future()

    def look_up() -> None:
        try:
            found.set_result(guard.resolve(target.host, target.port))
        except Exception as error:
            found.set_exception(error)
        finally:
            lookups.release()

    try:
        start(threading.Thread(target=look_up, name="image source lookup", daemon=True))
    except Busy:
        lookups.release()
        raise
    try:
        return found.result(seconds)
    except TimeoutError:
        reason = f"the name lookup took longer than {seconds:g} s (IMAGES_REMOTE_CONNECT_TIMEOUT)"
        raise RemoteFailed(target.url, reason) from None


def _ignore(connection: socket.socket) -> None:
    pass
