"""Does the decoder of JPEGs warn of a file, in whichever row?

libvips looks at the warnings of libjpeg before each strip of rows. It does not see those of the last strip, in which a
file ends that lacks a few bytes. They remain in libvips' buffer of messages until pyvips empties it, as most calls do.
So the file is decoded once more for them: at an eighth of its size, because that takes little memory, and libjpeg still
reads all of the data.
"""

from __future__ import annotations

import os

from ...errors import UnreadableSource
from ...formats import JPEG, is_file_of
from ...headers import jpeg
from .deadline import Deadline
from .messages import take_complaint
from .reader import Reader, has

_START = 16  # bytes
_SHRINK = 8
_DOMAIN = "VipsJpeg"
_SCANS = "jpeg-multiscan"


def check_jpeg(reader: Reader, descriptor: int, ref: str, deadline: Deadline | None = None, use: str = "") -> None:
    """Check the file open at *descriptor*, if it is a JPEG, and *reader* refuses files that decoders warn of.

    *use* says what the file is used for, if it is not the source.

    Raises:
        UnreadableSource: If libjpeg warns, as of missing data.
        pyvips.Error: If libvips fails.
        Others: See `Reader.open`.
    """
    if reader.fail_on != "warning" or not is_file_of(JPEG.name, os.pread(descriptor, _START, 0)):
        return
    _, image = reader.open(descriptor, ref)
    if has(image, _SCANS) and image.get(_SCANS):  # it is read whole before the first row, so libvips sees all warnings
        return
    if min(image.width, image.height) >= _SHRINK and not jpeg.is_lossless(descriptor):
        _, image = reader.open(descriptor, ref, shrink=_SHRINK)
    if deadline is not None:
        deadline.watch(image)
    take_complaint()
    image.copy_memory()
    complaint = take_complaint()
    if _DOMAIN in complaint:
        raise UnreadableSource(ref, f"{use}libvips cannot decode all of it: {complaint}")
