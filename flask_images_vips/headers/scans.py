"""Count the scans of a JPEG, and of the JPEGs in a TIFF."""

from __future__ import annotations

import os
import re

from ..errors import LimitExceeded
from . import tiff

MAX_SCANS = 200
"""An encoder writes ten, and the most thorough optimizers less than a hundred."""

_MAX_PIXELS = 2**31  # of all scans, if all were in one tile; in a strip, libtiff stops after 100 scans
_TIFF = b"II", b"MM"
_PIECE = 1 << 18  # other threads run between two pieces
_LENGTH = 5
# A marker, and the only length that decoders accept for this number of components. Within pixels, a zero follows each
# byte of 255. Other data looks like this once in 2 ** 38 bytes.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")


def check_scans(descriptor: int) -> None:
    """Refuse a JPEG, or a TIFF of tiles in JPEG, of very many scans. Each goes over all pixels, even if it is empty.

    The whole file is searched, which takes half a millisecond per megabyte.

    Raises:
        LimitExceeded: If there are more than `MAX_SCANS`, or in a TIFF more than its tiles need.
    """
    start = os.pread(descriptor, 2, 0)
    if start == b"\xff\xd8":
        most = MAX_SCANS
    elif start in _TIFF and (pixels := tiff.pixels_of_jpeg_tile(descriptor)):
        most = max(MAX_SCANS, _MAX_PIXELS // pixels)
    else:
        return
    count = offset = 0
    while len(piece := os.pread(descriptor, _PIECE, offset)) >= _LENGTH and count <= most:
        count += sum(1 for _ in _SCAN.finditer(piece))
        offset += len(piece) - (_LENGTH - 1)
    if count > most:
        raise LimitExceeded("the file has at least {:,} JPEG scans", count, most, set_by="this package")
