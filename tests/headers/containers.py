"""Build image files part by part: also such as no encoder writes."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from fuzz_route import png_chunk
from PIL import Image

Tags = Mapping[int, tuple[int, Sequence[int]]]

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


def saved(image: Image.Image, format: str, **save: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **save)
    return file.getvalue()


def exif(orientation: int, order: str = "<", *, kind: int = 3, gap: int = 0, before: int = 0) -> bytes:
    """EXIF data without its prefix. Its directory begins *gap* bytes late, with *before* other tags."""
    value = struct.pack(order + {3: "HH", 4: "I"}[kind], *[orientation, 0][: 2 if kind == 3 else 1])
    entries = [struct.pack(order + "HHII", 0x9000 + number, 4, 1, number) for number in range(before)]
    entries.append(struct.pack(order + "HHI", 0x0112, kind, 1) + value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + gap)
    return head + bytes(gap) + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def png_of(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    parts = [png_chunk(name, data) for name, data in ((b"IHDR", header), *chunks, (b"IEND", b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif_frame(left: int, top: int, width: int, height: int, *, clear: bool | None = None, blocks: int = 1) -> bytes:
    """A frame of *blocks* blocks, behind a control block if *clear* says whether it has a transparent colour."""
    control = b"" if clear is None else b"\x21\xf9\4" + bytes([clear, 5, 0, 0, 0])
    return control + b"\x2c" + struct.pack("<HHHHBB", left, top, width, height, 0, 2) + (b"\xff" * 256) * blocks + b"\0"


def gif(width: int, height: int, *blocks: bytes, version: bytes = b"89a", end: bytes = b";") -> bytes:
    table = b"\0\0\0\xff\xff\xff"
    return b"GIF" + version + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + table + b"".join(blocks) + end


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(*chunks: bytes) -> bytes:
    data = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def webp_header(flags: int, width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sizes)


def box(kind: bytes, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
    data = b"".join(parts)
    if version is not None:
        data = struct.pack(">I", version << 24 | flags) + data
    return struct.pack(">I", 8 + len(data)) + kind + data


def properties_of(avif: bytes, *kinds: bytes) -> list[bytes]:
    """The first box of each of *kinds* in a file that Pillow wrote."""
    found = []
    for kind in kinds:
        at = avif.index(kind) - 4
        found.append(avif[at : at + int.from_bytes(avif[at : at + 4], "big")])
    return found


def avif(
    items: Mapping[int, tuple[bytes, Sequence[bytes], bytes]],
    references: Sequence[tuple[bytes, int, Sequence[int]]] = (),
    *,
    brand: bytes = b"avif",
    wide: bool = False,
    late: bool = False,
    extra: bytes = b"",
) -> bytes:
    """An AVIF whose primary image is the first of *items*.

    An item is its kind, its properties and its data, by its number. *wide* takes 32 bits for numbers of items, 15 for
    those of properties. *late* writes the metadata behind the pixels. *extra* is a box inside of the metadata.
    """
    number = ">I" if wide else ">H"
    properties = list(dict.fromkeys(one for _, owned, _ in items.values() for one in owned))
    entries = [
        box(b"infe", struct.pack(number + "H", item, 0), kind, b"\0", version=3 if wide else 2)
        for item, (kind, _, _) in items.items()
    ]
    associations = b""
    for item, (_, owned, _) in items.items():
        associations += struct.pack(number + "B", item, len(owned))
        for one in owned:
            essential = (0x8000 if wide else 0x80) if one[4:8] in (b"av1C", b"clap", b"irot", b"imir") else 0
            associations += struct.pack(">H" if wide else "B", essential | properties.index(one) + 1)
    links = [
        box(kind, struct.pack(number + "H", start, len(to)), *(struct.pack(number, item) for item in to))
        for kind, start, to in references
    ]
    counted = len(items)

    def metadata(begin: int) -> bytes:
        locations = b""
        for item, (_, _, data) in items.items():
            locations += struct.pack(number + "HHII", item, 0, 1, begin, len(data))
            begin += len(data)
        return box(
            b"meta",
            box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
            extra,
            box(b"pitm", struct.pack(number, next(iter(items))), version=int(wide)),
            # Version 2 has 32 bits for the numbers of items, but also a field of 16 bits that others lack.
            _locations(locations, counted, items, wide),
            box(b"iinf", struct.pack(">I" if wide else ">H", counted), *entries, version=int(wide)),
            box(b"iref", *links, version=int(wide)) if links else b"",
            box(
                b"iprp",
                box(b"ipco", *properties),
                box(b"ipma", struct.pack(">I", counted), associations, version=int(wide), flags=int(wide)),
            ),
            version=0,
        )

    start = box(b"ftyp", brand, bytes(4), b"avif", b"mif1", b"miaf")
    pixels = box(b"mdat", *(data for _, _, data in items.values()))
    if late:
        return start + pixels + metadata(len(start) + 8)
    return start + metadata(len(start) + len(metadata(0)) + 8) + pixels


def _locations(entries: bytes, count: int, items: Mapping[int, Any], wide: bool) -> bytes:
    if not wide:
        return box(b"iloc", b"\x44\0", struct.pack(">H", count), entries, version=0)
    size = len(entries) // len(items)
    split = [entries[at : at + size] for at in range(0, len(entries), size)]
    made = [entry[:4] + bytes(2) + entry[4:] for entry in split]  # how its data is stored: in the file
    return box(b"iloc", b"\x44\0", struct.pack(">I", count), *made, version=2)


def tiff(tags: Tags, order: str = "<", *, big: bool = False, gap: int = 0, following: bytes = bytes(4000)) -> bytes:
    """A TIFF of one page with *tags*, each a kind and its values. Its directory begins *gap* bytes late."""
    word, counting, head, inline = ("Q", "Q", 16, 8) if big else ("I", "H", 8, 4)
    start = head + gap
    end = start + struct.calcsize(order + counting) + len(tags) * (20 if big else 12) + inline
    entries, behind = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{ {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}[kind] }", *values)
        if len(data) > inline:
            data, behind = struct.pack(order + word, end + len(behind)), behind + data
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(values)) + data.ljust(inline, b"\0")
    mark = b"II" if order == "<" else b"MM"
    mark += struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0) if big else (42,)), start)
    return mark + bytes(gap) + struct.pack(order + counting, len(tags)) + entries + bytes(inline) + behind + following


def page(width: int, height: int, *, colour: int = 2, samples: int = 3, depth: int = 8, **more: Any) -> Tags:
    """The tags of an uncompressed page in one strip; *more* are others, as ``t338=(3, [2])``, or None for none."""
    tags: dict[int, Any] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [depth] * samples),
        259: (3, [1]),
        262: (3, [colour]),
        273: (4, [1000]),
        277: (3, [samples]),
        278: (4, [height]),
        279: (4, [-(-width * samples * depth // 8) * height]),
    }
    tags.update({int(name[1:]): value for name, value in more.items()})
    return {tag: value for tag, value in tags.items() if value is not None}
