"""Keep reduced copies of large sources, and decide which are made and used.

If a rendition is much smaller than its source, decoding the source takes most of the time. So a large source is also
stored in up to two smaller sizes, its copies. Later renditions are made from the smallest copy that has enough pixels,
in a fraction of the time. Copies are optional: if there is none, or if it is broken, the rendition is made from the
source itself.

A copy is made together with a rendition, from one decode. It is the smallest that suits the rendition, because decoders
that can shrink a picture need little more time for it than for the rendition itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from ..cache.disk import DiskCache
from ..cache.entry import Entry, Key
from ..engines.engine import SPARE_OF_COPIES, Header
from ..errors import shown
from ..geometry import Size
from ..hashing import digest
from ..log_fields import fields
from ..options.options import DEFAULTS, Options
from ..rendition import source_folder
from ..sources.source import Source

logger = logging.getLogger("flask_images_vips")

_SIDES = (2048, 1024)  # the longer side of each copy, in pixels
_MIN_PIXELS = 4_000_000  # a source must have this many pixels, or half as many if it is always decoded in full
_MIN_REDUCED = 1.4  # a source must be this much larger than a copy, per side, or the copy saves little
_AMPLE_SPARE = 2.0  # a copy this much larger, per side, is as good as a source that was shrunk while decoding
# Formats that are always decoded in full, however small the rendition is.
_WHOLE = frozenset({"png", "avif", "heic", "tiff"})
_FORMATS = frozenset({"jpeg", "png", "webp", "avif", "heic", "tiff"})
# Options that need the source itself, because they use its exact pixels, its metadata, or other files besides it.
_OF_THE_SOURCE = ("transform", "region", "trim", "keep", "watermark", "depth", "text")


def copy_sizes(header: Header) -> tuple[Size, ...]:
    """Return the sizes of the copies that are worth keeping for a source, largest first.

    A source with a palette has none: only the source itself tells how small its renditions must be.
    """
    size = header.size
    least = _MIN_PIXELS // 2 if header.format in _WHOLE else _MIN_PIXELS
    if header.format not in _FORMATS or header.frames > 1 or header.palette or size.pixels < least:
        return ()
    longest = max(size)
    return tuple(
        Size(*(max(1, round(side * each / longest)) for each in size))
        for side in _SIDES
        if longest >= side * _MIN_REDUCED
    )


def usable_sizes(sizes: Iterable[Size], scaled: Size) -> list[Size]:
    """Return those of *sizes* from which a picture of the size *scaled* may be made, best first."""
    spare = {size: min(size.width / scaled.width, size.height / scaled.height) for size in sizes}
    ample = sorted(size for size in spare if spare[size] >= _AMPLE_SPARE)
    return ample + sorted((size for size in spare if SPARE_OF_COPIES <= spare[size] < _AMPLE_SPARE), reverse=True)


def takes_copies(options: Options) -> bool:
    """Return whether a rendition with these options may be made from a copy."""
    return (
        options.cache
        and not options.seeks_faces
        and all(getattr(options, name) == DEFAULTS[name] for name in _OF_THE_SOURCE)
    )


class Copies:
    """Stores the copies of one application in *store*, a cache of their own.

    *format* is ``tiff`` or ``jpeg``; *settings* is as in `Facts`.
    """

    def __init__(self, store: DiskCache, format: str, settings: str = "") -> None:
        self.store = store
        self.format = format
        self.settings = settings

    def find(self, source: Source, header: Header, scaled: Size) -> Entry | None:
        """Open the best copy for a picture of the size *scaled*. Returns None if there is none."""
        for size in usable_sizes(copy_sizes(header), scaled):
            entry = self.store.get(self._key(source, size))
            if entry is not None:
                return entry
        return None

    def has(self, source: Source, header: Header, scaled: Size) -> bool:
        """Return whether there is a copy for a picture of the size *scaled*."""
        return any(self.store.has(self._key(source, size)) for size in usable_sizes(copy_sizes(header), scaled))

    def discard(self, entry: Entry) -> None:
        """Remove a broken copy."""
        if entry.path is not None:
            logger.warning("removing the broken copy %s; it is made again when it is needed", entry.path)
            entry.discard()

    def missing(
        self, source: Source, header: Header, scaled: Size, others: Sequence[Size] = ()
    ) -> list[tuple[Key, Size]]:
        """Return the copies to make for a picture of the size *scaled*, largest first.

        Pictures of the sizes *others* are expected too, so there is a copy for each of them, if any suits. The list is
        empty if a suitable copy is stored already, if no copy would be suitable, or if the store has no room.
        """
        sizes = copy_sizes(header)
        # If only the smaller copy was evicted, use the larger one, which costs less than another decode.
        if not usable_sizes(sizes, scaled) or self.has(source, header, scaled):
            return []
        smallest = {min(suitable) for each in (scaled, *others) if (suitable := usable_sizes(sizes, each))}
        made = sizes if header.format in _WHOLE else sorted(smallest, reverse=True)
        bands, bound = 4 if header.alpha else 3, self.store.bound
        if not self.store.usable() or (bound is not None and not bound.admits(bands * made[0].pixels)):
            return []
        return [(self._key(source, size), size) for size in made]

    def make(
        self, copies: Sequence[tuple[Key, Size]], source: Source, reduce: Callable[[], Sequence[bytes]], since: float
    ) -> None:
        """Store *copies*. *reduce* returns their files, and is called by one thread or process of the host at a time.

        It may return none: then nothing is stored.

        The time to wait for the others counts from the monotonic time *since*.

        Raises:
            OSError: If a copy cannot be written. Errors of *reduce* are raised, too.
        """
        largest = copies[0][0]

        def make() -> bool:
            # Another process may have made them meanwhile.
            if not self.store.has(largest) and (files := reduce()):
                for (key, _), data in zip(copies, files, strict=True):
                    self.store.put_bytes(key, data, source.mtime_ns, in_use=True)
                sides = ", ".join(str(max(size)) for _, size in copies)
                extra = fields("copies stored", source.ref, files=len(copies))
                logger.info("stored copies of %s: %s px", shown(source.ref), sides, extra=extra)
            return True

        self.store.once(largest, make, since=since)

    def purge(self, ref: str) -> int:
        """Remove the copies of the source *ref*. Returns the number of files removed."""
        return self.store.purge(source_folder(ref))

    def _key(self, source: Source, size: Size) -> Key:
        version = digest(f"{self.format}\n{self.settings}\n{source.identity}", 64)
        return source_folder(source.ref), f"{version[:32]}-{max(size)}"
