"""What exactly is to be made? A rendition: a source and everything decided about it, and its name in the cache.

This module does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from .formats import Format
from .options.options import Options
from .options.values import Mode
from .sources.source import Source

REVISION = 3
"""Raised by hand when the same request gives other pixels than before, so that no older ones are served."""

_DIGEST_BYTES = 16
_UNLIKE_IN_A_FAMILY = ("width", "height", "quality", "max_bytes")


@dataclass(frozen=True)
class Rendition:
    """A source, the options and the format it is wanted in, and the *recipe*: what else decides its pixels.

    The recipe is a text of the configuration (engine, orientation …), the same for all renditions of an application.
    *watermark* is the source of what ``options.watermark`` names.
    """

    source: Source
    options: Options
    format: Format
    recipe: str = ""
    watermark: Source | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that it is made of."""
        return (self.source, *([self.watermark] if self.watermark else []))

    @property
    def mtime_ns(self) -> int:
        """When the younger of its sources was modified."""
        return max(source.mtime_ns for source in self.sources)

    @property
    def mtime(self) -> int:
        """`mtime_ns` in whole seconds since 1970, as HTTP's Last-Modified has it."""
        return self.mtime_ns // 1_000_000_000

    @cached_property
    def key(self) -> tuple[str, str]:
        """The name of this rendition in the cache: (folder, file), texts of hexadecimal digits and a suffix.

        The folder belongs to the source in all its versions, the file to exactly this rendition. The file's name
        begins with `family`.
        """
        file = f"{self.family}-{self._digest_of(self.options.canonical())}{self.format.suffix}"
        return source_folder(self.source.ref), file

    @cached_property
    def family(self) -> str:
        """What all sizes and qualities of the same picture share, as a text of hexadecimal digits."""
        options = self.options.settled()
        boxed = options.width and options.height and options.mode is not Mode.FIT
        shape = f"{(options.width or 0) / (options.height or 1):.2f}" if boxed else ""
        return self._digest_of(f"{options.canonical(but=_UNLIKE_IN_A_FAMILY)}\n{shape}", size_bytes=6)

    def _digest_of(self, wanted: str, size_bytes: int = _DIGEST_BYTES) -> str:
        parts = [str(REVISION), self.recipe, self.source.identity, wanted, self.format.name]
        if self.watermark is not None:
            parts.append(self.watermark.identity)
        return _digest("\n".join(parts), size_bytes)


def source_folder(ref: str) -> str:
    """The folder of the cache that holds all renditions of the source *ref*, in all its versions."""
    return _digest(ref)


def _digest(text: str, size_bytes: int = _DIGEST_BYTES) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size_bytes).hexdigest()
