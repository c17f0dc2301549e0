"""Extract EXIF's Artist and Copyright, and write them into a new block that holds nothing else."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from ..rights import exif as tags


def rights(exif: bytes) -> bytes | None:
    """Return a new EXIF block with the Artist and Copyright of the block *exif*, or None if it has neither."""
    return rights_of_tiff(io.BytesIO(exif.removeprefix(tags.PREFIX)))


def rights_of_tiff(file: BinaryIO) -> bytes | None:
    """Like `rights`, for the first page of a TIFF file. An EXIF block has the structure of such a file."""
    try:
        found = tags.read(file)
    except (OSError, OverflowError, struct.error):
        return None  # the file is truncated or an offset lies outside of it: render it without the rights
    return tags.PREFIX + tags.write(found) if found else None
