"""Read the orientation that EXIF states."""

from __future__ import annotations

from typing import Literal

from .bounded import BoundedFile

PREFIX = b"Exif\0\0"
"""What stands before EXIF in a JPEG, and in some WebP files."""

ORIENTATION = 0x0112

_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_BYTES = {3: 2, 4: 4}  # of a SHORT and of a LONG
_MAX_TAGS = 300
_ENTRY = 12


def orientation(file: BoundedFile, start: int, end: int) -> int:
    """Return the orientation, 1 to 8, in the EXIF data between the offsets *start* and *end*, or 1 if there is none.

    Broken EXIF data has none: libvips and Pillow ignore it too.
    """
    order = _ORDERS.get(file.read(start, 4)) if start + 8 <= end else None
    if order is None:
        return 1
    directory = start + int.from_bytes(file.read(start + 4, 4), order)
    if directory + 2 > end:
        return 1
    count = int.from_bytes(file.read(directory, 2), order)
    count = min(count, _MAX_TAGS, (end - directory - 2) // _ENTRY)
    entries = file.read(directory + 2, count * _ENTRY)
    for at in range(0, len(entries), _ENTRY):
        if int.from_bytes(entries[at : at + 2], order) == ORIENTATION:
            kind = int.from_bytes(entries[at + 2 : at + 4], order)
            values = int.from_bytes(entries[at + 4 : at + 8], order)
            size = _BYTES.get(kind, 0)
            if not 0 < size * values <= 4:
                return 1
            return valid(int.from_bytes(entries[at + 8 : at + 8 + size], order))
    return 1


def valid(value: int) -> int:
    """Return *value* if it is an orientation, else 1."""
    return value if 1 <= value <= 8 else 1
