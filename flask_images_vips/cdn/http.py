"""Send requests to caches in front of the site, in bounded time.

Failures that are usually short are tried again: no connection, no answer in time, status 429 or 5xx.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigError, printable
from .backend import CdnFailed

_TRIES = 3
_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 2.0
_MAX_BYTES = 100_000
_LONGEST_REASON = 200  # characters


class Answer(NamedTuple):
    """The *status* and the *body* of an answer, and the seconds until the server wants to be asked again."""

    status: int
    body: bytes
    retry_after: float

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed soon."""
        return self.status == 429 or self.status >= 500

    @property
    def reason(self) -> str:
        """The beginning of the body, as part of a line."""
        return printable(" ".join(self.body.decode("utf-8", "replace").split()))[:_LONGEST_REASON]


def check_urllib3() -> None:
    """Check cheaply whether urllib3 is installed, without importing it.

    Raises:
        ConfigError: If it is not.
    """
    if importlib.util.find_spec("urllib3") is None:
        raise ConfigError("IMAGES_CDN needs urllib3. Install it with: pip install 'flask-images-vips[cdn]'")


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
    """Return the answer to a request. Each try may take *timeout* seconds to connect, and as long to answer.

    Raises:
        CdnFailed: If there is no answer.
    """
    wait = _FIRST_WAIT_SECONDS
    for _ in range(_TRIES - 1):
        with suppress(CdnFailed):
            answer = _answer(method, url, headers, body, timeout)
            if not answer.may_pass or answer.retry_after > _LONGEST_WAIT_SECONDS:
                return answer
            wait = max(wait, answer.retry_after)
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
    return _answer(method, url, headers, body, timeout)


def _answer(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
    import urllib3  # noqa: PLC0415  (optional, and slow to import)

    host = urlsplit(url).hostname
    try:
        with urllib3.PoolManager(timeout=urllib3.Timeout(connect=timeout, read=timeout)) as pool:
            answer = pool.request(
                *(method, url), headers=headers, body=body, retries=False, redirect=False, preload_content=False
            )
            return Answer(answer.status, answer.read(_MAX_BYTES), _seconds(answer.headers.get("Retry-After", "0")))
    except urllib3.exceptions.SSLError as error:
        raise CdnFailed(f"{host}: {error}") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        # A refused connection is a timeout for urllib3, and its message names objects of Python.
        refusal = getattr(error.__cause__, "strerror", None)
        if refusal is None and isinstance(error, urllib3.exceptions.TimeoutError):
            raise CdnFailed(f"{host} does not answer within {timeout:g} s") from None
        raise CdnFailed(f"{host} cannot be reached: {refusal or type(error).__name__}") from None


def _seconds(retry_after: str) -> float:
    """Return the seconds of a header. A date counts as endless: nobody waits for it."""
    return float(retry_after) if retry_after.isdecimal() else math.inf
