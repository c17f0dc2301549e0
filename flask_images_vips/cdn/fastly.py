"""Purge a service of Fastly by surrogate keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .backend import UNUSED_TAG, CdnFailed, Wanted, parts
from .http import ask
from .tag_headers import TAG_HEADERS

_MOST_TAGS = 50  # in one call: 256 are allowed, but only in a header of 16,384 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fastly:
    """The service with the ID *service*. The *token* needs the scope purge_select. *url* is that of the API."""

    kind: ClassVar[str] = "fastly"
    cure: ClassVar[str] = "Correct the service, which is its ID, or the token: it needs the scope purge_select."
    variables: ClassVar[dict[str, str]] = {"token": "FASTLY_API_TOKEN"}
    tag_header: ClassVar[str] = TAG_HEADERS["fastly"].name

    service: str
    token: str = field(repr=False)
    url: str = "https://api.fastly.com"
    timeout: float = 5.0

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        for tags in parts(wanted.tags, _MOST_TAGS):
            self._purge(tags, soft=soft)

    def check(self) -> None:
        self._purge((UNUSED_TAG,), soft=True)

    def _purge(self, tags: tuple[str, ...], *, soft: bool) -> None:
        headers = {
            "Fastly-Key": self.token,
            "Accept": "application/json",
            "Surrogate-Key": " ".join(tags),
            **({"Fastly-Soft-Purge": "1"} if soft else {}),
        }
        answer = ask("POST", f"{self.url}/service/{self.service}/purge", headers, None, self.timeout)
        if answer.status != 200:
            raise CdnFailed(f"it answers {answer.status}: {answer.reason}")
