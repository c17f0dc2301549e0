"""What exactly is to be made? A rendition: a source and everything decided about it, and its name in the cache.

This module does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from .formats import Format
from .options import Options
from .sources import Source

REVISION = 1
"""Raised by hand when the same request gives other pixels than before, so that no older ones are served."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A source, the options and the format it is wanted in, and the *recipe*: what else decides its pixels.

    The recipe is a text of the configuration (engine, orientation), the same for all renditions of an application.
    """

    source: Source
    options: Options
    format: Format
    recipe: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The name of this rendition in the cache: (folder, file), texts of hexadecimal digits and a suffix.

        The folder belongs to the source in all its versions, the file to exactly this rendition.
        """
        wanted = "\n".join(
            (str(REVISION), self.recipe, self.source.identity, self.options.canonical(), self.format.name)
        )
        return _digest(self.source.ref), _digest(wanted) + self.format.suffix


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
