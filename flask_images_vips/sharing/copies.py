"""When is a reduced copy of a source kept, and used? Where decoding the source anew would cost more.

A large source is decoded once and kept at two sizes; every later rendition that fits is made from the smallest copy
that leaves twice its pixels, at a fraction of the cost. A copy is never needed: where there is none, or it is broken,
the source itself is taken. Functions that are told all they need decide; the class keeps.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b

from ..cache.disk import DiskCache
from ..cache.entry import Entry, Key
from ..engines.engine import Header
from ..errors import Busy, ImagesError, SourceChanged
from ..expiring import Recent
from ..geometry import Size
from ..options.options import DEFAULTS, Options
from ..rendition import Rendition, source_folder
from ..sources.source import Source

logger = logging.getLogger("flask_images_vips")

_SIDES = (2048, 1024)  # of the copies, the longer one in pixels
_LEAST_PIXELS = 4_000_000  # of a source: below that decoding is cheap, or below half, where all of it is decoded
_LEAST_REDUCED = 1.4  # of each side: a copy not much smaller than its source gains little
_LEAST_SPARE = 1.25  # of each side, copy to rendition: less, and what was resampled twice shows
_AMPLE_SPARE = 2.0  # as much as a decoder's own shrinking leaves
_WHOLE = frozenset({"png", "avif", "tiff"})  # decoded in full, however small the rendition
_FORMATS = frozenset({"jpeg", "png", "webp", "avif", "tiff"})
# Options that need the source itself: its own pixels, its metadata or profile, or another source beside it.
_OF_THE_SOURCE = ("transform", "region", "trim", "keep", "watermark")

# With a lone first rendition the copies are made only where that adds little to it: large sources that are decoded
# whole. A first JPEG of 1600 px would take a third longer, a WebP a quarter.
_LARGE_PIXELS = 16_000_000

_FAILURE_SECONDS = 600.0


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
    """Those of *sizes* that a rendition may be made from whose picture is scaled to *scaled*, best first."""
    spare = {size: min(size.width / scaled.width, size.height / scaled.height) for size in sizes}
    ample = sorted(size for size in spare if spare[size] >= _AMPLE_SPARE)
    return ample + sorted((size for size in spare if _LEAST_SPARE <= spare[size] < _AMPLE_SPARE), reverse=True)


def takes_copies(options: Options) -> bool:
    """Whether a rendition with these options may be made from a copy."""
    return options.cache and all(getattr(options, name) == DEFAULTS[name] for name in _OF_THE_SOURCE)


def pays_at_once(header: Header) -> bool:
    """Whether making the copies adds little to the source's first rendition: a quarter at most."""
    return header.size.pixels >= _LARGE_PIXELS and header.format in _WHOLE


class Copies:
    """The copies in *store*, a cache of their own, in *format*: ``tiff`` or ``jpeg``. For renditions that take copies.

    *recipe* is that of every `Rendition`.
    """

    def __init__(self, store: DiskCache, format: str, recipe: str = "") -> None:
        self.store = store
        self.format = format
        self.recipe = recipe
        self._failed: Recent[bool] = Recent(_FAILURE_SECONDS)

    def find(self, rendition: Rendition, header: Header, scaled: Size) -> Entry | None:
        """The best copy to make *rendition* from, open, or None."""
        for size in usable_sizes(copy_sizes(header), scaled):
            entry = self.store.get(self._key(rendition.source, str(max(size))))
            if entry is not None:
                return entry
        return None

    def discard(self, entry: Entry) -> None:
        """Remove a copy that is broken."""
        if entry.path is not None:
            logger.warning("the copy %s is broken: made anew", entry.path)
            with suppress(OSError):
                os.unlink(entry.path)

    def prepare(
        self,
        rendition: Rendition,
        header: Header,
        scaled: Size,
        is_lone: Callable[[], bool],
        reduce: Callable[[Sequence[Size]], Sequence[bytes]],
    ) -> None:
        """Make the copies where *rendition* would be made from one and they pay: by *reduce*, once on this host.

        *is_lone* tells whether no other rendition of the source is kept, or expected. Whoever asks for the same source
        meanwhile waits. Call it before the lock of the rendition is taken, never within.

        Raises:
            Busy, SourceChanged: as *reduce* does. What else goes wrong costs the copies alone.
        """
        source = rendition.source
        sizes = copy_sizes(header)
        wanted = usable_sizes(sizes, scaled)
        if not wanted:
            return
        keys = [self._key(source, str(max(size))) for size in sizes]
        # The smaller copy alone may have been evicted: not worth a decode while the larger one serves.
        if any(self.store.has(keys[sizes.index(size)]) for size in wanted) or self._failed.get(keys[0]):
            return
        if not pays_at_once(header) and is_lone():
            return
        bands = 4 if header.alpha else 3
        bound = self.store.bound
        if not self.store.usable() or (bound is not None and not bound.admits(bands * sizes[0].pixels)):
            return
        try:
            self.store.once(keys[0], lambda: self._make(keys, source, partial(reduce, sizes)))
        except (Busy, SourceChanged):
            raise
        except (ImagesError, OSError) as error:
            logger.info("no copy of %r is kept: %s", source.ref, error)
            self._failed.add(keys[0], True)

    def purge(self, ref: str) -> int:
        """Remove the copies of the source *ref*, and say how many files there were."""
        return self.store.purge(source_folder(ref))

    def _make(self, keys: Sequence[Key], source: Source, reduce: Callable[[], Sequence[bytes]]) -> bool:
        if not self.store.has(keys[0]):  # or somebody else was faster
            for key, data in zip(keys, reduce(), strict=True):
                self.store.put_bytes(key, data, source.mtime_ns, in_use=True)
            logger.info("kept %d copies of %r", len(keys), source.ref)
        return True

    def _key(self, source: Source, what: str) -> Key:
        version = blake2b(f"{self.format}\n{self.recipe}\n{source.identity}".encode("utf-8", "surrogatepass"))
        return source_folder(source.ref), f"{version.hexdigest()[:32]}-{what}"
