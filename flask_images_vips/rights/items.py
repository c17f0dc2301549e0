"""Read the description of an AVIF or HEIC: its items, where they lie, and what they refer to."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .file import File, Unfit

_MAX_BOXES = 5000
_MAX_ITEMS = 5000
_MAX_EXTENTS = 64
_MAX_TARGETS = 5000


class Box(NamedTuple):
    """A box at *offset*, whose content lies from *start* to *end*. An *open* one states no length."""

    kind: bytes
    offset: int
    start: int
    end: int
    open: bool = False


class Item(NamedTuple):
    """Where an item lies: pairs of an offset, which counts from *base*, and a length.

    *inside* is true if offsets count from a box in the description. *elsewhere* is true if it is in another file, or
    made of other items.
    """

    number: int
    inside: bool
    elsewhere: bool
    base: int
    extents: tuple[tuple[int, int], ...]


def boxes(file: File, offset: int, end: int) -> Iterator[Box]:
    """Yield the boxes of *file* from *offset* to *end*.

    Raises:
        Unfit: If one is broken, or if there are very many.
    """
    for _ in range(_MAX_BOXES):
        if offset + 8 > end:
            return
        length, kind = struct.unpack(">I4s", file.read(offset, 8))
        start = offset + 8
        if length == 1:
            length, start = file.number(start, 8), start + 8
        after = offset + length if length else end
        if after < start or after > end:
            raise Unfit("a box does not fit into the one around it")
        yield Box(kind, offset, start, after, open=not length)
        offset = after
    raise Unfit("very many boxes")


class Meta:
    """The description in *file*, the content of a box ``meta``.

    Raises:
        Unfit: If a box in it is broken, or a necessary one is missing. So do the methods.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.boxes = list(boxes(file, 4, file.size))
        found = {box.kind: box for box in reversed(self.boxes)}
        try:
            primary, self._items, self._places = found[b"pitm"], found[b"iinf"], found[b"iloc"]
        except KeyError:
            raise Unfit("no items") from None
        self.reference_box = found.get(b"iref")
        self.data = found.get(b"idat")
        self.primary = file.number(primary.start + 4, 4 if file.number(primary.start, 1) else 2)

    def items(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the number, the kind and the media type of each item."""
        box = self._items
        start = box.start + (8 if self.file.number(box.start, 1) else 6)
        for entry in boxes(self.file, start, box.end):
            data = self.file.read(entry.start, min(entry.end - entry.start, 256))
            size = {2: 2, 3: 4}.get(data[0] if data else 0)
            if entry.kind != b"infe" or size is None:
                continue
            number, kind = int.from_bytes(data[4 : 4 + size], "big"), data[6 + size : 10 + size]
            texts = data[10 + size :].split(b"\0")
            yield number, kind, texts[1] if len(texts) > 1 else b""

    def references(self) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
        """Yield each reference: its kind, the item that refers to others, and those others."""
        box = self.reference_box
        if box is None:
            return
        size, letter = (4, "I") if self.file.number(box.start, 1) else (2, "H")
        for each in boxes(self.file, box.start + 4, box.end):
            count = self.file.number(each.start + size, 2)
            if count <= _MAX_TARGETS:
                data = self.file.read(each.start + size + 2, count * size)
                yield each.kind, self.file.number(each.start, size), struct.unpack(f">{count}{letter}", data)

    def locations(self) -> list[Item]:
        """Return where each item lies."""
        data = self.file.read(self._places.start, self._places.end - self._places.start)
        numbers = _Numbers(data, 6)
        version, sizes = data[0], int.from_bytes(data[4:6], "big")
        offset, length, base = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index = sizes & 15 if version else 0
        wide = 4 if version > 1 else 2
        count = numbers.next(wide)
        if count > _MAX_ITEMS:
            raise Unfit("very many items")
        found = []
        for _ in range(count):
            number, method = numbers.next(wide), numbers.next(2) & 15 if version else 0
            other, start = numbers.next(2), numbers.next(base)
            extents = []
            for _ in range(_few(numbers.next(2))):
                numbers.next(index)
                extents.append((numbers.next(offset), numbers.next(length)))
            found.append(Item(number, method == 1, bool(other) or method > 1, start, tuple(extents)))
        return found


class _Numbers:
    """Reads one number after another from *data*, from *at* on."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def next(self, size: int) -> int:
        if self.at + size > len(self._data):
            raise Unfit("a box ends too early")
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at], "big")


def _few(count: int) -> int:
    if count > _MAX_EXTENTS:
        raise Unfit("an item in very many parts")
    return count
