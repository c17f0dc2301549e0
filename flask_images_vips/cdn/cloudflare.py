"""Purge a zone of Cloudflare by tags."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from .backend import UNUSED_TAG, CdnFailed, Wanted, parts
from .http import ask
from .tag_headers import TAG_HEADERS

_MOST_TAGS = 30  # in one call, on every plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloudflare:
    """The zone with the ID *zone*. The *token* needs the permission Zone, Cache Purge. *url* is that of the API."""

    kind: ClassVar[str] = "cloudflare"
    cure: ClassVar[str] = "Correct the zone, which is its ID, or the token: it needs the permission Zone, Cache Purge."
    variables: ClassVar[dict[str, str]] = {"token": "CLOUDFLARE_API_TOKEN"}
    tag_header: ClassVar[str] = TAG_HEADERS["cloudflare"].name

    zone: str
    token: str = field(repr=False)
    url: str = "https://api.cloudflare.com/client/v4"
    timeout: float = 5.0

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        """Purge *wanted*. There are no soft purges."""
        for tags in parts(wanted.tags, _MOST_TAGS):
            self._purge(tags)

    def check(self) -> None:
        self._purge((UNUSED_TAG,))

    def _purge(self, tags: tuple[str, ...]) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        url = f"{self.url}/zones/{self.zone}/purge_cache"
        answer = ask("POST", url, headers, json.dumps({"tags": tags}).encode(), self.timeout)
        with suppress(ValueError, AttributeError):
            if answer.status == 200 and json.loads(answer.body).get("success") is True:
                return
        raise CdnFailed(f"it answers {answer.status}: {answer.reason}")
