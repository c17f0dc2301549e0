"""Define the header by which each kind of cache reads the tags of a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class TagHeader(NamedTuple):
    """The *name* of a header, and what separates tags in it."""

    name: str
    separator: str

    def of(self, tags: Sequence[str]) -> tuple[str, str]:
        """Return the header with *tags*."""
        return self.name, self.separator.join(tags)


TAG_HEADERS = {
    "cloudflare": TagHeader("Cache-Tag", ","),
    "cloudfront": TagHeader("Cache-Tag", ","),  # its distribution names the header, see docs/deploying/cdn.md
    "fastly": TagHeader("Surrogate-Key", " "),
    "varnish": TagHeader("xkey", " "),
}
"""The headers by the words of ``IMAGES_CACHE_TAGS``."""
