"""Tell whether a file is a HEIC, and read its header. It has the boxes of an AVIF, and images in HEVC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ..errors import ImagesError
from .bounded import BoundedFile, NotKnown
from .header import FileHeader
from .heif import AVIF_BRANDS, Description, top_boxes

_OWN = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_GENERAL = frozenset({b"mif1", b"mif2", b"msf1"})  # of files with images, whatever codes them
_MAX_BYTES_OF_BRANDS = 256
_CODED = frozenset({b"hvc1", b"hev1"})


def format_of(file: BoundedFile) -> str:
    """Return ``heic`` or ``avif`` for a file that begins with a box ``ftyp``, whatever else it may turn out to be.

    Raises:
        UnreadableSource, LimitExceeded, NotKnown: As in `read`.
    """
    major = file.read(8, 4)
    if major in _OWN:
        return "heic"
    if major not in _GENERAL:
        return "avif"
    with suppress(NotKnown):
        _, meta = top_boxes(file)
        kind = _coding(Description(file, meta))
        if kind in _CODED or kind == b"av01":
            return "heic" if kind in _CODED else "avif"
    brands = _brands(file)
    return "heic" if brands & _OWN and not brands & AVIF_BRANDS else "avif"


def is_heic(descriptor: int) -> bool:
    """Return whether the file at *descriptor* is a HEIC. False also if it is one with a broken header."""
    with suppress(NotKnown, ImagesError, OSError):
        return os.pread(descriptor, 4, 4) == b"ftyp" and format_of(BoundedFile(descriptor, "")) == "heic"
    return False


def lacks_end(descriptor: int) -> bool:
    """Return whether a part of the images of the HEIC at *descriptor* lies beyond its end. False if that is not known.

    libheif leaves the tiles of a grid black that it cannot read.
    """
    with suppress(NotKnown, ImagesError, OSError, IndexError):
        file = BoundedFile(descriptor, "")
        _, meta = top_boxes(file)
        return any(end > file.size for end in _ends(Description(file, meta).box(b"iloc")))
    return False


def read(file: BoundedFile) -> FileHeader:
    """Return the header of a HEIC.

    Its orientation is that of the format's own properties: the tag of EXIF is only informative (ISO/IEC 23008-12,
    section 6.5.10). Of several images and of a sequence, it is the primary image.

    Raises:
        UnreadableSource: If the file ends within its header, or the image has no pixels.
        LimitExceeded: If its header is large because it describes very many images.
        NotKnown: If its image is neither an image in HEVC nor a grid of them, or its header is too large or broken.
    """
    _, meta = top_boxes(file)
    data = Description(file, meta)
    if _coding(data) not in _CODED:
        raise NotKnown
    size, orientation = data.shown(crops=True)
    return FileHeader(size, "heic", orientation, alpha=data.alpha(), whole=True)


def _brands(file: BoundedFile) -> set[bytes]:
    data = file.read(0, min(file.size, int.from_bytes(file.read(0, 4), "big"), _MAX_BYTES_OF_BRANDS))
    return {data[at : at + 4] for at in range(8, len(data), 4) if at != 12}  # that one is a version


def _ends(places: bytes) -> Iterator[int]:
    """Yield where each part of an item of a file ends, by the content *places* of its box ``iloc``.

    Raises:
        NotKnown, IndexError: If the box is broken.
    """
    version, sizes = places[0], int.from_bytes(places[4:6], "big")
    offset_size, length_size, base_size, index_size = (sizes >> bits & 15 for bits in (12, 8, 4, 0))
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(places):
            raise NotKnown
        return int.from_bytes(places[at - size : at], "big")

    wide = 4 if version == 2 else 2
    for _ in range(number(wide)):
        number(wide)
        in_file = version == 0 or number(2) & 15 == 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size if version else 0)
            offset, length = number(offset_size), number(length_size)
            if in_file:
                yield base + offset + length


def _coding(data: Description) -> bytes:
    """Return the kind of the primary image, or of the tiles that it is a grid of."""
    kind = data.kind()
    return data.kind(tiles[0]) if kind == b"grid" and (tiles := data.tiles()) else kind
