"""Make a JPEG XL of what was sent as AVIF, in the background, and keep it if it is smaller.

At equal looks, either may be smaller: only encoding tells. A visitor waits for the AVIF alone. Once the JPEG XL is
there, browsers that read it get it instead, so that what they get is never larger than the AVIF.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from .background_thread import BackgroundThread
from .cache.disk import DiskCache
from .cache.entry import Key
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound, shown
from .log_fields import fields
from .rendition import Rendition

logger = logging.getLogger("flask_images_vips")

_LONGEST_QUEUE = 32
_NOT_SMALLER = b"not smaller\n"


class Pair(NamedTuple):
    """The same picture in both formats. *made* is called with the path of the JPEG XL once it is stored."""

    avif: Rendition
    jxl: Rendition
    made: Callable[[str], object]


class SmallerJxl:
    """Makes files of JPEG XL in *cache*.

    *render* renders one, and raises `Busy` if there is no renderer for it now. If *waits*, another process makes each
    AVIF smaller first, see `recompression`.
    """

    def __init__(self, cache: DiskCache, render: Callable[[Rendition], bytes], *, waits: bool) -> None:
        self._cache = cache
        self._render = render
        self._waits = waits
        self._thread = BackgroundThread("flask-images-vips-jxl", self.make, _LONGEST_QUEUE)

    def lacks(self, pair: Pair) -> bool:
        """Return whether the JPEG XL of *pair* is to be made, now that its AVIF is there."""
        key = pair.jxl.key
        return not (self._is_early(pair) or self._cache.has(key) or self._cache.has(_refused(key)))

    def _is_early(self, pair: Pair) -> bool:
        """Return whether the AVIF will be made smaller first: a JPEG XL might then be larger."""
        return self._waits and self._cache.is_final(pair.avif.key) is False

    def counter(self, pair: Pair) -> Callable[[], None]:
        """Return a function to call each time the AVIF of *pair* is served. It lets the JPEG XL be made once."""
        asked = False

        def count_answer() -> None:
            nonlocal asked
            if not asked and not self._is_early(pair):
                asked = self._thread.offer(pair)

        return count_answer

    def make(self, pair: Pair) -> None:
        """Make the JPEG XL of *pair*, unless it is there, or is known not to be smaller.

        Raises:
            Busy: If that cannot be done now.
        """
        with self._cache.background_turn() as free:
            if not free:
                raise Busy("another process of the host does this work")
            self.make_now(pair)

    def make_now(self, pair: Pair) -> None:
        """Do as `make`, also if another process of the host does such work.

        Raises:
            Busy: If there is no renderer for it.
        """
        cache, key = self._cache, pair.jxl.key
        found = cache.get(key) or cache.fetched(key, pair.jxl.mtime_ns, since=time.monotonic())
        if found is None:
            path = None if cache.has(_refused(key)) else self._made(pair)
        else:
            with found:
                path = found.path
        if path is not None:
            pair.made(path)

    def _made(self, pair: Pair) -> str | None:
        """Return the path of the JPEG XL, or None if it is not smaller or cannot be made."""
        cache, jxl, ref = self._cache, pair.jxl, pair.jxl.source.ref
        avif = cache.get(pair.avif.key)
        if avif is None or self._is_early(pair):
            return None
        avif.close()
        try:
            data = self._render(jxl)
        except Busy:
            raise
        except (SourceChanged, SourceNotFound):
            return None
        except ImagesError as error:
            logger.info("cannot make a JPEG XL of %s: %s", shown(ref), error)
            data = b""
        saved = avif.size_bytes - len(data)
        try:
            if not data or saved <= 0:
                cache.put_bytes(_refused(jxl.key), _NOT_SMALLER, jxl.mtime_ns, shared=False)
                return None
            path = cache.put_bytes(jxl.key, data, jxl.mtime_ns)
        except OSError as error:
            logger.info("cannot store a JPEG XL of %s: %s", shown(ref), error)
            return None
        extra = fields("jxl", ref, saved_bytes=saved)
        logger.info("made a JPEG XL of %s, which is %d bytes smaller than the AVIF", shown(ref), saved, extra=extra)
        return path


def _refused(key: Key) -> Key:
    """Return the key of the note that the JPEG XL of *key* is not smaller. It has the name of a fact."""
    folder, file = key
    return folder, f"jxl-{file.partition('.')[0]}.txt"
