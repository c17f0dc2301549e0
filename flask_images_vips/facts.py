"""What is known of a source without opening it? Facts of one version of it, in memory and in the cache's folder.

A page asks for the sizes and placeholders of all its pictures. Each is read or made once for each version of a source,
by one process of the host, and kept beside the source's renditions; each process remembers what it has asked for.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from .cache.disk import DiskCache
from .cache.entry import Key
from .engines.engine import Header
from .errors import UnreadableSource
from .geometry import Size
from .rendition import source_folder
from .sources.source import Source

REVISION = 1
"""Raised by hand when the same fact is written in another way than before."""

T = TypeVar("T")

_REMEMBERED = 4096
_READ_BYTES = 1 << 20
_DIGEST_BYTES = 18  # a multiple of 3, for a text without padding


class _Unreadable(NamedTuple):
    """What is remembered of a source that is no image: not the error, which holds the frames that it came through."""

    reason: str


class Metadata:
    """The facts of one application's sources, kept in *cache*.

    *recipe* is that of its renditions. *read* gives the header of a source, and *draw* one kind of its placeholders.
    """

    def __init__(
        self, cache: DiskCache, recipe: str, read: Callable[[Source], Header], draw: Callable[[Source, str], str]
    ) -> None:
        self._cache = cache
        self._recipe = recipe
        self._read = read
        self._draw = draw
        self._known_header = lru_cache(_REMEMBERED)(self._find_header)
        self._known_placeholder = lru_cache(_REMEMBERED)(self._find_placeholder)

    def header(self, source: Source) -> Header:
        """What *source* says of itself.

        Raises:
            UnreadableSource: it is no image, or a broken one. Remembered as well, in this process.
        """
        return _readable(source, self._known_header(source))

    def placeholder(self, source: Source, kind: str) -> str:
        """The placeholder *kind* of *source*, a text.

        Raises:
            UnreadableSource: as `header`; a broken file may show only here.
        """
        return _readable(source, self._known_placeholder(source, kind))

    def _find_header(self, source: Source) -> Header | _Unreadable:
        try:
            stored = self._stored(source, "header", lambda: json.dumps(asdict(self._read(source))))
            try:
                return _header(json.loads(stored))
            except (ValueError, TypeError, KeyError):
                return self._read(source)  # somebody else's file in its place
        except UnreadableSource as error:
            return _Unreadable(error.reason)

    def _find_placeholder(self, source: Source, kind: str) -> str | _Unreadable:
        kept = self._cache.get(self._key(source, kind))
        if kept is not None:
            with kept:
                return kept.read().decode("utf-8", "replace")
        try:
            # Before the lock of its own entry is taken: this takes that of a rendition, and two that hold one each
            # could wait for each other.
            text = self._draw(source, kind)
        except UnreadableSource as error:
            return _Unreadable(error.reason)
        self._stored(source, kind, lambda: text)
        return text

    def _stored(self, source: Source, kind: str, make: Callable[[], str]) -> bytes:
        return _stored(self._cache, self._key(source, kind), source, lambda: make().encode())

    def _key(self, source: Source, kind: str) -> Key:
        return _key(source, kind, f"{self._recipe}\n{source.identity}")


def content_digest(cache: DiskCache, most_bytes: int) -> Callable[[Source], str]:
    """A function that gives a text for the bytes of a source, which it reads once for each version of the file.

    Of one larger than *most_bytes*, which no rendition is made of, the text is that of the file's time and size.
    """

    def make(source: Source) -> bytes:
        digest = blake2b(digest_size=_DIGEST_BYTES)
        if source.size_bytes > most_bytes:
            digest.update(source.identity.encode("utf-8", "surrogatepass"))
            return urlsafe_b64encode(digest.digest())
        with source.open() as descriptor:
            while data := os.read(descriptor, _READ_BYTES):
                digest.update(data)
        return urlsafe_b64encode(digest.digest())

    @lru_cache(_REMEMBERED)
    def digest(source: Source) -> str:
        version = f"{source.path}\n{source.size_bytes}\n{source.mtime_ns}"
        return _stored(cache, _key(source, "content", version), source, lambda: make(source)).decode("ascii")

    return digest


def _key(source: Source, kind: str, version: str) -> Key:
    """Where the fact *kind* of a *version* of *source* is kept: under a name that no rendition has."""
    name = blake2b(f"{REVISION}\n{version}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return source_folder(source.ref), f"{kind}-{name}.txt"


def _stored(cache: DiskCache, key: Key, source: Source, make: Callable[[], bytes]) -> bytes:
    with cache.get_or_create(key, source.mtime_ns, make) as entry:
        return entry.read()


def _readable(source: Source, known: T | _Unreadable) -> T:
    if isinstance(known, _Unreadable):
        raise UnreadableSource(source.ref, known.reason)
    return known


def _header(fields: dict[str, Any]) -> Header:
    return Header(**{**fields, "size": Size(*fields["size"])})
