"""Define what a cache in front of the site can do, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

UNUSED_TAG = "image:*"
"""A tag that no image has: a path with a star is replaced by its digest."""


class CdnFailed(Exception):
    """A cache in front of the site was not purged, or not all of it. The message holds no secrets."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to purge: the *tags* of sources, and what the *paths* of their image URLs begin with."""

    tags: tuple[str, ...]
    paths: tuple[str, ...]


class Backend(Protocol):
    """A cache in front of the site, as ``IMAGES_CDN`` describes it.

    *kind* is its name there, and *cure* tells what to do if it refuses a purge.
    """

    kind: ClassVar[str]
    cure: ClassVar[str]

    @property
    def tag_header(self) -> str | None:
        """The header in which it reads tags, or None if it is purged by paths."""

    def purge(self, wanted: Wanted, *, soft: bool) -> None:
        """Purge *wanted*. With *soft*, the cache may send its old copy once more while it asks the site.

        Raises:
            CdnFailed: If the cache does not confirm that.
        """

    def check(self) -> None:
        """Ask the cache whether it can be purged. Nothing is purged.

        Raises:
            CdnFailed: If it cannot.
        """


def parts(items: tuple[str, ...], most: int) -> Iterator[tuple[str, ...]]:
    """Yield *items* in parts of at most *most*."""
    for start in range(0, len(items), most):
        yield items[start : start + most]
