"""Count the scans of a JPEG."""

from __future__ import annotations

import os
import re

from ..errors import LimitExceeded

MAX_SCANS = 200
"""An encoder writes ten, and the most thorough optimizers less than a hundred."""

_PIECE = 1 << 18  # other threads run between two pieces
_LENGTH = 5
# A marker, and the only length that decoders accept for this number of components. Within pixels, a zero follows each
# byte of 255. Other data looks like this once in 2 ** 38 bytes.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")


def check_scans(descriptor: int) -> None:
    """Refuse a JPEG of very many scans. Each goes over all pixels, even if it says nothing about them.

    The whole file is searched, which takes half a millisecond per megabyte.

    Raises:
        LimitExceeded: If there are more than `MAX_SCANS`.
    """
    if os.pread(descriptor, 2, 0) != b"\xff\xd8":
        return
    count = offset = 0
    while len(piece := os.pread(descriptor, _PIECE, offset)) >= _LENGTH and count <= MAX_SCANS:
        count += sum(1 for _ in _SCAN.finditer(piece))
        offset += len(piece) - (_LENGTH - 1)
    if count > MAX_SCANS:
        raise LimitExceeded("the JPEG has at least {:,} scans", count, MAX_SCANS, set_by="this package")
