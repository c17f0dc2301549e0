"""Purge servers of your own, by requests with the method PURGE: Varnish by tags, nginx by paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import without_secrets
from .backend import UNUSED_TAG, CdnFailed, Wanted, parts
from .http import ask
from .tag_headers import TAG_HEADERS

_MOST_TAGS = 30  # in one header of 8 kB, Varnish's limit
HARD, SOFT = "xkey-purge", "xkey-softpurge"
"""Headers with tags. docker/varnish.vcl passes them to vmod_xkey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Varnish:
    """The servers at *urls*, with docker/varnish.vcl. *headers* are added to each request."""

    kind: ClassVar[str] = "varnish"
    cure: ClassVar[str] = "Start it with docker/varnish.vcl, let this host purge, and correct its URLs."
    variables: ClassVar[dict[str, str]] = {}
    tag_header: ClassVar[str] = TAG_HEADERS["varnish"].name

    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 5.0

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        name = SOFT if soft else HARD
        _purge_each(
            (url, {**self.headers, name: " ".join(tags)}, self.timeout)
            for url in self.urls
            for tags in parts(wanted.tags, _MOST_TAGS)
        )

    def check(self) -> None:
        self.purge(Wanted((UNUSED_TAG,), ()), soft=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """The servers at *urls*, which purge all URLs that begin with a path if it ends with a star, as NGINX Plus does."""

    kind: ClassVar[str] = "nginx"
    cure: ClassVar[str] = "Let it purge by PURGE and paths with a star, let this host purge, and correct its URLs."
    variables: ClassVar[dict[str, str]] = {}
    tag_header: ClassVar[None] = None

    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 5.0

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        """Purge *wanted*. There are no soft purges."""
        _purge_each(
            (f"{url.rstrip('/')}{path}*", self.headers, self.timeout) for url in self.urls for path in wanted.paths
        )

    def check(self) -> None:
        self.purge(Wanted((), ("/-/image:none",)), soft=False)


def _purge_each(requests: Iterator[tuple[str, Mapping[str, str], float]]) -> None:
    """Send all *requests*: a URL, its headers and its timeout. A server that fails does not keep others from purging.

    Raises:
        CdnFailed: If one of them fails.
    """
    failed = []
    for url, headers, timeout in requests:
        try:
            answer = ask("PURGE", url, headers, None, timeout)
        except CdnFailed as error:
            failed.append(str(error))
        else:
            if answer.status not in (200, 204):
                failed.append(f"{without_secrets(url)} answers {answer.status}: {answer.reason}")
    if failed:
        raise CdnFailed("; ".join(dict.fromkeys(failed)))
