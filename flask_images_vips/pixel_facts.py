"""Cache the facts that need the pixels of a source: placeholders, trim boxes, points of faces and qualities.

A page does not wait for pixels. It leaves out a placeholder that is not known yet, and asks for it. Asking leaves a
file beside the renditions of the source, so whichever process renders the source next makes the placeholder on the way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from .cache.disk import DiskCache
from .cache.entry import Key
from .cache.stored import parsed, text
from .errors import Busy
from .expiring import Expiring
from .geometry import Box
from .hashing import digest
from .options.options import Options
from .rendering.placeholders import KINDS, is_valid
from .rendition import Rendition
from .sources.source import Source
from .waiting import waiting_since

T = TypeVar("T")

_REMEMBERED = 16_384
_ASKED_SECONDS = 60.0  # after this time, the file of a request is looked for again, because it may have been purged
_NAME_BYTES = 6
_QUALITY = re.compile(r"[1-9][0-9]?|100")
_OCTAVES = 6  # how far to look for another size: a picture of 8 times the width
_STEPS_PER_OCTAVE = 4  # of the demo's photographs, larger ones need 0 to 4 steps more for the same score
_FOCUS, _NO_FACE = "focus", "none"
_POINT = re.compile(r"[01]\.[0-9]{1,4} [01]\.[0-9]{1,4}")
_BOX = re.compile(r"[0-9]{1,7} [0-9]{1,7} [1-9][0-9]{0,6} [1-9][0-9]{0,6}")


class _Focus(NamedTuple):
    """The point of the faces, or nothing if there are none."""

    point: tuple[float, ...]


class PixelFacts:
    """Placeholders, trim boxes and the points of faces, in memory and in *cache*.

    *key* returns the cache key of a fact about a source.
    """

    def __init__(self, cache: DiskCache, key: Callable[[Source, str], Key]) -> None:
        self._cache = cache
        self.key = key
        self._known: dict[Hashable, Any] = {}
        self._asked: Expiring[bool] = Expiring()

    def placeholder(self, source: Source, kind: str, *, elsewhere: bool = False) -> str | None:
        """Return the placeholder *kind* of *source*, or None if it is not known yet, on any host if *elsewhere*."""
        parse = partial(text, valid=partial(is_valid, kind))
        return self._find(source, kind, lambda: self.key(source, kind), parse, elsewhere=elsewhere)

    def ask(self, source: Source, kind: str) -> None:
        """Let the next render of *source*, in any process, make its placeholder *kind*. Asking again costs little."""
        if (source, kind) in self._asked:
            return
        self._asked.add((source, kind), True, _ASKED_SECONDS)
        key = self._request(source, kind)
        if not self._cache.has(key):
            self._store(source, key, b"wanted", shared=False)

    def asked(self, source: Source) -> list[str]:
        """Return the kinds of placeholders that were asked for and are not known yet."""
        asked = [
            kind for kind in KINDS if (source, kind) in self._asked or self._cache.has(self._request(source, kind))
        ]
        return [kind for kind in asked if self.placeholder(source, kind) is None]

    def add_placeholders(self, source: Source, placeholders: Mapping[str, str]) -> None:
        """Keep *placeholders* of *source*, by kind."""
        for kind, placeholder in placeholders.items():
            self._remember((source, kind), placeholder)
            if self._store(source, self.key(source, kind), placeholder.encode()):
                request = self._cache.get(self._request(source, kind))
                if request is not None:
                    with request:
                        request.discard()

    def trim(self, source: Source, options: Options, *, elsewhere: bool = False) -> Box | None:
        """Return the box of *source* that remains after the trim of *options*, or None if it is not known yet.

        With *elsewhere*, other hosts are asked too.
        """
        if not options.trim:
            return None
        key = partial(self._trim_key, source, options)
        return self._find(source, trim_of(options), key, _box, elsewhere=elsewhere)

    def add_trim(self, source: Source, options: Options, box: Box) -> None:
        """Keep *box*, which remains of *source* after the trim of *options*."""
        self._remember((source, trim_of(options)), box)
        self._store(source, self._trim_key(source, options), " ".join(map(str, box)).encode())

    def quality(self, rendition: Rendition, pixels: int, target: float) -> int | None:
        """Return the quality at which *rendition* scores *target*, or None if it is not known.

        It was found for one that differs in size only, of at least half of the *pixels* and at most twice as many.
        """
        fact, key = self._of_quality(rendition, _octave(pixels), target)
        return self._find(rendition.source, fact, key, _quality, elsewhere=True)

    def likely_quality(self, rendition: Rendition, pixels: int, target: float) -> int | None:
        """Return the quality that most likely looks good enough, from what was found for other sizes, or None.

        That of a larger picture is good enough, because larger ones need more. That of a smaller one is raised.
        """
        own = _octave(pixels)
        for octave in (*range(own, own + _OCTAVES), *range(own - 1, own - _OCTAVES, -1)):
            fact, key = self._of_quality(rendition, octave, target)
            known = self._find(rendition.source, fact, key, _quality, elsewhere=False)
            if known is not None:
                more: int = _STEPS_PER_OCTAVE * max(0, own - octave)
                return known + more
        return None

    def add_quality(self, rendition: Rendition, pixels: int, target: float, quality: int) -> None:
        """Keep the *quality* that was found for *rendition*, which has so many *pixels*, and the score *target*."""
        fact, key = self._of_quality(rendition, _octave(pixels), target)
        self._remember((rendition.source, fact), quality)
        self._store(rendition.source, key(), str(quality).encode())

    def _of_quality(self, rendition: Rendition, octave: int, target: float) -> tuple[str, Callable[[], Key]]:
        fact = f"quality-{rendition.format.name}-{octave}-{rendition.look}-{target:g}"
        return fact, partial(self.key, rendition.source, fact)

    def focus(self, source: Source, *, elsewhere: bool = False) -> Sequence[float] | None:
        """Return the point of the faces of *source*, which is empty if there are none, or None if it is not known yet.

        It has x and y as fractions of the upright sides. *elsewhere* is as in `trim`.
        """
        found = self._find(source, _FOCUS, lambda: self.key(source, _FOCUS), _point, elsewhere=elsewhere)
        return None if found is None else found.point

    def add_focus(self, source: Source, point: Sequence[float]) -> None:
        """Keep the *point* of the faces of *source*, which is empty if there are none."""
        self._remember((source, _FOCUS), _Focus(tuple(point)))
        self._store(source, self.key(source, _FOCUS), (" ".join(map(str, point)) or _NO_FACE).encode())

    def forget(self) -> None:
        """Forget what was asked for, so that it is asked for again. Call this when files are removed."""
        self._asked.clear()

    def _find(
        self,
        source: Source,
        fact: Hashable,
        key: Callable[[], Key],
        parse: Callable[[bytes], T],
        *,
        elsewhere: bool,
    ) -> T | None:
        name = source, fact
        known: T | None = self._known.get(name)
        if known is not None:
            return known
        entry = self._cache.get(key())
        if entry is None and elsewhere:
            entry = self._cache.fetched(key(), source.mtime_ns, since=waiting_since())
        if entry is not None:
            with entry, suppress(Busy):  # a file that cannot be read is removed, and made again
                known = parsed(entry, parse)
            if known is not None:
                self._remember(name, known)
        return known

    def _remember(self, name: Hashable, fact: object) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = fact

    def _store(self, source: Source, key: Key, data: bytes, *, shared: bool = True) -> bool:
        """Store *data*, for all hosts if *shared* is set, and return whether that was possible."""
        with suppress(OSError):
            return self._cache.put_bytes(key, data, source.mtime_ns, in_use=True, shared=shared) is not None
        return False

    def _request(self, source: Source, kind: str) -> Key:
        return self.key(source, f"wanted-{kind}")

    def _trim_key(self, source: Source, options: Options) -> Key:
        return self.key(source, f"trim-{digest(' '.join(map(str, trim_of(options))), _NAME_BYTES)}")


def _octave(pixels: int) -> int:
    """Return the size class of a picture of so many *pixels*: each has twice as many as the one before."""
    return round(math.log2(max(1, pixels)))


def _quality(data: bytes) -> int:
    return int(text(data, lambda found: _QUALITY.fullmatch(found) is not None))


def trim_of(options: Options) -> tuple[Hashable, ...]:
    """Return the options that the box of a trim depends on."""
    return options.region, options.rotate, options.flip, options.trim


def _point(data: bytes) -> _Focus:
    found = text(data, lambda each: each == _NO_FACE or _POINT.fullmatch(each) is not None)
    return _Focus(() if found == _NO_FACE else tuple(map(float, found.split())))


def _box(data: bytes) -> Box:
    return Box(*map(int, text(data, lambda found: _BOX.fullmatch(found) is not None).split()))
