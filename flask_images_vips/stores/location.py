"""Parse the URL of a place in an object store, such as ``s3://bucket/prefix``. This module does no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEMES = ("s3", "gs", "az")

_ANY_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}:/", re.ASCII | re.IGNORECASE)
_URL = re.compile(rf"({'|'.join(SCHEMES)})://([a-z0-9][a-z0-9._-]{{1,62}})(?:/([^?#\0\\]*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Location:
    """A *bucket* of an object store, which Azure calls a container, and the *prefix* of the objects in it.

    The prefix neither begins nor ends with a slash.
    """

    scheme: str
    bucket: str
    prefix: str

    @property
    def root(self) -> str:
        """The URL of the bucket."""
        return f"{self.scheme}://{self.bucket}"

    def __str__(self) -> str:
        return f"{self.root}/{self.prefix}" if self.prefix else self.root


def is_location(text: str) -> bool:
    """Return whether *text* is meant to be the URL of a place in an object store, rather than a folder."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def looks_like_url(text: str) -> bool:
    """Return whether *text* begins as a URL does, such as ``s3:/bucket``. A drive of Windows has one letter."""
    return _ANY_URL.match(text) is not None


def parse_location(text: str) -> Location:
    """Return the location that *text* names.

    Raises:
        ValueError: If it is not such a URL.
    """
    match = _URL.fullmatch(text)
    prefix = (match[3] or "").strip("/") if match else ""
    if match is None or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise ValueError(text)
    return Location(match[1], match[2], prefix)
