"""Read the header of a TIFF: the tags of its first page."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal, NamedTuple

from ..errors import ImagesError
from ..geometry import Size
from . import exif
from .bounded import BoundedFile, NotKnown, too_many
from .header import FileHeader

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_ROWS, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _EXTRA_SAMPLES, _SUBSAMPLING = 278, 284, 322, 323, 324, 338, 530

_USED = {_BITS, _COMPRESSION, _ROWS, _PLANES, _SUBSAMPLING}
_USED |= {_WIDTH, _HEIGHT, _PHOTOMETRIC, _STRIPS, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _EXTRA_SAMPLES}
_USED.add(exif.ORIENTATION)
# Of the kinds of whole numbers: BYTE, SHORT, LONG, LONG8, and their signed kinds, which libtiff also takes.
_BYTES = {1: 1, 3: 2, 4: 4, 16: 8, 6: 1, 8: 2, 9: 4, 17: 8}
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3}  # samples of a colour by photometric interpretation; 1 for the others
_ALPHA = {1, 2, 999}  # kinds of extra samples: alpha, premultiplied or not, and what Corel Draw writes for it

_PALETTE, _YCBCR = 3, 6  # photometric interpretations
_OLD_JPEG, _JPEG = 6, 7  # compressions
_APART = 2  # each sample is in strips of its own

_MAX_TAGS = 600
_MAX_SIDE = 2**31 - 1
# Each sample takes memory for each pixel, which limits of pixels do not see.
_MAX_SAMPLES = 32
_MAX_PIXEL_BYTES = 32  # of four colours in 64 bits each
_MAX_STRIPS = 200_000  # libtiff and Pillow take time and memory for each
_MAX_TILE_BYTES = 2**28  # a tile is decoded as a whole, however small the image
_MAX_STRIP_BYTES = 2**29  # so is a strip, if each sample has its own


class _Tag(NamedTuple):
    """A tag, of *length* numbers of *size* bytes, at the offset *at*. *size* is 0 if they are not whole numbers."""

    size: int
    length: int
    at: int


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a TIFF or BigTIFF. It has one frame: engines render the first page only.

    Raises:
        UnreadableSource: If its header is broken.
        LimitExceeded: If decoding it would take too much memory or time, however few its pixels are.
        NotKnown: If a tag has another form than usual, or the file ends within its tags.
    """
    directory = _Directory(file)
    size = Size(directory.one(_WIDTH), directory.one(_HEIGHT))
    if not size.pixels or max(size) > _MAX_SIDE:
        raise file.broken("a TIFF of an impossible size")
    samples, photometric = directory.one(_SAMPLES, 1), directory.one(_PHOTOMETRIC)
    _check_costs(directory, size, samples)
    alpha = False
    if samples > _COLOURS.get(photometric, 1):
        extra = directory.all(_EXTRA_SAMPLES, _MAX_SAMPLES)
        alpha = not extra or not _ALPHA.isdisjoint(extra)
    return FileHeader(size, "tiff", exif.valid(directory.one(exif.ORIENTATION, 1)), alpha=alpha)


