"""Read from a font file which characters it has, and whether its glyphs have colours.

FreeType knows this too, but Pillow does not return it. Fonts are the site's own, so they are trusted. This module does
no I/O.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from ...lazy import Lazy

_COLOURED = frozenset({b"CBDT", b"COLR", b"sbix"})
_MOST_RANGES = 70_000


class Coverage:
    """The characters of the font file *data*, which is TrueType or OpenType, or a collection of these.

    *coloured* tells whether its glyphs have colours. A font of bitmaps has only the sizes *strikes*, in pixels.

    Raises:
        ValueError: If it is no such file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        with _reading():
            self._tables = _tables(data)
            self.coloured = bool(_COLOURED & self._tables.keys())
            self.scalable = not self.coloured or b"CBDT" not in self._tables
            bitmaps = not self.scalable and b"CBLC" in self._tables
            self.strikes = _strikes(data, self._tables[b"CBLC"][0]) if bitmaps else ()

    def has(self, character: str) -> bool:
        """Return whether the font has *character*. Raises ValueError if that part of the file is broken.

        A font that does not say so, such as one of symbols, counts as one that has all.
        """
        begins, ends = self._ranges
        if not begins:
            return True
        code = ord(character)
        index = bisect_right(begins, code) - 1
        return index >= 0 and code <= ends[index]

    @Lazy
    def _ranges(self) -> tuple[list[int], list[int]]:
        """The begins and the ends of the ranges of code points, sorted. Both are inclusive."""
        with _reading():
            ranges = sorted(_ranges(self._data, self._tables[b"cmap"][0]))
        return [begin for begin, _ in ranges], [end for _, end in ranges]


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (struct.error, KeyError, IndexError) as error:
        raise ValueError(f"not a TrueType or OpenType font ({error!r})") from None


def _tables(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Return the offset and length of each table. Of a collection, the first font counts."""
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
    (count,) = struct.unpack_from(">H", data, start + 4)
    found = {}
    for index in range(count):
        tag, _, offset, length = struct.unpack_from(">4sIII", data, start + 12 + 16 * index)
        found[tag] = offset, length
    return found


def _ranges(data: bytes, cmap: int) -> list[tuple[int, int]]:
    """Return the ranges of characters, from the largest subtable of Unicode."""
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    found: list[tuple[int, int]] = []
    for index in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", data, cmap + 4 + 8 * index)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            ranges = _subtable(data, cmap + offset)
            found = max(found, ranges, key=lambda each: sum(end - begin + 1 for begin, end in each))
    return found


def _subtable(data: bytes, at: int) -> list[tuple[int, int]]:
    (format,) = struct.unpack_from(">H", data, at)
    if format == 4:
        (double,) = struct.unpack_from(">H", data, at + 6)
        ends = struct.unpack_from(f">{double // 2}H", data, at + 14)
        begins = struct.unpack_from(f">{double // 2}H", data, at + 16 + double)
        return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin <= end < 0xFFFF]
    if format == 12:
        (groups,) = struct.unpack_from(">I", data, at + 12)
        every = range(min(groups, _MOST_RANGES))
        triples = (struct.unpack_from(">III", data, at + 16 + 12 * index) for index in every)
        return [(begin, end) for begin, end, _ in triples if begin <= end]
    return []


def _strikes(data: bytes, at: int) -> tuple[int, ...]:
    (count,) = struct.unpack_from(">I", data, at + 4)
    return tuple(sorted({data[at + 8 + 48 * index + 45] for index in range(min(count, 100))}))
