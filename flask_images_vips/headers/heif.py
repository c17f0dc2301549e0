"""What does an AVIF state about its image? The boxes of HEIF (ISO/IEC 23008-12) that describe its primary image.

A HEIC consists of the same boxes, see `heic`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ..errors import ImagesError
from ..geometry import Size
from .bounded import BoundedFile, NotKnown, too_many
from .header import FileHeader

AVIF_BRANDS = {b"avif", b"avis"}
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
# An orientation of EXIF for each turn (irot, in quarters anticlockwise), by the mirroring that follows (imir).
_ORIENTATIONS = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}

_MAX_TOP_BOXES = 32
_MAX_BYTES = 48_000
_MAX_STEPS = 1200  # a step is a box, an association of an image, a property of an image, or a few references
_REFERENCES_A_STEP = 8
_MAX_BRANDS = 64
# Decoders take time for each image, and some for each pair of them.
_MAX_ITEMS = 4000
_MAX_REFERENCE_BYTES = 100_000
_MAX_DESCRIPTIONS = 64


class _Box(NamedTuple):
    """A box, whose content lies between the offsets *start* and *end*."""

    kind: bytes
    start: int
    end: int


def read(file: BoundedFile) -> FileHeader:
    """Return the header of an AVIF.

    Its orientation is that of the format's own properties: the tag of EXIF is only informative (section 6.5.10).

    Raises:
        UnreadableSource: If the file ends within its header, or the image has no pixels.
        LimitExceeded: If its header is large because it describes very many images.
        NotKnown: If its image is of another kind than one AV1 image or a grid of them, or its header is too large. Also
            if a box of the header is broken: libvips ignores some of them.
    """
    brands, meta = top_boxes(file)
    if not brands & AVIF_BRANDS:
        raise NotKnown
    data = Description(file, meta)
    size, orientation = data.shown()
    if data.kind() not in (b"av01", b"grid"):
        raise NotKnown  # such as HEVC, which not every engine decodes
    return FileHeader(size, "avif", orientation, alpha=data.alpha(), whole=True)


def colour(file: BoundedFile) -> tuple[int, int]:
    """Return the numbers of the primaries and of the transfer function (ITU-T H.273) that an AVIF states.

    Raises:
        NotKnown: If it states a profile or nothing, or it is not known.
        UnreadableSource: If the file ends within its header.
    """
    _, meta = top_boxes(file)
    return Description(file, meta).colour()


def is_cropped(descriptor: int) -> bool:
    """Return whether the AVIF at *descriptor* says that only a part of its image is to be shown (clap).

    False also if that is not known.
    """
    with suppress(NotKnown, ImagesError):
        file = BoundedFile(descriptor, "")
        _, meta = top_boxes(file)
        return Description(file, meta).is_cropped()
    return False


def top_boxes(file: BoundedFile) -> tuple[set[bytes], bytes]:
    """Return the brands of the file, and the content of its box of metadata.

    Raises:
        UnreadableSource: If the file ends within its header.
        LimitExceeded: If the metadata is large because it describes very many images.
        NotKnown: If there is none within the first boxes, or it is too large.
    """
    brands: set[bytes] = set()
    offset = 0
    for _ in range(_MAX_TOP_BOXES):
        head = file.read(offset, 8)
        length, start = int.from_bytes(head[:4], "big"), offset + 8
        if length == 1:
            length, start = int.from_bytes(file.read(start, 8), "big"), start + 8
        end = offset + length if length else file.size
        if end < start:
            raise file.broken("an image with a broken box")
        if head[4:] == b"ftyp":
            data = file.read(start, min(end - start, 4 * _MAX_BRANDS))
            brands = {data[at : at + 4] for at in range(0, len(data), 4) if at != 4}  # the second is a version
        elif head[4:] == b"meta":
            if end - start > _MAX_BYTES:
                _check_description(file, start + 4, end)
                raise NotKnown
            return brands, file.read(start, end - start)
        offset = end
    raise NotKnown


def _check_description(file: BoundedFile, offset: int, end: int) -> None:
    """Refuse too many images, or references among them, by the boxes of metadata from *offset* to *end*.

    Raises:
        LimitExceeded: If there are too many.
    """
    for _ in range(_MAX_DESCRIPTIONS):
        if offset + 16 > min(end, file.size):
            return
        head = file.read(offset, 16)
        length = int.from_bytes(head[:4], "big")
        if head[4:8] == b"iinf":
            items = int.from_bytes(head[12:14] if head[8] == 0 else head[12:16], "big")
            if items > _MAX_ITEMS:
                raise too_many("the file has {:,} images", items, _MAX_ITEMS)
        elif head[4:8] == b"iref" and length > _MAX_REFERENCE_BYTES:
            raise too_many("the references among the file's images have {:,} bytes", length, _MAX_REFERENCE_BYTES)
        if length < 8:
            return
        offset += length


class Description:
    """What *data*, the content of the metadata's box, says about the primary image."""

    def __init__(self, file: BoundedFile, data: bytes) -> None:
        self._file = file
        self._data = data
        self._left = _MAX_STEPS
        boxes = self._top = {box.kind: box for box in reversed(list(self._boxes(_Box(b"meta", 4, len(data)))))}
        try:
            primary, properties = boxes[b"pitm"], boxes[b"iprp"]
            self._items = boxes[b"iinf"]
        except KeyError:
            raise NotKnown from None
        self._reference_box = boxes.get(b"iref")
        wide = self._version(primary) > 0
        self.primary = self._number(primary.start + 4, 4 if wide else 2, primary.end)
        parts = list(self._boxes(properties))
        containers = [box for box in parts if box.kind == b"ipco"]
        if len(containers) != 1:
            raise NotKnown
        self._properties = list(self._boxes(containers[0]))
        self._associations: dict[int, tuple[int, int, int]] = {}
        for box in parts:
            if box.kind == b"ipma":
                self._associate(box)

    def kind(self, item: int | None = None) -> bytes:
        """Return the kind of the image *item*, by default of the primary one."""
        wanted = self.primary if item is None else item
        items = self._items
        start = items.start + (6 if self._version(items) == 0 else 8)
        for box in self._boxes(items._replace(start=start)):
            version = self._version(box)
            size = {2: 2, 3: 4}.get(version)
            if box.kind != b"infe" or size is None:
                raise NotKnown
            if self._number(box.start + 4, size, box.end) == wanted:
                at = box.start + 4 + size + 2
                return self._data[at : at + 4]
        raise NotKnown

    def box(self, kind: bytes) -> bytes:
        """Return the content of the first box of a *kind* in the metadata, or nothing."""
        found = self._top.get(kind)
        return b"" if found is None else self._data[found.start : found.end]

    def tiles(self) -> tuple[int, ...]:
        """Return the images that the primary image is made of, if it is a grid or the like."""
        made_of = (targets for kind, item, targets in self._references() if kind == b"dimg" and item == self.primary)
        return next(made_of, ())

    def shown(self, *, crops: bool = False) -> tuple[Size, int]:
        """Return the size as it is stored, and the orientation.

        With *crops*, the size is that of the part that is to be shown, if the file names one. Otherwise, such a file is
        not known, because decoders differ.
        """
        size: Size | None = None
        turn: int | None = None
        mirrored: int | None = None
        for box in self._owned(self.primary):
            if box.kind == b"ispe" and size is None:
                size = Size(self._number(box.start + 4, 4, box.end), self._number(box.start + 8, 4, box.end))
            elif box.kind == b"irot" and turn is None:
                turn = self._number(box.start, 1, box.end) & 3
                if mirrored is not None:
                    turn = -turn & 3  # mirrored first, then turned: the same as turned the other way, then mirrored
            elif box.kind == b"imir" and mirrored is None:
                mirrored = self._number(box.start, 1, box.end) & 1
            elif box.kind == b"clap" and crops and size is not None and turn is None and mirrored is None:
                size = self._part(box, size)
            elif box.kind in (b"clap", b"irot", b"imir"):
                raise NotKnown  # decoders differ
        if size is None:
            raise NotKnown
        if not size.pixels:
            raise self._file.broken("an image without pixels")
        return size, _ORIENTATIONS[mirrored][turn or 0]

    def _part(self, box: _Box, whole: Size) -> Size:
        """Return the size of the part that *box* names of an image of the size *whole*.

        Raises:
            NotKnown: If it is not a number of pixels, or does not lie within the image.
        """
        numbers = struct.unpack(">IIIIiIiI", self._data[box.start : box.end][:32].ljust(32, b"\0"))
        part, ones = Size(numbers[0], numbers[2]), (numbers[1], numbers[3])
        for side, of, offset, divisor in zip(part, whole, numbers[4::2], numbers[5::2], strict=True):
            if not divisor or not 0 <= (2 * offset + divisor * (of - side)) // (2 * divisor) <= of - side:
                raise NotKnown
        if ones != (1, 1) or not part.pixels:
            raise NotKnown
        return part

    def colour(self) -> tuple[int, int]:
        """Return the numbers of the primaries and of the transfer function."""
        stated = [box for box in self._owned(self.primary) if box.kind == b"colr"]
        if len(stated) != 1 or self._data[stated[0].start : stated[0].start + 4] != b"nclx":
            raise NotKnown
        start, end = stated[0].start + 4, stated[0].end
        return self._number(start, 2, end), self._number(start + 2, 2, end)

    def is_cropped(self) -> bool:
        """Return whether a part of the primary image is to be shown."""
        boxes = {box.kind: box for box in self._owned(self.primary) if box.kind in (b"ispe", b"clap")}
        if len(boxes) < 2:
            return False
        (_, width, height), part = (self._numbers(boxes[kind], count) for kind, count in ((b"ispe", 3), (b"clap", 4)))
        return part != (width, 1, height, 1)  # both are fractions

    def alpha(self) -> bool:
        """Return whether other images of the file are the alpha of the primary image, or of the tiles of its grid."""
        shown: set[int] = {self.primary}
        alphas: set[int] = set()
        for kind, item, targets in self._references():
            if kind == b"dimg" and item == self.primary:
                shown.update(targets)
            elif kind == b"auxl" and any(map(self._is_alpha, self._owned(item))):
                alphas.update(targets)
        return not shown.isdisjoint(alphas)

    def _references(self) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
        """Yield each reference: its kind, the image that refers to others, and those others."""
        whole = self._reference_box
        if whole is None:
            return
        size = 4 if self._version(whole) else 2
        for box in self._boxes(whole._replace(start=whole.start + 4)):
            item = self._number(box.start, size, box.end)
            count = self._number(box.start + size, 2, box.end)
            first = box.start + size + 2
            if first + count * size > box.end:
                raise NotKnown
            self._spend(count // _REFERENCES_A_STEP)
            yield box.kind, item, struct.unpack_from(f">{count}{'I' if size == 4 else 'H'}", self._data, first)

    def _is_alpha(self, box: _Box) -> bool:
        return box.kind == b"auxC" and self._data[box.start + 4 : box.end].startswith(_ALPHA)

    def _associate(self, box: _Box) -> None:
        """Note where *box* says which properties each image has."""
        at = box.start + 8
        id_size = 4 if self._version(box) else 2
        index_size = 2 if self._number(box.start, 4, box.end) & 1 else 1
        for _ in range(self._number(box.start + 4, 4, box.end)):
            self._spend(1)
            item = self._number(at, id_size, box.end)
            count = self._number(at + id_size, 1, box.end)
            at += id_size + 1
            if at + count * index_size > box.end:
                raise NotKnown
            self._associations.setdefault(item, (at, count, index_size))
            at += count * index_size

    def _owned(self, item: int) -> Iterator[_Box]:
        """Yield the properties of an image, in their order."""
        at, count, size = self._associations.get(item, (0, 0, 1))
        self._spend(count)
        for start in range(at, at + count * size, size):
            # The highest bit says whether a reader must know the property.
            index = int.from_bytes(self._data[start : start + size], "big") & (0x7F, 0x7FFF)[size - 1]
            if 0 < index <= len(self._properties):
                yield self._properties[index - 1]

    def _boxes(self, parent: _Box) -> Iterator[_Box]:
        """Yield the boxes inside of *parent*."""
        data, offset = self._data, parent.start
        while offset + 8 <= parent.end:
            self._spend(1)
            length, start = int.from_bytes(data[offset : offset + 4], "big"), offset + 8
            if length == 1:
                length, start = self._number(start, 8, parent.end), start + 8
            end = offset + length if length else parent.end
            if end < start or end > parent.end:
                raise NotKnown
            yield _Box(data[offset + 4 : offset + 8], start, end)
            offset = end

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise NotKnown

    def _version(self, box: _Box) -> int:
        return self._number(box.start, 1, box.end)

    def _numbers(self, box: _Box, count: int) -> tuple[int, ...]:
        """Return the first numbers of *box*, of four bytes each."""
        return tuple(self._number(start, 4, box.end) for start in range(box.start, box.start + 4 * count, 4))

    def _number(self, start: int, size: int, end: int) -> int:
        """Return the number of *size* bytes at *start*, in a box that ends at *end*."""
        if start + size > end:
            raise NotKnown
        return int.from_bytes(self._data[start : start + size], "big")