def _check_costs(directory: _Directory, size: Size, samples: int) -> None:
    """Refuse what costs more than the number of pixels tells."""
    bits = directory.all(_BITS, _MAX_SAMPLES)
    pixel = -(-samples * max(bits, default=1) // 8)
    tile = directory.one(_TILE_WIDTH, 0) * directory.one(_TILE_HEIGHT, 0)
    strip = size.width * min(directory.one(_ROWS, size.height), size.height)
    apart = directory.one(_PLANES, 1) == _APART
    strips = max(directory.count(_STRIPS), directory.count(_TILES))
    for what, count, limit in (
        ("the TIFF has {:,} samples per pixel", samples, _MAX_SAMPLES),
        ("the TIFF has {:,} bytes per pixel", pixel, _MAX_PIXEL_BYTES),
        ("the TIFF has {:,} strips or tiles", strips, _MAX_STRIPS),
        ("a tile of the TIFF has {:,} bytes", tile * pixel, _MAX_TILE_BYTES),
        ("the strips of the TIFF's samples have {:,} bytes", apart * strip * pixel, _MAX_STRIP_BYTES),
    ):
        if count > limit:
            raise too_many(what, count, limit)


def bands_in_use(descriptor: int) -> int | None:
    """Return how many samples of a pixel are its colour and its alpha; any others mean nothing to the picture.

    Returns None for TIFFs with a palette, and if it is not known.
    """
    with suppress(NotKnown, ImagesError):
        directory = _Directory(BoundedFile(descriptor, ""))
        colours = _COLOURS.get(directory.one(_PHOTOMETRIC), 1)
        if directory.one(_PHOTOMETRIC) != _PALETTE and directory.one(_SAMPLES, 1) > colours:
            extra = directory.all(_EXTRA_SAMPLES, _MAX_SAMPLES)
            return colours + (not extra or extra[0] in _ALPHA)
    return None


def misread_by_libvips(descriptor: int) -> str | None:
    """Return what libvips shows wrongly without an error in the TIFF at *descriptor*, or None."""
    with suppress(NotKnown, ImagesError):
        directory = _Directory(BoundedFile(descriptor, ""))
        compression = directory.one(_COMPRESSION, 1)
        if compression == _OLD_JPEG:
            return "old-style JPEG in a TIFF"
        if (
            directory.one(_PHOTOMETRIC) == _YCBCR
            and compression != _JPEG
            and set(directory.all(_SUBSAMPLING, 2)) == {1}
        ):
            return "YCbCr without subsampling"
    return None


def pixels_of_jpeg_tile(descriptor: int) -> int:
    """Return how many pixels each tile of the TIFF at *descriptor* has, if tiles are JPEGs; 0 for other files."""
    with suppress(NotKnown, ImagesError):
        directory = _Directory(BoundedFile(descriptor, ""))
        if directory.one(_COMPRESSION, 1) == _JPEG:
            return directory.one(_TILE_WIDTH, 0) * directory.one(_TILE_HEIGHT, 0)
    return 0


class _Directory:
    """The tags of the first page of *file*."""

    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        head = file.read(0, 8)
        self._order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        big = 43 in head[2:4]
        if big and self._value(head[4:8]) not in (8, 8 << 16):
            raise NotKnown
        self._word = 8 if big else 4
        counting, entry = (8, 20) if big else (2, 12)
        start = self._value(file.read(self._word, self._word))
        count = self._value(file.read(start, counting))
        if start + counting + count * entry > file.size:
            raise NotKnown  # Pillow takes the tags that are there
        if count > _MAX_TAGS:
            raise too_many("the TIFF has {:,} tags", count, _MAX_TAGS)
        data = file.read(start + counting, count * entry)
        self._tags: dict[int, _Tag] = {}
        for at in range(0, len(data), entry):
            number = self._value(data[at : at + 2])
            if number in _USED and number not in self._tags:
                size = _BYTES.get(self._value(data[at + 2 : at + 4]), 0)
                length = self._value(data[at + 4 : at + 4 + self._word])
                self._tags[number] = _Tag(size, length, start + counting + at + 4 + self._word)

    def _value(self, data: bytes) -> int:
        return int.from_bytes(data, self._order)

    def count(self, number: int) -> int:
        """Return how many values the tag *number* has; 0 if it is missing."""
        tag = self._tags.get(number)
        if tag and tag.size * tag.length > self._file.size:
            raise NotKnown  # some decoders do without its values
        return tag.length if tag else 0

    def one(self, number: int, default: int | None = None) -> int:
        """Return the value of the tag *number*, *default* if it is missing."""
        tag = self._tags.get(number)
        if tag is None and default is not None:
            return default
        if tag is None or tag.length != 1 or not tag.size:
            raise NotKnown
        return self.all(number, 1)[0]

    def all(self, number: int, most: int) -> list[int]:
        """Return the values of the tag *number*, the first *most* of them; none if it is missing."""
        tag = self._tags.get(number)
        if tag is None:
            return []
        if not tag.size:
            raise NotKnown
        at = tag.at
        if tag.size * tag.length > self._word:
            at = self._value(self._file.read(at, self._word))
        if at + tag.size * tag.length > self._file.size:
            raise NotKnown
        data = self._file.read(at, tag.size * min(tag.length, most))
        return [self._value(data[start : start + tag.size]) for start in range(0, len(data), tag.size)]
