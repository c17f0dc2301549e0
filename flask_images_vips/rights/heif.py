"""Find the metadata of an AVIF or HEIC, and put rights into one: items of HEIF (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct

from . import exif
from .file import MAX_BLOCK, MAX_XMP, Blocks, File, Unfit
from .items import Item, Meta, boxes

_XMP_TYPE = b"application/rdf+xml"
_MAX_META = 1 << 20
_LARGEST = 2**32 - 1
_DESCRIBES = b"cdsc"


def find(file: File, blocks: Blocks) -> None:
    """Add the blocks of *file* to *blocks*: those that describe its primary image, or that do not say what.

    Raises:
        Unfit: If a box is broken. Then *blocks* has those before it.
    """
    meta = _meta(file)
    described = {item: targets for kind, item, targets in meta.references() if kind == _DESCRIBES}
    places = {each.number: each for each in meta.locations()}
    for number, kind, content_type in meta.items():
        if meta.primary not in described.get(number, (meta.primary,)) or number not in places:
            continue
        if kind == b"mime" and content_type == _XMP_TYPE and not blocks.xmp:
            blocks.xmp.append(_content(file, meta, places[number], MAX_XMP))
        elif kind == b"Exif" and not blocks.exif:
            data = _content(file, meta, places[number], MAX_BLOCK)
            blocks.exif = data[4 + int.from_bytes(data[:4], "big") :].removeprefix(exif.PREFIX)


def _meta(file: File) -> Meta:
    for box in boxes(file, 0, file.size):
        if box.kind == b"meta":
            if box.end - box.start > _MAX_META:
                break
            return Meta(File(file.read(box.start, box.end - box.start)))
    raise Unfit("no box of metadata, or a very large one")


def _content(file: File, meta: Meta, item: Item, most: int) -> bytes:
    """Return the content of *item*; nothing if it has more than *most* bytes or lies in another file."""
    if item.elsewhere or sum(length for _, length in item.extents) > most:
        return b""
    inside = meta.data if item.inside else None
    whole = meta.file if inside else file
    data = b""
    for offset, length in item.extents:
        start = item.base + offset + (inside.start if inside else 0)
        data += whole.read(start, length or min(whole.size - start, most))
    return data


def insert(data: bytes, xmp: bytes, block: bytes) -> bytes:
    """Return the AVIF *data* with a packet of XMP and, unless that is empty, a *block* of EXIF.

    Both are added behind everything else, and so the places of all items change by as much as the description grows.

    Raises:
        Unfit: If its boxes are broken, or if it is of a kind that states places outside of its description.
    """
    file = File(data)
    top = list(boxes(file, 0, file.size))
    kinds = [box.kind for box in top]
    if kinds[:1] != [b"ftyp"] or kinds.count(b"meta") != 1 or b"moov" in kinds:
        raise Unfit("not an AVIF of one picture")
    if any(box.open for box in top):
        raise Unfit("a box without a length")
    where = top[kinds.index(b"meta")]
    meta = Meta(File(data[where.start : where.end]))
    first = 1 + max((number for number, _, _ in meta.items()), default=0)
    added = [(b"mime", b"\0" + _XMP_TYPE + b"\0", xmp)]
    if block:
        added.insert(0, (b"Exif", b"\0", bytes(4) + block))
    if first + len(added) > 0xFFFF:
        raise Unfit("very many items")
    contents = b"".join(content for _, _, content in added)
    grown = 0
    for _ in range(2):  # its size does not depend on the numbers, but they depend on its size
        places, start = [], len(data) + grown + 8
        for number, (_, _, content) in enumerate(added, first):
            places.append(Item(number, False, False, 0, ((start, len(content)),)))
            start += len(content)
        made = _description(meta, [(kind, tail) for kind, tail, _ in added], places, where.end, grown)
        grown = len(made) - (where.end - where.offset)
    return data[: where.offset] + made + data[where.end :] + _box(b"mdat", contents)


def _description(meta: Meta, added: list[tuple[bytes, bytes]], places: list[Item], end: int, grown: int) -> bytes:
    """Return the box of metadata with further items at *places*. What lies behind its old *end* moves by *grown*."""
    first = places[0].number
    entries = b"".join(
        _box(b"infe", struct.pack(">IHH4s", 2 << 24, number, 0, kind) + tail)
        for number, (kind, tail) in enumerate(added, first)
    )
    references = b"".join(
        _box(_DESCRIBES, struct.pack(">HHH", number, 1, meta.primary)) for number in range(first, first + len(added))
    )
    parts = []
    for box in meta.boxes:
        content = meta.file.read(box.start, box.end - box.start)
        if box.kind == b"iinf":
            parts.append(_box(b"iinf", _counted(content, len(added)) + entries))
        elif box.kind == b"iloc":
            moved = [each if each.inside else _moved(each, end, grown) for each in meta.locations()]
            parts.append(_box(b"iloc", _locations([*moved, *places])))
        elif box.kind == b"iref":
            if content[0]:
                raise Unfit("numbers of items that have four bytes")
            parts.append(_box(b"iref", content + references))
        else:
            parts.append(_box(box.kind, content))
    if meta.reference_box is None:
        parts.append(_box(b"iref", bytes(4) + references))
    return _box(b"meta", bytes(4) + b"".join(parts))


def _counted(content: bytes, more: int) -> bytes:
    """Return the content of the box of items, which begins with their number, for *more* items."""
    size = 4 if content[0] else 2
    count = int.from_bytes(content[4 : 4 + size], "big") + more
    return content[:4] + count.to_bytes(size, "big") + content[4 + size :]


def _moved(item: Item, end: int, grown: int) -> Item:
    if item.elsewhere:
        raise Unfit("an item in another file")
    starts = [item.base + offset for offset, _ in item.extents]
    if any(start < end for start in starts):
        raise Unfit("an item before the description")
    return item._replace(base=0, extents=tuple((item.base + at + grown, length) for at, length in item.extents))


def _locations(items: list[Item]) -> bytes:
    """Return the content of the box of places, with numbers of four bytes, in the simplest version that is enough."""
    version = int(any(item.inside for item in items))
    data = struct.pack(">IHH", version << 24, 0x4400, len(items))
    for item in items:
        if any(item.base + offset > _LARGEST or length > _LARGEST for offset, length in item.extents):
            raise Unfit("a very large file")
        method = struct.pack(">H", int(item.inside)) if version else b""
        data += struct.pack(">H", item.number) + method + struct.pack(">HH", 0, len(item.extents))
        data += b"".join(struct.pack(">II", item.base + offset, length) for offset, length in item.extents)
    return data


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content
