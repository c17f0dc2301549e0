"""Copy the pixels of a JPEG without encoding them again, and of the rest only what is on a list.

A new file is written segment by segment. Other segments are left out, and so is everything between segments and behind
the end of the picture: previews, videos, archives and scripts. This module does no I/O.
"""

from __future__ import annotations

import re
import struct
from mmap import mmap

from ..engines.copyright import rights
from ..errors import UnreadableSource

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive
_TABLES = (0xC4, 0xDB)  # Huffman and quantisation tables: decoders read them to their ends, or refuse them
_RESTART = 0xDD
_APP0, _APP1, _APP2, _APP13, _APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE
_OF_FRAMES = range(0xC0, 0xE0)  # markers that pictures of other kinds may have
_LEFT_OUT = {*range(0xE0, 0xF0), 0xFE}  # application data and comments

_JFIF, _EXIF, _PROFILE, _ADOBE = b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"Adobe"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a zero or a restart marker belongs to the scan
_SPACES = {1: b"GRAY", 3: b"RGB "}
_MAX_PROFILE = 128_000  # bytes
_MAX_SEGMENTS = 4000


class NotCopied(Exception):
    """The JPEG must be encoded again. The message says why."""


def copied(data: bytes | mmap, *, strip: bool = True) -> bytes:
    """Return a new file with the pixels of the JPEG *data*, its colour profile, and EXIF's Artist and Copyright.

    Without *strip*, it has all of its EXIF, XMP and IPTC.

    Raises:
        NotCopied: If it has anything that is not understood here, or ends within its pixels.
    """
    try:
        return _Copy(data, strip=strip).made()
    except (IndexError, struct.error):
        raise NotCopied("it ends too early") from None


def check_end(data: bytes | mmap) -> None:
    """Check what stands behind the first pixels of the JPEG *data*, which libvips does not read to its end.

    Raises:
        UnreadableSource: If no decoder understands it, because the file is damaged there.
    """
    walk = _Copy(data, strip=True)
    try:
        walk.made()
    except NotCopied:
        is_broken = walk.is_broken
    except (IndexError, struct.error):
        is_broken = walk.scans > 0
    else:
        is_broken = False
    if is_broken:
        raise UnreadableSource("an upload", "a JPEG with other data behind its first pixels")


def shortened(made: bytes) -> bytes:
    """Return *made*, a copy, without the last two bytes of its pixels.

    No decoder can read all of its pixels then, unless there is other data behind them, inside of the last scan.
    """
    pixels = made[:-2]
    for _ in range(2):
        pixels = pixels[: -2 if pixels.endswith(b"\xff\0") else -1]
    return pixels + made[-2:]


class _Copy:
    def __init__(self, data: bytes | mmap, *, strip: bool) -> None:
        self._data = data
        self._strip = strip
        self._parts = [bytes((0xFF, _START))]
        self._profile: list[tuple[int, int, bytes]] = []
        self._profile_at = 1
        self._bands = 0
        self.scans = 0
        self.is_broken = False
        self._rights = False

    def made(self) -> bytes:
        if self._data[:2] != b"\xff\xd8":
            raise NotCopied("it is no JPEG")
        offset = 2
        for _ in range(_MAX_SEGMENTS):
            while self._data[offset : offset + 2] == b"\xff\xff":  # any number of them may precede a marker
                offset += 1
            if self._data[offset] != 0xFF:
                raise self._broken("there is other data between its segments")
            marker = self._data[offset + 1]
            if marker == _END:
                return self._joined()
            (length,) = struct.unpack(">H", self._data[offset + 2 : offset + 4])
            end = offset + 2 + length
            content = bytes(self._data[offset + 4 : end])
            if length < 2 or len(content) != length - 2:
                raise self._broken("it ends too early")
            self._segment(marker, content)
            offset = self._scan(end) if marker == _SCAN else end
        raise NotCopied("it has very many segments")

    def _segment(self, marker: int, content: bytes) -> None:
        if marker in _FRAMES:
            self._frame(content)
        elif marker == _SCAN:
            if not self._bands or len(content) != 4 + 2 * content[0]:
                raise NotCopied("its scan is odd")
        elif marker == _RESTART:
            if len(content) != 2:
                raise NotCopied("its restart interval is odd")
        elif marker in _LEFT_OUT:
            content = self._application_data(marker, content)
            if not content:
                return
        elif marker not in _TABLES:
            raise self._broken(f"it has a segment of the kind {marker:#x}", is_known=marker in _OF_FRAMES)
        self._add(marker, content)

    def _broken(self, why: str, *, is_known: bool = False) -> NotCopied:
        self.is_broken = self.scans > 0 and not is_known
        return NotCopied(why)

    def _frame(self, content: bytes) -> None:
        depth, bands = content[0], content[5]
        if self._bands or depth != 8 or bands not in _SPACES or len(content) != 6 + 3 * bands:
            raise NotCopied("its frame is odd, or has colours for print")
        self._bands = bands

    def _application_data(self, marker: int, content: bytes) -> bytes:
        """Return the part of *content* that is kept."""
        if marker == _APP0 and content.startswith(_JFIF) and len(content) >= 14:
            return content[:12] + bytes(2)  # without its preview
        if marker == _APP14 and content.startswith(_ADOBE) and len(content) >= 12:
            return content[:12]  # it says which numbers the colours are
        if marker == _APP2 and content.startswith(_PROFILE) and len(content) > 14:
            if not self._profile:
                self._profile_at = len(self._parts)
            self._profile.append((content[12], content[13], content[14:]))
        if marker in (_APP1, _APP13) and not self._strip:
            return content
        if marker == _APP1 and content.startswith(_EXIF) and not self._rights:
            self._rights = True
            block = rights(content) or b""
            return b"" if b"<" in block else block  # no name of a person has it, but scripts do
        return b""

    def _scan(self, start: int) -> int:
        """Add the pixels at *start*, and return the offset behind them."""
        match = _NEXT_MARKER.search(self._data, start)
        if match is None:
            raise NotCopied("it ends within its pixels")
        self._parts.append(bytes(self._data[start : match.start()]))
        self.scans += 1
        return match.start()

    def _joined(self) -> bytes:
        if not self.scans:
            raise NotCopied("it has no pixels")
        if self._profile:
            self._parts.insert(self._profile_at, b"".join(self._profile_segments()))
        return b"".join([*self._parts, bytes((0xFF, _END))])

    def _profile_segments(self) -> list[bytes]:
        """Return the segments of the colour profile. One that decoders may understand otherwise is not copied."""
        parts = sorted(self._profile)
        profile = b"".join(part for _, _, part in parts)
        whole = [(number, count) for number, count, _ in parts] == [(n + 1, len(parts)) for n in range(len(parts))]
        if not whole or not 128 <= len(profile) <= _MAX_PROFILE or profile[36:40] != b"acsp":
            raise NotCopied("its colour profile is odd")
        if profile[16:20] != _SPACES[self._bands] or struct.unpack(">I", profile[:4]) != (len(profile),):
            raise NotCopied("its colour profile is odd")
        return [_segment(_APP2, _PROFILE + bytes((number, count)) + part) for number, count, part in parts]

    def _add(self, marker: int, content: bytes) -> None:
        self._parts.append(_segment(marker, content))


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(content)) + content
