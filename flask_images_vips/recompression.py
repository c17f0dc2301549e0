"""Re-encode popular renditions in the background, to make them smaller.

This also replaces renditions whose quality is ``auto``, see `auto_quality`.

The first response must be fast, so a rendition is first encoded at low effort. Once a process has served a rendition
often enough, it encodes the rendition again at the highest effort, and the smaller file replaces the first one. The
ETag includes the file size, so it changes when the file is replaced.

Only one process of the host re-encodes at a time. A renderer does it only if no visitor waits, so that visitors rarely
wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from .background_thread import BackgroundThread
from .cache.disk import DiskCache
from .engines.encoder_settings import formats_changed_by
from .errors import Busy, ImagesError, SourceChanged, SourceNotFound, shown
from .formats import Auto
from .log_fields import fields
from .rendition import Rendition

logger = logging.getLogger("flask_images_vips")

_LONGEST_QUEUE = 32
_FORMATS = formats_changed_by("small")


class Recompressor:
    """Re-encodes the popular renditions in *cache*.

    *after* is how often one must be served before that; 0 is never. *auto_after* is the same for those whose quality
    is ``auto``. *render* returns a rendition encoded at the highest effort, or at the quality that ``auto`` finds. It
    raises `Busy` if there is no renderer for it now.
    """

    def __init__(self, after: int, cache: DiskCache, render: Callable[[Rendition], bytes], auto_after: int = 0) -> None:
        self.after = after
        self.auto_after = auto_after
        self._cache = cache
        self._render = render
        self._thread = BackgroundThread("flask-images-vips-small", self._recompress, _LONGEST_QUEUE)

    def counter(self, rendition: Rendition) -> Callable[[], None] | None:
        """Return a function to call each time *rendition* is served, or None if its format cannot be made smaller."""
        after = self._after(rendition)
        if not after:
            return None
        answers = 0

        def count_answer() -> None:
            nonlocal answers
            # Compare the value that this thread wrote, not the shared counter, which other threads may have increased
            # beyond the threshold meanwhile.
            answers = mine = answers + 1
            if mine == after and not self._thread.offer(rendition):
                answers = 0  # count again from 0, to try once more if the rendition stays popular

        return count_answer

    def _after(self, rendition: Rendition) -> int:
        options, format = rendition.options, rendition.format
        if isinstance(options.quality, Auto) and format.lossy and not options.lossless:
            return self.auto_after
        return self.after if format.name in _FORMATS else 0

    def _recompress(self, rendition: Rendition) -> None:
        """Try to make *rendition* smaller.

        Raises:
            Busy: If that cannot be done now.
        """
        with self._cache.background_turn() as free:
            if not free:
                raise Busy("another process of the host does this work")
            self._make_small(rendition)

    def _make_small(self, rendition: Rendition) -> None:
        key = rendition.key
        if self._cache.is_final(key) is not False:  # another process has done it already, or the entry was evicted
            return
        data = None
        try:
            data = self._render(rendition)
        except Busy:
            raise
        except (SourceChanged, SourceNotFound):
            return  # the source has changed, so this rendition is outdated
        except ImagesError as error:  # a higher effort may exceed the timeout
            logger.info("cannot re-encode a rendition of %s: %s", shown(rendition.source.ref), error)
        saved = self._cache.replace_with_smaller(key, data)
        if saved:
            extra = fields("re-encoded", rendition.source.ref, format=rendition.format.name, saved_bytes=saved)
            logger.info(
                "re-encoded a rendition of %s, which saved %d bytes", shown(rendition.source.ref), saved, extra=extra
            )
