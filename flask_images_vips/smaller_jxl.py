"""Make a JPEG XL of each rendition that was sent as AVIF, in the background, and keep it if it is smaller.

At the same quality, either format may be smaller: only encoding tells. A visitor waits for the AVIF alone. Once the
JPEG XL is there, browsers that read it get it instead, so their file is never larger than the AVIF.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from .background_thread import BackgroundThread
from .cache.disk import DiskCache
from .cache.entry import Entry, Key
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
        if cache.has(_refused(key)):
            return
        found = cache.get(key) or cache.fetched(key, pair.jxl.mtime_ns, since=time.monotonic())
        path = self._made(pair) if found is None else self._kept(pair, found)
        if path is not None:
            pair.made(path)

    def _kept(self, pair: Pair, found: Entry) -> str | None:
        """Return the path of *found*, the JPEG XL. It is removed, and None returned, if it is not smaller here.

        Another host may have compared it with an AVIF that it could not make smaller.
        """
        with found:
            avif = self._cache.get(pair.avif.key)
            if avif is None:
                return found.path
            avif.close()
            if found.size_bytes < avif.size_bytes:
                return found.path
            found.discard()
        with suppress(OSError):
            self._refuse(pair)
        return None

    def _refuse(self, pair: Pair) -> None:
        """Note that the JPEG XL of *pair* is not smaller.

        Raises:
            OSError: If the note cannot be stored.
        """
        self._cache.put_bytes(_refused(pair.jxl.key), _NOT_SMALLER, pair.jxl.mtime_ns, shared=False)

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
                self._refuse(pair)
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
