"""TIFFs that state much and hold little: all strips or tiles share one piece of compressed zeros."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

from pool.attackers import many_scans

_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3}  # samples by photometric interpretation
_SIDES = {"square": (7000, 7000), "half": (4990, 4990), "wide": (99_000, 500), "tall": (500, 99_000)}
_CODES = {3: "H", 4: "I", 9: "i", 16: "Q"}  # of the kinds of numbers


def zeros(count: int) -> bytes:
    """So many zeros, deflated. After a full flush, the same bytes say the same again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    million = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = packer.compress(bytes(count % 1_000_000)) + packer.flush()
    return b"\x78\xda" + million * (count // 1_000_000) + rest + struct.pack(">HH", count % 65_521, 1)


def shared(size: tuple[int, int], tags: dict[int, tuple[int, Sequence[int]]], piece: bytes, pieces: int) -> bytes:
    """A TIFF with *tags*, of which each strip, or each tile if *tags* state them, is the same *piece*."""
    offsets, lengths = (324, 325) if 322 in tags else (273, 279)
    tags = {256: (4, [size[0]]), 257: (4, [size[1]]), offsets: (4, [0]), lengths: (4, [len(piece)]), **tags}
    behind = 8 + 2 + 12 * len(tags) + 4
    values = {tag: struct.pack(f"<{len(each)}{_CODES[kind]}", *each) for tag, (kind, each) in tags.items()}
    start = behind + sum(len(data) for data in values.values() if len(data) > 4) + (8 * pieces if pieces > 1 else 0)
    values[offsets] = struct.pack("<I", start) * pieces
    values[lengths] = struct.pack("<I", len(piece)) * pieces
    entries, data = b"", b""
    for tag, (kind, each) in sorted(tags.items()):
        value, count = values[tag], pieces if tag in (offsets, lengths) else len(each)
        entries += struct.pack("<HHI", tag, kind, count)
        entries += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", behind + len(data))
        data += value if len(value) > 4 else b""
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + data + piece


def deflated(shape: str, samples: int, bits: int, rows: int = 0, tile: int = 0, *, apart: bool = False) -> bytes:
    """A TIFF in strips of *rows* (0: one strip), or in square tiles. *apart*: each sample has strips of its own."""
    width, height = _SIDES[shape]
    photometric = 2 if samples >= 3 else 1
    extra = samples - _COLOURS.get(photometric, 1)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        258: (3, [bits] * samples),
        259: (3, [8]),
        262: (3, [photometric]),
        277: (3, [samples]),
        284: (3, [1 + apart]),
        339: (3, [3 if bits > 16 else 1] * samples),
    }
    if extra > 0:
        tags[338] = (3, [0] * extra)
    if tile:
        tags |= {322: (4, [tile]), 323: (4, [tile])}
        across, down, pieces = tile, tile, -(-width // tile) * -(-height // tile)
    else:
        tags[278] = (4, [rows or height])
        across, down, pieces = width, rows or height, -(-height // (rows or height))
    row = -(-across * bits * (1 if apart else samples) // 8)
    return shared((width, height), tags, zeros(row * down), pieces * (samples if apart else 1))


def of_jpegs(side: int, piece: bytes, tile: int = 0, *, compression: int = 7) -> bytes:
    """A TIFF whose only strip, or each of whose tiles, is the JPEG *piece*."""
    tags: dict[int, tuple[int, Sequence[int]]] = {258: (3, [8]), 259: (3, [compression]), 262: (3, [1]), 277: (3, [1])}
    tags |= {322: (4, [tile]), 323: (4, [tile])} if tile else {278: (4, [side])}
    return shared((side, side), tags, piece, (-(-side // tile)) ** 2 if tile else 1)


def pages(count: int, *, following: int = 0) -> bytes:
    """So many pages of one pixel, the last of which leads to the offset *following*."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    size = 2 + 12 * len(tags) + 4
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, each) for tag, each in tags.items())
    links = [8 + size * (number + 1) for number in range(count - 1)] + [following]
    return struct.pack("<2sHI", b"II", 42, 8) + b"".join(page + struct.pack("<I", link) for link in links)


def large_tile(kind: int, side: int = 17_000) -> bytes:
    """A TIFF of one pixel in a tile of 289 MB. The sides of the tile are numbers of the *kind*."""
    tags = {258: (3, [8]), 259: (3, [8]), 262: (3, [1]), 322: (kind, [side]), 323: (kind, [side])}
    return shared((1, 1), tags, zeros(side * side), 1)


def large_tag(tag: int, count: int = 2_000_000) -> bytes:
    """A TIFF of one pixel with a *tag* of so many values."""
    return shared((1, 1), {258: (3, [8]), 259: (3, [8]), 262: (3, [1]), tag: (3, [1] * count)}, zeros(1), 1)


def _attackers() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for shape, (samples, bits) in product(_SIDES, ((1, 1), (1, 8), (3, 8), (4, 16), (4, 32), (32, 8))):
        yield f"{samples} samples of {bits} bits, {shape}.tif", partial(deflated, shape, samples, bits, 16)
    for samples, bits in ((1, 8), (3, 8), (4, 16), (4, 32), (32, 8)):
        for shape in ("square", "half"):
            yield f"one strip of {samples} samples of {bits} bits, {shape}.tif", partial(deflated, shape, samples, bits)
        yield f"planes of {samples} samples of {bits} bits.tif", partial(deflated, "half", samples, bits, apart=True)
        yield f"rows of {samples} samples of {bits} bits.tif", partial(deflated, "half", samples, bits, 1)
        for tile in (16, 256, 4096):
            name = f"tiles of {tile}, {samples} samples of {bits} bits.tif"
            yield name, partial(deflated, "half", samples, bits, tile=tile)
    for side, count in ((16, 100), (256, 150), (1024, 150), (1024, 1000), (4096, 1000)):
        yield f"tiles of {side} in {count} scans.tif", lambda s=side, c=count: of_jpegs(4096, many_scans(s, c), s)  # type: ignore[misc]
    for compression in (6, 7):
        name = f"jpeg larger than its strip {compression}.tif"
        yield name, lambda c=compression: of_jpegs(64, many_scans(20_000, 9), compression=c)  # type: ignore[misc]
    yield "jpeg larger than its tile.tif", lambda: of_jpegs(64, many_scans(20_000, 9), 64)
    for count in (9000, 30_000):
        yield f"{count} pages.tif", partial(pages, count)
    yield "pages in a loop.tif", partial(pages, 50, following=8)
    for tag in (258, 320, 338, 339, 700, 34_675, 65_000):
        yield f"large tag {tag}.tif", partial(large_tag, tag)
    for kind in (4, 9, 16):
        yield f"one tile {kind}.tif", partial(large_tile, kind)


ATTACKERS = dict(_attackers())
