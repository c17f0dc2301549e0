"""Define `Rendition`: a source with the options, format and settings to render it with.

This module does no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .cache.entry import OWNER
from .formats import Format
from .hashing import digest
from .lazy import Lazy
from .options.options import Options
from .options.values import Mode
from .sources.finder import current_version
from .sources.fonts import Lettering
from .sources.source import Source
from .sources.spelling import plain_ref

REVISION = 3
"""Increment this when the same options render different pixels, so that older cache entries are not served."""

_DIGEST_BYTES = 16
_FAMILY_DIGEST_BYTES = 6
_SHAPES_PER_OCTAVE = 2
_VARYING_IN_A_FAMILY = ("width", "height", "quality", "max_bytes")


@dataclass(frozen=True)
class Rendition:
    """A source with the options, the output format and the *settings* to render it with.

    *settings* is a string of the configuration values that affect the pixels (engine, orientation and so on).
    *watermark* is the source that ``options.watermark`` refers to, and *lettering* is what draws ``options.text``.
    """

    source: Source
    options: Options
    format: Format
    settings: str = ""
    watermark: Source | None = None
    lettering: Lettering | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The source and, if there is one, the watermark's source."""
        return (self.source, *([self.watermark] if self.watermark else []))

    @property
    def fonts(self) -> tuple[Source, ...]:
        """The files of the font of its text, if it has one."""
        return () if self.lettering is None else self.lettering.fonts

    @property
    def version(self) -> str:
        """The version of all that it shows, as it is written in a URL."""
        return current_version(self.source, *self.extras)

    @property
    def extras(self) -> tuple[Source | Lettering, ...]:
        """What it shows besides its source."""
        return tuple(each for each in (self.watermark, self.lettering) if each is not None)

    @property
    def mtime_ns(self) -> int:
        """The latest modification time of the sources and fonts, in nanoseconds since 1970."""
        return max(source.mtime_ns for source in (*self.sources, *self.fonts))

    @property
    def mtime(self) -> int:
        """`mtime_ns` in whole seconds, as in HTTP's Last-Modified."""
        return self.mtime_ns // 1_000_000_000

    @Lazy
    def key(self) -> tuple[str, str]:
        """The cache key: a folder name and a file name, both in hexadecimal digits, the latter with a suffix.

        All versions of a source share the folder. The file name begins with `family` and is unique to this rendition.
        It also names the folder of the watermark's source, so that the rendition can be removed with that.
        """
        mark = "" if self.watermark is None else OWNER + source_folder(self.watermark.ref)
        file = f"{self.family}-{self._digest_of(self.options.canonical())}{mark}{self.format.suffix}"
        return source_folder(self.source.ref), file

    @Lazy
    def family(self) -> str:
        """Hexadecimal digits shared by all renditions that differ only in size and quality, and have the same shape."""
        return self._family_of(lambda ratio: f"{ratio:.2f}")

    @Lazy
    def look(self) -> str:
        """Do as `family`, but shapes that are alike count as the same, because they show nearly the same picture."""
        return self._family_of(lambda ratio: str(round(_SHAPES_PER_OCTAVE * math.log2(ratio))))

    def _family_of(self, named: Callable[[float], str]) -> str:
        """Return the digits of the family, whose shape is *named* by its width divided by its height."""
        options = self.options.settled()
        boxed = options.width and options.height and options.mode is not Mode.FIT
        shape = named((options.width or 0) / (options.height or 1)) if boxed else ""
        return self._digest_of(f"{options.canonical(but=_VARYING_IN_A_FAMILY)}\n{shape}", _FAMILY_DIGEST_BYTES)

    def _digest_of(self, wanted: str, size_bytes: int = _DIGEST_BYTES) -> str:
        parts = [str(REVISION), self.settings, self.source.identity, wanted, self.format.name]
        if self.format.revision:
            parts.append(f"revision {self.format.revision}")
        if self.watermark is not None:
            parts.append(self.watermark.identity)
        if self.lettering is not None:
            parts.append(self.lettering.identity)
        return digest("\n".join(parts), size_bytes)


def source_folder(ref: str) -> str:
    """Return the cache folder of all renditions of the source *ref*, in all its versions.

    All spellings of a URL have the same folder.
    """
    return digest(plain_ref(ref), _DIGEST_BYTES)
