"""Read the header of a JPEG XL: its size, orientation and alpha (ISO/IEC 18181). Take its codestream out of boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import LimitExceeded, UnreadableSource
from ..geometry import Size
from .bounded import MAX_PARTS, BoundedFile, NotKnown, too_many
from .header import FileHeader

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"

_WHOLE, _PART = b"jxlc", b"jxlp"
_MAX_HEADER_BYTES = 2048  # far more than the fields up to the last extra channel of an honest file need
_MAX_CHANNELS = 32
_ALPHA, _SPOT, _BLACK, _CFA = 0, 2, 4, 5  # types of extra channels
# The width as a share of the height, by the number in the header.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
# The four ways to write a number: a constant, and how many bits are added to it.
_SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))
_PREVIEW = ((1, 6), (65, 8), (321, 10), (1345, 12))
_PREVIEW_IN_EIGHTS = ((16, 0), (32, 0), (1, 5), (33, 9))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_WHOLE_BITS = ((8, 0), (10, 0), (12, 0), (1, 6))
_FLOAT_BITS = ((32, 0), (16, 0), (24, 0), (1, 6))
_ANIMATION = (
    ((100, 0), (1000, 0), (1, 10), (1, 30)),
    ((1, 0), (1001, 0), (1, 8), (1, 10)),
    ((0, 0), (0, 3), (0, 16), (0, 32)),
)
_CHANNELS = ((0, 0), (1, 0), (2, 4), (1, 12))
_SHIFT = ((0, 0), (3, 0), (4, 0), (1, 3))
_NAME = ((0, 0), (0, 4), (16, 5), (48, 10))
_CFA_NUMBER = ((1, 0), (0, 2), (3, 4), (19, 8))


class Box(NamedTuple):
    """A box of a container, whose content lies between the offsets *start* and *end*."""

    kind: bytes
    start: int
    end: int


class Stated(NamedTuple):
    """The header of a JPEG XL.

    *premultiplied* is true if its colours are multiplied with its alpha, and *inks* if its colours are those of inks.
    """

    header: FileHeader
    premultiplied: bool
    inks: bool


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a JPEG XL. It has one frame: an animation is rendered as its first frame.

    Its orientation is that of the codestream. Decoders ignore the orientation in EXIF.

    Raises:
        UnreadableSource: If its header is broken, or the file ends within it.
        LimitExceeded: If the container has very many boxes, or the image very many channels.
        NotKnown: If its header is larger than any honest one.
    """
    return read_channels(file).header


def read_channels(file: BoundedFile) -> Stated:
    """Return what a JPEG XL states. Raises the same errors as `read`."""
    bits = _Bits(file, _beginning(file))
    size = bits.size()
    orientation, channels = bits.metadata()
    alphas = [premultiplied for kind, premultiplied in channels if kind == _ALPHA]
    header = FileHeader(size, "jxl", orientation, alpha=bool(alphas), whole=True)
    return Stated(header, premultiplied=any(alphas[:1]), inks=any(kind == _BLACK for kind, _ in channels))


def boxes(file: BoundedFile) -> Iterator[Box]:
    """Yield the boxes of the container in *file*.

    Raises:
        UnreadableSource: If a box is broken, or longer than the file.
        LimitExceeded: If there are more than `MAX_PARTS`.
    """
    offset, count = 0, 0
    while offset + 8 <= file.size:
        count += 1
        if count > MAX_PARTS:
            raise too_many("the JPEG XL has at least {:,} boxes", count)
        head = file.read(offset, 8)
        length, start = int.from_bytes(head[:4], "big"), offset + 8
        if length == 1:
            length, start = int.from_bytes(file.read(start, 8), "big"), start + 8
        end = offset + length if length else file.size
        if end < start or end > file.size:
            raise file.broken("a JPEG XL with a broken box, or that is cut short")
        yield Box(head[4:], start, end)
        offset = end


def codestream_of(data: bytes) -> bytes:
    """Return the codestream of the JPEG XL *data*: its pixels and colours, and nothing else of its container.

    Raises:
        ValueError: If *data* is no JPEG XL, or its container is broken.
    """
    if data.startswith(CODESTREAM):
        return data
    parts = []
    try:
        for box in boxes(_InMemory(data)):
            if box.kind == _WHOLE:
                return data[box.start : box.end]
            if box.kind == _PART:
                parts.append(data[box.start + 4 : box.end])
    except (UnreadableSource, LimitExceeded) as error:
        raise ValueError(str(error)) from error
    if not parts:
        raise ValueError("no codestream")
    return b"".join(parts)


