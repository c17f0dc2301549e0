"""Does a JPEG lack pixels, or nothing but the marker at its end? Pillow does not say so itself.

Decoders replace missing data by what they like, without an error once they see a marker. So the file is decoded twice:
if data is missing, other bytes in its place make another picture.
"""

from __future__ import annotations

import io
import os
import re

from PIL import Image

from ...errors import UnreadableSource
from ...headers.jpeg import END_MARKER, lacks_end

_OTHER_DATA = bytes(number * 89 % 251 for number in range(1, 256))  # without a marker
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_SCAN, _RESTARTS = 0xDA, range(0xD0, 0xD8)


def completed(descriptor: int) -> bytes | None:
    """Return the JPEG at *descriptor* with the marker at its end, if that is all it lacks. None for any other file."""
    if not lacks_end(descriptor):
        return None
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        whole = _pixels(data + END_MARKER) == _pixels(data + _OTHER_DATA + END_MARKER)
    except MemoryError:
        raise
    except Exception:  # Pillow's parsers may raise any exception
        return None
    return data + END_MARKER if whole else None


def check_pixels(descriptor: int, ref: str) -> None:
    """Check that the JPEG at *descriptor* has the data of all pixels that can be seen, in each of its scans.

    One without an end is left to `completed`, and to Pillow.

    Raises:
        UnreadableSource: If some is missing.
        OSError: If Pillow cannot decode it.
    """
    if lacks_end(descriptor):
        return
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    if _pixels(data) != _pixels(_with_other_data(data)):
        raise UnreadableSource(ref, "a JPEG that lacks some of its pixels")


def _with_other_data(data: bytes) -> bytes:
    """Return the JPEG *data* with other data behind each run of pixels. Decoders skip it, if they need no more."""
    parts, end, is_scan = [data[:2]], 2, False
    while (match := _MARKER.search(data, end)) is not None:
        at, marker = match.start(), data[match.end() - 1]
        parts += [data[end:at], _OTHER_DATA if is_scan else b""]
        is_scan = marker == _SCAN or (is_scan and marker in _RESTARTS)
        end = at + 2
        if marker not in _RESTARTS and match.group() != END_MARKER:
            end += int.from_bytes(data[end : end + 2], "big")
        parts.append(data[at:end])
        if match.group() == END_MARKER:
            break
    return b"".join([*parts, data[end:]])


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return image.tobytes()
