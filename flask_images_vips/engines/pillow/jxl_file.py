"""Open a JPEG XL as an image of Pillow. Only its header is read first, so that limits are checked before decoding."""

from __future__ import annotations

import os

from PIL import Image

from ...errors import UnreadableSource, UnsupportedHere, UnsupportedSource
from ...formats import is_file_of
from ...geometry import ORIENTATIONS
from ...headers import jxl as headers
from ...headers.bounded import BoundedFile, NotKnown
from .. import jxl

_START_BYTES = 12
_PREMULTIPLIED = {"RGBA": "RGBa", "LA": "La"}
_FLOATS = {"F;16": "F"}  # the decoder widens them


def is_jxl(descriptor: int) -> bool:
    """Return whether the file at *descriptor* begins like a JPEG XL."""
    return is_file_of("jxl", os.pread(descriptor, _START_BYTES, 0))


def opened(descriptor: int, ref: str, *, only_header: bool) -> Image.Image:
    """Return the picture in the JPEG XL at *descriptor*, upright. With *only_header*, it has no pixels.

    Raises:
        UnsupportedHere: If its decoder is not installed.
        UnsupportedSource: If it has inks, which its decoder shows in wrong colours.
        UnreadableSource, LimitExceeded: If its header is broken, or describes too much.
        RuntimeError: If it cannot be decoded.
    """
    try:
        stated = headers.read_channels(BoundedFile(descriptor, ref))
    except NotKnown:
        raise UnreadableSource(ref, "the header of the JPEG XL is larger than any honest one") from None
    if stated.inks:
        raise UnsupportedSource(ref, "the file is a JPEG XL of inks (CMYK); expected RGB or grey")
    if not jxl.works():
        raise UnsupportedHere(ref, f"its decoder, pillow-jxl-plugin, is not installed. Run: {jxl.INSTALL}")
    if only_header:
        return _Stated(stated.header.size, alpha=bool(stated.header.alpha), orientation=stated.header.orientation)
    found = jxl.decoded(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
    if found.size != ORIENTATIONS[stated.header.orientation].size(stated.header.size):
        raise UnreadableSource(ref, "the pixels of the JPEG XL have another size than its header")
    mode = _FLOATS.get(found.mode, found.mode)
    if stated.premultiplied and mode in _PREMULTIPLIED:
        mode = _PREMULTIPLIED[mode]
    image = Image.frombytes(mode, found.size, found.data)
    if mode in _PREMULTIPLIED.values():
        image = image.convert(found.mode)
    if mode == "F":  # from 0 to 1
        image = image.point(lambda level: level * 255 + 0.5).convert("L")
    image.format = "JXL"
    for name, value in (("icc_profile", found.profile), ("exif", found.exif)):
        if value is not None:
            image.info[name] = value
    return image


class _Stated(Image.Image):
    """A picture of which only the header is known."""

    format = "JXL"

    def __init__(self, size: tuple[int, int], *, alpha: bool, orientation: int) -> None:
        super().__init__()
        self._mode = "RGBA" if alpha else "RGB"
        self._size = ORIENTATIONS[orientation].size(size)  # type: ignore[arg-type]
