"""Keep reduced copies of large sources, and decide when they are made and used.

Decoding a large source costs most of a small rendition. A source is decoded once and kept at two sizes. Later
renditions are made from the smallest copy that leaves enough pixels, at a fraction of the cost. A copy is never needed:
where there is none, or it is broken, the source itself is rendered.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from ..cache.disk import DiskCache
from ..cache.entry import Entry, Key
from ..digests import digest
from ..engines.engine import Header
from ..geometry import Size
from ..options.options import DEFAULTS, Options
from ..rendition import source_folder
from ..sources.source import Source

logger = logging.getLogger("flask_images_vips")

_SIDES = (2048, 1024)  # the longer side of each copy, in pixels
_LEAST_PIXELS = 4_000_000  # of a source; half of it where all of the source is always decoded
_LEAST_REDUCED = 1.4  # per side, source to copy: a copy not much smaller than its source saves little
_LEAST_SPARE = 1.25  # per side, copy to rendition: with less, it shows that the picture was resampled twice
_AMPLE_SPARE = 2.0  # per side: as much as a decoder's own shrinking leaves
_WHOLE = frozenset({"png", "avif", "tiff"})  # decoded in full, however small the rendition
_FORMATS = frozenset({"jpeg", "png", "webp", "avif", "tiff"})
# Options that need the source itself: its own pixels, its metadata or profile, or another source beside it.
_OF_THE_SOURCE = ("transform", "region", "trim", "keep", "watermark")

# Copies are made with the very first rendition only where they add little to its cost: for large sources that are
# decoded whole. A first JPEG of 1600 px would take a third longer, a WebP a quarter.
_LARGE_PIXELS = 16_000_000


def copy_sizes(header: Header) -> tuple[Size, ...]:
    """The sizes of the copies that are worth keeping of a source, largest first."""
    size = header.size
    least = _LEAST_PIXELS // 2 if header.format in _WHOLE else _LEAST_PIXELS
    if header.format not in _FORMATS or header.frames > 1 or size.pixels < least:
        return ()
    longest = max(size)
    return tuple(
        Size(*(max(1, round(side * each / longest)) for each in size))
        for side in _SIDES
        if longest >= side * _LEAST_REDUCED
    )


def usable_sizes(sizes: Iterable[Size], scaled: Size) -> list[Size]:
    """Those of *sizes* that a picture scaled to *scaled* may be made from, best first."""
    spare = {size: min(size.width / scaled.width, size.height / scaled.height) for size in sizes}
    ample = sorted(size for size in spare if spare[size] >= _AMPLE_SPARE)
    return ample + sorted((size for size in spare if _LEAST_SPARE <= spare[size] < _AMPLE_SPARE), reverse=True)


def takes_copies(options: Options) -> bool:
    """Whether a rendition with these options may be made from a copy."""
    return options.cache and all(getattr(options, name) == DEFAULTS[name] for name in _OF_THE_SOURCE)


def pays_at_once(header: Header) -> bool:
    """Whether making the copies adds a quarter or less to the cost of the source's first rendition."""
    return header.size.pixels >= _LARGE_PIXELS and header.format in _WHOLE


class Copies:
    """The copies of one application, in a *store* of their own.

    *format* is ``tiff`` or ``jpeg``; *settings* is as in `Rendition`.
    """

    def __init__(self, store: DiskCache, format: str, settings: str = "") -> None:
        self.store = store
        self.format = format
        self.settings = settings

    def find(self, source: Source, header: Header, scaled: Size) -> Entry | None:
        """Open the best copy for a picture scaled to *scaled*. Returns None if there is none."""
        for size in usable_sizes(copy_sizes(header), scaled):
            entry = self.store.get(self._key(source, size))
            if entry is not None:
                return entry
        return None

    def discard(self, entry: Entry) -> None:
        """Remove a broken copy."""
        if entry.path is not None:
            logger.warning("the copy %s is broken: it is removed, and made again later", entry.path)
            with suppress(OSError):
                os.unlink(entry.path)

    def missing(self, source: Source, header: Header, scaled: Size) -> list[tuple[Key, Size]]:
        """The copies to make for a picture scaled to *scaled*, largest first. Empty where there is nothing to gain.

        Making all of them costs one decode. There is nothing to gain where a copy that serves is kept, where none
        would serve, and where the store has no room.
        """
        sizes = copy_sizes(header)
        wanted = usable_sizes(sizes, scaled)
        # The smaller copy alone may have been evicted. That is not worth a decode while the larger one serves.
        if not wanted or any(self.store.has(self._key(source, size)) for size in wanted):
            return []
        bands, bound = 4 if header.alpha else 3, self.store.bound
        if not self.store.usable() or (bound is not None and not bound.admits(bands * sizes[0].pixels)):
            return []
        return [(self._key(source, size), size) for size in sizes]

    def make(self, copies: Sequence[tuple[Key, Size]], source: Source, reduce: Callable[[], Sequence[bytes]]) -> None:
        """Store *copies*, whose files *reduce* returns. Only one thread or process of the host makes them.

        Raises whatever *reduce* raises, and OSError.
        """
        largest = copies[0][0]

        def make() -> bool:
            if not self.store.has(largest):  # another process may have been faster
                for (key, _), data in zip(copies, reduce(), strict=True):
                    self.store.put_bytes(key, data, source.mtime_ns, in_use=True)
                logger.info("kept %d copies of %r", len(copies), source.ref)
            return True

        self.store.once(largest, make)

    def purge(self, ref: str) -> int:
        """Remove the copies of the source *ref*. Returns the number of files removed."""
        return self.store.purge(source_folder(ref))

    def _key(self, source: Source, size: Size) -> Key:
        version = digest(f"{self.format}\n{self.settings}\n{source.identity}", 64)
        return source_folder(source.ref), f"{version[:32]}-{max(size)}"
