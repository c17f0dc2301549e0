"""Read what a file states about its image, without a decoder.

A web worker may call `read_header` for any file. It reads at most `bounded.MAX_BYTES` bytes, decodes nothing, and takes
less than a millisecond. It agrees with libvips and Pillow wherever these two agree. Only decoding proves that the file
really has this size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ..errors import Busy, SourceError, UnsupportedSource
from ..formats import EXTRA_INPUTS, INPUTS, is_file_of
from ..geometry import ORIENTATIONS
from . import gif, heic, heif, jpeg, jxl, png, tiff, webp
from .bounded import Beginning, BoundedFile, NotKnown
from .header import FileHeader
from .kinds import image_of, refusal

_READERS: dict[str, Callable[[BoundedFile], FileHeader]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "gif": gif.read,
    "webp": webp.read,
    "avif": heif.read,
    "heic": heic.read,
    "tiff": tiff.read,
    "jxl": jxl.read,
}
TURNED_BY_FORMAT = ("avif", "heic", "jxl")
"""The formats whose own properties turn the picture, whatever EXIF says."""

_SNIFFED = 12  # bytes that `_sniff` needs


def read_header(descriptor: int, ref: str, *, auto_orient: bool, inputs: Sequence[str] = INPUTS) -> FileHeader | None:
    """Return what the file open at *descriptor* states about its image, or None if only an engine can tell.

    *ref* names the file in errors. The size is upright with *auto_orient*, and always for AVIF, HEIC and JPEG XL, where
    orientation is part of the format. *inputs* are the formats that may be read.

    Raises:
        UnsupportedSource: If its format is not one of *inputs*.
        UnreadableSource: If its header is broken. libvips refuses such a file too.
        LimitExceeded: If it has more parts than any honest file has.
        SourceChanged: If the file has become shorter meanwhile.
        Busy: If the system cannot read the file now.
    """
    return _header(BoundedFile(descriptor, ref), auto_orient=auto_orient, inputs=inputs)


def read_beginning(
    data: bytes, size: int, ref: str, *, auto_orient: bool, inputs: Sequence[str] = INPUTS
) -> FileHeader | None:
    """Return what a file of *size* bytes that begins with *data* states, or None if that is not enough to tell.

    The rest is as in `read_header`.
    """
    return _header(Beginning(data, size, ref), auto_orient=auto_orient, inputs=inputs)


def _header(file: BoundedFile, *, auto_orient: bool, inputs: Sequence[str]) -> FileHeader | None:
    try:
        if not file.size:
            raise file.broken("the file is empty")
        format = _sniff(file)
        if format is None or (format in EXTRA_INPUTS and format not in inputs):
            return None  # an engine that does not load it says what to install
        if format not in inputs:
            raise UnsupportedSource(file.ref, refusal(image_of(format), inputs, "this package"))
        header = _READERS[format](file)
    except NotKnown:
        return None
    if auto_orient or header.format in TURNED_BY_FORMAT:
        header = replace(header, size=ORIENTATIONS[header.orientation].size(header.size))
    return header


def check_parts(descriptor: int, ref: str) -> None:
    """Refuse a file that has more parts than any honest file has, before a decoder reads it.

    Everything else that may be wrong with it is left to the decoders, which may be more lenient.

    Raises:
        LimitExceeded: See `read_header`.
    """
    with suppress(SourceError, Busy):
        read_header(descriptor, ref, auto_orient=False, inputs=(*INPUTS, *EXTRA_INPUTS))


def _sniff(file: BoundedFile) -> str | None:
    """Return the format that *file* seems to have, or None if it is not known."""
    start = file.read(0, min(_SNIFFED, file.size))
    if start[4:8] == b"ftyp":
        return heic.format_of(file)
    return next((name for name in _READERS if is_file_of(name, start)), None)
