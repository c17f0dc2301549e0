"""Ask a site for a picture over HTTP, as a browser would, without following redirects."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_TIMEOUT_SECONDS = 30.0
_MAX_BYTES = 50_000_000
_SAFE = "/%!$&'()*+,;=:@~"  # in the path of a URL, see RFC 3986


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. The names of *headers* are in lower case; a repeated header counts once."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(base: str, path: str, **headers: str) -> Answer:
    """Return the answer of the site at the URL *base* to a GET request for *path*.

    Raises:
        OSError, http.client.HTTPException: If there is none.
    """
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)) as connection:
        prefix = quote(parts.path.rstrip("/"), safe=_SAFE)
        connection.request("GET", path if path.startswith(f"{prefix}/") else prefix + path, headers=headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read(_MAX_BYTES))
