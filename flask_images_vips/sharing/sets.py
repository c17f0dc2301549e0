"""Which renditions does a page offer together? Whoever is asked for one of them can make all from one decode.

A set is the same picture of one source at several widths, as in a ``srcset``. It is announced by the worker that makes
the page, for any that serves the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b

from ..cache.disk import DiskCache
from ..cache.entry import Key
from ..engines.engine import Header
from ..expiring import Recent
from ..geometry import lay_out
from ..options.options import Options
from ..rendition import Rendition, source_folder
from ..sources.source import Source
from .copies import copy_sizes, takes_copies, usable_sizes

Sides = tuple[int | None, int | None]
"""The width and the height that are asked for, in pixels."""

_MOST_PIXELS = 4_000_000  # of a member: larger ones are asked for by few, and would need a larger decode
_MOST_PIXELS_OF_SET = 16_000_000  # of all members: the first visitor waits for them
_FAILURE_SECONDS = 600.0
_ANNOUNCED_SECONDS = 600.0  # then it is looked at anew: the file may have been purged


class Sets:
    """The sets, announced by files in *store*, which is that of the copies.

    *default_quality* is that of what names none.
    """

    def __init__(self, store: DiskCache, default_quality: int) -> None:
        self.store = store
        self.default_quality = default_quality
        self._announced: Recent[bool] = Recent(_ANNOUNCED_SECONDS)
        self._failed: Recent[bool] = Recent(_FAILURE_SECONDS)

    def announce(self, source: Source, options: Options, sides: Sequence[Sides], header: Callable[[], Header]) -> None:
        """Say that a page offers *source* with *options* at each of *sides*. Costs little after the first time.

        Nothing is said where one decode would gain nothing: of a small source, or where fewer than two are much smaller
        than it. *header* gives the source's.

        Raises:
            UnreadableSource, LimitExceeded: as *header* does.
        """
        asked = source.identity, options, *sides
        if self._announced.get(asked):
            return
        self._announced.add(asked, True)
        if not takes_copies(options):
            return
        found = header()
        scaled = {each: lay_out(found.size, _at(options, each)).upright for each in sides}
        copies = copy_sizes(found)
        if sum(bool(usable_sizes(copies, size)) for size in set(scaled.values())) < 2:
            return
        lines, pixels = [], 0
        for (width, height), size in sorted(scaled.items(), key=lambda member: member[1].pixels):
            pixels += size.pixels
            if size.pixels >= _MOST_PIXELS or pixels > _MOST_PIXELS_OF_SET:
                break
            lines.append(f"{width or 0} {height or 0}")
        text = "\n".join(lines)
        key = source_folder(source.ref), f"{self._name(source, options)}-{_digest(text)}-set"
        if self.store.usable() and not self.store.has(key):
            with suppress(OSError):  # each is then made by itself
                self.store.put_bytes(key, text.encode(), source.mtime_ns, in_use=True)

    def is_announced(self, source: Source) -> bool:
        """Whether any set of this version of *source* is."""
        return bool(self.store.siblings(source_folder(source.ref), _version(source)))

    def find(self, rendition: Rendition) -> tuple[Key, list[Rendition]] | None:
        """The set that *rendition* belongs to, and the key it is known by; None where there is none.

        Its members are those that differ from the rendition in their sides alone, itself among them.
        """
        options = rendition.options.settled()
        for key in self.store.siblings(source_folder(rendition.source.ref), self._name(rendition.source, options)):
            entry = self.store.get(key)
            if entry is None:
                continue
            with entry, suppress(ValueError):
                lines = [line.split() for line in entry.read().decode().splitlines()]
                sides = [(int(width) or None, int(height) or None) for width, height in lines]
                if (options.width, options.height) in sides and self._failed.get(key) is None:
                    return key, [replace(rendition, options=_at(options, each)) for each in sides]
        return None

    def failed(self, key: Key) -> None:
        """Let the members of a set be made one by one for a while."""
        self._failed.add(key, True)

    def forget(self) -> None:
        """Announce all sets anew, since the store was emptied."""
        self._announced.clear()

    def _name(self, source: Source, options: Options) -> str:
        """How the names of all sets begin that are this picture at several sizes, in any format."""
        but = ["width", "height", *(["quality"] if options.quality == self.default_quality else [])]
        return f"{_version(source)}-{_digest(options.canonical(but))}"


def _at(options: Options, sides: Sides) -> Options:
    return replace(options, width=sides[0], height=sides[1])


def _version(source: Source) -> str:
    return _digest(source.identity)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
