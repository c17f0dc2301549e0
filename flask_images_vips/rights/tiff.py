"""Find the metadata of a TIFF, and put rights into one: tags of its first page."""

from __future__ import annotations

import struct
from typing import NamedTuple

from . import exif, iptc
from .file import MAX_BLOCK, MAX_XMP, Blocks, File, Unfit

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The beginnings of a TIFF, and of a BigTIFF."""

_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377
_BYTE, _ASCII, _LONG = 1, 2, 4
_SIZES = {_BYTE: 1, _ASCII: 1, _LONG: 4, 7: 1, 129: 1}  # bytes of a value by type
_MAX_TAGS = 600


class _Kind(NamedTuple):
    """The numbers of a TIFF: their *order* for `struct`, and the formats of offsets and of counts of tags."""

    order: str
    offset: str
    counter: str

    @property
    def entry(self) -> str:
        return f"{self.order}HH{self.offset}"

    @property
    def size(self) -> int:
        """The size of an offset, in bytes."""
        return 8 if self.offset == "Q" else 4


def _kind(start: bytes) -> tuple[_Kind, int]:
    """Return the kind of a file that begins with *start*, and where the offset of its first page stands."""
    order = "<" if start[:2] == b"II" else ">"
    if start[:4] in STARTS[2:]:
        return _Kind(order, "Q", "Q"), 8
    if start[:4] in STARTS:
        return _Kind(order, "I", "H"), 4
    raise Unfit("not a TIFF")


def _directory(file: File) -> tuple[_Kind, list[bytes], bytes]:
    """Return the kind of *file*, and the entries of its first page, and the offset of the next page as it is written.

    Raises:
        Unfit: If they are broken.
    """
    kind, at = _kind(file.read(0, 16))
    (start,) = struct.unpack(kind.order + kind.offset, file.read(at, kind.size))
    counted = struct.calcsize("=" + kind.counter)
    (count,) = struct.unpack(kind.order + kind.counter, file.read(start, counted))
    if count > _MAX_TAGS:
        raise Unfit("a TIFF with very many tags")
    size = 4 + 2 * kind.size
    data = file.read(start + counted, count * size + kind.size)
    return kind, [data[at : at + size] for at in range(0, count * size, size)], data[count * size :]


def find(file: File, blocks: Blocks) -> None:
    """Add the blocks of *file* to *blocks*. Its Artist and Copyright become a block of EXIF.

    Raises:
        Unfit: If a tag is broken. Then *blocks* has those before it.
    """
    kind, entries, _ = _directory(file)
    texts: dict[int, bytes] = {}
    try:
        for entry in entries:
            tag, type_, count = struct.unpack_from(kind.entry, entry)
            if tag not in (_XMP, _IPTC, _PHOTOSHOP, exif.ARTIST, exif.COPYRIGHT):
                continue
            size = _SIZES.get(type_, 0) * count
            if not 0 < size <= (MAX_XMP if tag == _XMP else MAX_BLOCK):
                continue
            value = entry[-kind.size :][:size]
            if size > kind.size:
                value = file.read(struct.unpack(kind.order + kind.offset, value)[0], size)
            if tag == _XMP:
                blocks.xmp.append(value)
            elif tag == _IPTC:
                blocks.iptc = _swapped(value) if type_ == _LONG and value[:1] != b"\x1c" else value
            elif tag == _PHOTOSHOP:
                blocks.iptc = blocks.iptc or iptc.of_resources(value)
            else:
                texts[tag] = value.strip(b"\0 ")
    finally:
        blocks.exif = exif.write(texts) if texts else b""


def _swapped(value: bytes) -> bytes:
    """Return bytes that were written as numbers of four bytes in the other order."""
    return b"".join(value[at : at + 4][::-1] for at in range(0, len(value), 4))


def insert(data: bytes, xmp: bytes, texts: dict[int, bytes]) -> bytes:
    """Return the TIFF *data* with a packet of XMP, and with Artist and Copyright unless it has them: *texts* by tag.

    The tags of its first page are written anew, at the end.

    Raises:
        Unfit: If its tags are broken.
    """
    kind, entries, following = _directory(File(data))
    tags = {struct.unpack_from(kind.order + "H", entry)[0]: entry for entry in entries}
    made = data + bytes(len(data) % 2)
    new = {_XMP: (_BYTE, xmp), **{tag: (_ASCII, text + b"\0") for tag, text in texts.items() if tag not in tags}}
    for tag, (type_, value) in new.items():
        place = value.ljust(kind.size, b"\0")
        if len(value) > kind.size:
            place = struct.pack(kind.order + kind.offset, len(made))
            made += value + bytes(len(value) % 2)
        tags[tag] = struct.pack(kind.entry, tag, type_, len(value)) + place
    made += bytes(-len(made) % 8)
    start = len(made)
    made += struct.pack(kind.order + kind.counter, len(tags)) + b"".join(tags[tag] for tag in sorted(tags)) + following
    at = 8 if kind.offset == "Q" else 4
    return made[:at] + struct.pack(kind.order + kind.offset, start) + made[at + kind.size :]
