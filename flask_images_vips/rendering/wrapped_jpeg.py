"""Wrap a JPEG in a JPEG XL, without loss and without its metadata, which is about a fifth smaller.

First, the JPEG is reduced to what its pixels need. The segments to keep are listed here. Everything else is dropped:
EXIF, XMP, comments, thumbnails, further pictures, and whatever stands behind the end of the image.
"""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress

from ..engines import jxl
from ..engines.colour import is_srgb
from ..errors import ImagesError
from ..geometry import Size
from ..headers import jpeg
from ..headers.bounded import BoundedFile, NotKnown

_START, _END = b"\xff\xd8", b"\xff\xd9"
_TABLES = {0xC4, 0xDB, 0xDD}  # Huffman and quantization tables, and the restart interval
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive
_SCAN, _JFIF, _PROFILE, _ADOBE = 0xDA, 0xE0, 0xE2, 0xEE
_DROPPED = {*range(0xE0, 0xF0), 0xFE}  # applications' own data, and comments
_OWN_JFIF = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_PROFILE_NAME = b"ICC_PROFILE\0\x01\x01"  # the first of one part
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # a marker that does not belong to the data of a scan
_MAX_SEGMENTS = 5000
_RGB = b"RGB"


_EFFORT = 3  # a higher one saves nothing
_LEAST_SHARE = 0.7  # of the bytes of a JPEG: hardly any is wrapped in less


def wrapped_jpeg(descriptor: int, size: Size, *, upright: bool, beyond: int) -> bytes | None:
    """Return the JPEG at *descriptor*, of *size* in pixels, as a JPEG XL.

    Returns None if it is of a rare kind, or if its encoder is missing. Also if it would hardly be smaller than *beyond*
    bytes, and if it must be turned to be *upright*.
    """
    try:
        header = jpeg.read(BoundedFile(descriptor, ""))
    except (NotKnown, ImagesError):
        return None
    if header.size != size or (upright and header.orientation != 1) or not jxl.works():
        return None
    plain = plain_jpeg(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
    if plain is None or _LEAST_SHARE * len(plain) > beyond:
        return None
    with suppress(RuntimeError, ValueError):
        return jxl.wrapped(plain, size, effort=_EFFORT)
    return None


class _Unusual(Exception):
    """The JPEG is broken, or of a kind that is not wrapped."""


def plain_jpeg(data: bytes) -> bytes | None:
    """Return the JPEG *data* without anything but its pixels, or None if it is broken or of a rare kind.

    None also if its colours are not those of sRGB: grey and YCbCr, without a profile or with one that means sRGB.
    """
    try:
        return _Plain(data).made()
    except (_Unusual, struct.error, IndexError):
        return None


class _Plain:
    def __init__(self, data: bytes) -> None:
        if not data.startswith(_START):
            raise _Unusual
        self._data = data
        self._offset = len(_START)
        self._kept = [_START, _OWN_JFIF]
        self._has_frame = self._has_scan = False

    def made(self) -> bytes:
        for _ in range(_MAX_SEGMENTS):
            found = _MARKER.match(self._data, self._offset)
            if found is None:
                raise _Unusual
            kind, self._offset = found[0][-1], found.end()
            if kind == _END[1]:
                break
            self._segment(kind)
        else:
            raise _Unusual
        if not self._has_scan:
            raise _Unusual
        return b"".join([*self._kept, _END])

    def _segment(self, kind: int) -> None:
        (length,) = struct.unpack_from(">H", self._data, self._offset)
        content = self._data[self._offset + 2 : self._offset + length]
        if len(content) != length - 2:
            raise _Unusual
        self._offset += length
        if kind in _FRAMES and not self._has_frame:
            self._check_frame(content)
            self._has_frame = True
        elif kind in _DROPPED:
            self._check_dropped(kind, content)
            return
        elif kind not in _TABLES and not (kind == _SCAN and self._has_frame):
            raise _Unusual
        self._kept.append(bytes((0xFF, kind)) + struct.pack(">H", length) + content)
        if kind == _SCAN:
            self._has_scan = True
            end = _END_OF_SCAN.search(self._data, self._offset)
            if end is None:
                raise _Unusual
            self._kept.append(self._data[self._offset : end.start()])
            self._offset = end.start()

    def _check_frame(self, content: bytes) -> None:
        bits, height, width, components = struct.unpack_from(">BHHB", content)
        names = content[6::3][:components]
        if bits != 8 or not height or not width or components not in (1, 3) or names == _RGB:
            raise _Unusual

    def _check_dropped(self, kind: int, content: bytes) -> None:
        """Refuse a JPEG whose colours would change without this segment."""
        if kind == _ADOBE and content.startswith(b"Adobe") and content[11] != 1:
            raise _Unusual
        if kind == _PROFILE and content.startswith(_PROFILE_NAME[:12]):
            profile = content.removeprefix(_PROFILE_NAME)
            if profile == content or not is_srgb(profile):
                raise _Unusual
