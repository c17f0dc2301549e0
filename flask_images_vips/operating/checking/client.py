"""Ask a site for a picture over HTTP, as a browser would, without following redirects."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_TIMEOUT_SECONDS = 30.0  # for which nothing arrives
_LONGEST_SECONDS = 120.0  # for a whole answer
_MAX_BYTES = 50_000_000
_SAFE = "/%!$&'()*+,;=:@~"  # in the path of a URL, see RFC 3986


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. The names of *headers* are in lower case; a repeated header counts once."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(base: str, path: str, **headers: str) -> Answer:
    """Return the answer of the site at the URL *base* to a GET request for *path*. A long body is cut off.

    Raises:
        OSError, http.client.HTTPException: If there is none, or it takes too long.
    """
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.connect()
        prefix = quote(parts.path.rstrip("/"), safe=_SAFE)
        with _hanging_up(connection.sock):
            connection.request("GET", path if path.startswith(f"{prefix}/") else prefix + path, headers=headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read(_MAX_BYTES))


@contextmanager
def _hanging_up(connection: socket.socket) -> Iterator[None]:
    """Hang up if the block takes too long: a server may send a byte every now and then, for ever.

    Raises:
        TimeoutError: If it does.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(_LONGEST_SECONDS, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError(f"the answer took longer than {_LONGEST_SECONDS:g} s") from None