def exif_of(data: bytes) -> bytes | None:
    """Return the EXIF block in the container of the JPEG XL *data*, or None. Compressed ones are not read."""
    if not data.startswith(CONTAINER):
        return None
    try:
        for box in boxes(_InMemory(data)):
            skipped = int.from_bytes(data[box.start : box.start + 4], "big")
            if box.kind == b"Exif" and box.start + 4 + skipped < box.end:
                return data[box.start + 4 + skipped : box.end]
    except (UnreadableSource, LimitExceeded):
        return None
    return None


def in_container(codestream: bytes, *metadata: tuple[bytes, bytes]) -> bytes:
    """Return a JPEG XL file of *codestream* with boxes of *metadata*: pairs of a kind, and of its content.

    The kinds are ``Exif``, whose content begins with four bytes that say how many to skip, and ``xml ``, for XMP.
    """
    parts = [(b"ftyp", b"jxl \0\0\0\0jxl "), *metadata, (_WHOLE, codestream)]
    return CONTAINER + b"".join(_box(kind, content) for kind, content in parts)


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def _beginning(file: BoundedFile) -> bytes:
    """Return the beginning of the codestream, which may be spread over several boxes."""
    if file.read(0, 2) == CODESTREAM:
        return file.read(0, min(file.size, _MAX_HEADER_BYTES))
    found = b""
    for box in boxes(file):
        start = box.start + 4 * (box.kind == _PART)
        if box.kind in (_WHOLE, _PART) and start < box.end:
            found += file.read(start, min(box.end - start, _MAX_HEADER_BYTES - len(found)))
        if box.kind == _WHOLE or len(found) >= _MAX_HEADER_BYTES:
            break
    if not found.startswith(CODESTREAM):
        raise file.broken("a JPEG XL without an image")
    return found


class _InMemory(BoundedFile):
    """A file whose bytes are all in *data*."""

    def __init__(self, data: bytes) -> None:
        self.ref = "the file"
        self.size = len(data)
        self._start, self._window = 0, data


class _Bits:
    """The fields of the header, read bit by bit from *data*, the lowest bit of each byte first."""

    def __init__(self, file: BoundedFile, data: bytes) -> None:
        self._file = file
        self._cut = len(data) < _MAX_HEADER_BYTES
        self._number = int.from_bytes(data, "little")
        self._left = 8 * len(data)
        self.take(16)  # the signature

    def size(self) -> Size:
        in_eights = self.flag()
        height = self._side(in_eights)
        ratio = self.take(3)
        width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else self._side(in_eights)
        if not width or not height:
            raise self._file.broken("a JPEG XL without pixels")
        return Size(width, height)

    def metadata(self) -> tuple[int, list[tuple[int, bool]]]:
        """Return the orientation, 1 to 8, and of each extra channel its type, and whether it is premultiplied."""
        orientation = 1
        if self.flag():  # everything has its default
            return orientation, []
        if self.flag():
            orientation = 1 + self.take(3)
            if self.flag():
                self.size()  # at which it would like to be shown
            if self.flag():
                self._skip_preview()
            if self.flag():
                for numbers in _ANIMATION:
                    self.number(numbers)
                self.flag()
        self._skip_depth()
        self.flag()
        count = self.number(_CHANNELS)
        if count > _MAX_CHANNELS:
            raise too_many("the JPEG XL has {:,} extra channels", count, _MAX_CHANNELS)
        return orientation, [self._channel() for _ in range(count)]

    def take(self, count: int) -> int:
        """Return the number that the next *count* bits are."""
        if count > self._left:
            if self._cut:
                raise self._file.broken("the file ends within its header")
            raise NotKnown
        value = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return value

    def flag(self) -> bool:
        return bool(self.take(1))

    def number(self, ways: tuple[tuple[int, int], ...]) -> int:
        """Return a number that is written in one of four *ways*."""
        constant, bits = ways[self.take(2)]
        return constant + self.take(bits)

    def _side(self, in_eights: bool) -> int:
        return 8 * (1 + self.take(5)) if in_eights else self.number(_SIDE)

    def _skip_preview(self) -> None:
        ways = _PREVIEW_IN_EIGHTS if self.flag() else _PREVIEW
        self.number(ways)
        if not self.take(3):
            self.number(ways)

    def _skip_depth(self) -> None:
        if self.flag():  # the samples are floats
            self.number(_FLOAT_BITS)
            self.take(4)
        else:
            self.number(_WHOLE_BITS)

    def _channel(self) -> tuple[int, bool]:
        """Skip the description of an extra channel. Return its type, and whether colours are multiplied with it."""
        premultiplied = False
        if self.flag():
            return _ALPHA, premultiplied
        kind = self.number(_ENUM)
        self._skip_depth()
        self.number(_SHIFT)
        self.take(8 * self.number(_NAME))
        if kind == _ALPHA:
            premultiplied = self.flag()
        elif kind == _SPOT:
            self.take(4 * 16)
        elif kind == _CFA:
            self.number(_CFA_NUMBER)
        return kind, premultiplied
