"""Find the gain map of an Ultra HDR JPEG: a second JPEG behind the picture, by which HDR screens brighten it.

The second JPEG is found by the picture's list of images (MPF, CIPA DC-007), or by that of Google's container in its
XMP. Its own segments say how it is applied: those of ISO 21496-1, or the XMP of Adobe's specification, from which ISO
took the same numbers. Reading is bounded, and never decodes pixels.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

from ..errors import ImagesError
from . import xmp
from .bounded import MAX_PARTS, BoundedFile, NotKnown
from .gain_map_data import ISO_PREFIX, GainMapData, from_iso, from_xmp
from .jpeg import is_jpeg

_START = b"\xff\xd8\xff"
_START_OF_SCAN, _APP1, _APP2 = 0xDA, 0xE1, 0xE2
_ALONE = {0x01, *range(0xD0, 0xD8)}
_XMP_PREFIX, _MPF_PREFIX = b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0"
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_MP_ENTRIES, _MP_ENTRY_BYTES = 0xB002, 16
_MAX_IMAGES = 16
_MAX_TAGS = 32
_MAX_TEXTS = 4  # segments with XMP that are read of one JPEG
MAX_BYTES = 32_000_000
"""The number of bytes that a gain map has at most. That of a picture of 50 Mpx has 1 to 3 MB."""


class GainMap(NamedTuple):
    """A JPEG of *size* bytes at *start* of the file, which is applied as *data* says."""

    start: int
    size: int
    data: GainMapData

    def read(self, descriptor: int) -> bytes:
        return os.pread(descriptor, self.size, self.start)


class _Parts(NamedTuple):
    """The parts of a JPEG's segments that may concern a gain map, and the offset at which the MPF's data begin."""

    texts: list[bytes]
    iso: bytes | None
    mpf: bytes | None
    mpf_start: int


def find_gain_map(descriptor: int) -> GainMap | None:
    """Return the gain map of the JPEG at *descriptor*. None if it has none, or none that this module understands."""
    if not is_jpeg(descriptor):
        return None
    with suppress(NotKnown, ImagesError, ValueError, ArithmeticError, struct.error):
        size = os.fstat(descriptor).st_size
        parts = _parts_of(descriptor, 0)
        for start, length in (*_listed_by_mpf(parts), *_listed_by_container(parts, size)):
            if start > 0 and 0 < length <= MAX_BYTES and start + length <= size:
                data = _data_at(descriptor, start)
                if data is not None:
                    return GainMap(start, length, data)
    return None


def _data_at(descriptor: int, start: int) -> GainMapData | None:
    """Return how the JPEG at *start* is applied, or None if it is no gain map."""
    if os.pread(descriptor, len(_START), start) != _START:
        return None
    parts = _parts_of(descriptor, start)
    if parts.iso is not None and (data := from_iso(parts.iso)) is not None:
        return data
    return next((data for text in parts.texts if (data := from_xmp(text)) is not None), None)


def _parts_of(descriptor: int, start: int) -> _Parts:
    texts: list[bytes] = []
    iso = mpf = None
    mpf_start = 0
    for marker, offset, size in _segments(descriptor, start):
        if marker not in (_APP1, _APP2):
            continue
        content = os.pread(descriptor, len(_XMP_PREFIX), offset)
        if content.startswith((_XMP_PREFIX, _MPF_PREFIX, ISO_PREFIX)):
            content = os.pread(descriptor, size, offset)
        if marker == _APP1 and content.startswith(_XMP_PREFIX) and len(texts) < _MAX_TEXTS:
            texts.append(content[len(_XMP_PREFIX) :])
        elif content.startswith(_MPF_PREFIX) and mpf is None:
            mpf, mpf_start = content[len(_MPF_PREFIX) :], offset + len(_MPF_PREFIX)
        elif content.startswith(ISO_PREFIX) and iso is None:
            iso = content[len(ISO_PREFIX) :]
    return _Parts(texts, iso, mpf, mpf_start)


def _segments(descriptor: int, start: int) -> Iterator[tuple[int, int, int]]:
    """Yield marker, offset and size of the content of each segment of the JPEG at *start*, up to its first scan."""
    file = BoundedFile(descriptor, "")
    offset = start + 2
    for _ in range(MAX_PARTS):
        head = file.read(offset, 4)
        if head[0] != 0xFF or head[1] == _START_OF_SCAN:
            return
        if head[1] in _ALONE:
            offset += 2
            continue
        length = int.from_bytes(head[2:], "big")
        yield head[1], offset + 4, max(0, length - 2)
        offset += 2 + length


def _listed_by_mpf(parts: _Parts) -> list[tuple[int, int]]:
    """Return start and size of each further image that the MPF lists."""
    mpf = parts.mpf or b""
    order = _ORDERS.get(mpf[:4])
    if order is None:
        return []

    def number(at: int, size: int) -> int:
        return int.from_bytes(mpf[at : at + size], order)

    directory = number(4, 4)
    for at in range(directory + 2, directory + 2 + 12 * min(number(directory, 2), _MAX_TAGS), 12):
        if number(at, 2) == _MP_ENTRIES:
            count, first = min(number(at + 4, 4) // _MP_ENTRY_BYTES, _MAX_IMAGES), number(at + 8, 4)
            entries = [first + _MP_ENTRY_BYTES * index for index in range(count)]
            # The offset of the first image is 0 by definition. Those of the others count from the MPF's own start.
            return [(parts.mpf_start + number(entry + 8, 4), number(entry + 4, 4)) for entry in entries[1:]]
    return []


def _listed_by_container(parts: _Parts, size: int) -> list[tuple[int, int]]:
    """Return start and size of the gain map that Google's container names, in a file of *size* bytes."""
    for text in parts.texts:
        items = xmp.container_items(text)
        for index, item in enumerate(items):
            if item.semantic == "GainMap":
                behind = sum(each.length + each.padding for each in items[index:])
                return [(size - behind, item.length)]
    return []
