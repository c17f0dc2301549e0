"""Decode JPEGs with libjpeg-turbo, which needs a tenth to a fifth less CPU time than the decoder in pyvips-binary.

libjpeg-turbo comes with simplejpeg, which is optional. Its pixels are the same as those of libvips.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from typing import Any

from ...geometry import Size
from .load import pyvips
from .pixels import Pixels, image_of

_MOST_PIXELS = 4_000_000  # the decoded picture is held in memory (12 MB), of which libvips holds only a few rows
_MOST_KEPT = 4_500_000  # bytes, for 1.5 Mpx: the buffer of a 24 Mpx JPEG that becomes 800 px wide

_decode: Any = None
_buffer = bytearray()
_UNUSED = sys.getrefcount(_buffer)


def load() -> None:
    """Let this process, and those that are forked from it, use libjpeg-turbo, if it is installed.

    Only renderers may use it. Nothing but the kernel can stop its decoder, and the kernel kills the process if the file
    is truncated meanwhile.
    """
    global _decode  # noqa: PLW0603
    # simplejpeg imports numpy, whose OpenBLAS would start threads. They would not survive the fork of a renderer.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with suppress(Exception):  # several kinds, if simplejpeg and numpy do not match
        from simplejpeg import decode_jpeg  # noqa: PLC0415

        _decode = decode_jpeg


def decoded(descriptor: int, header: pyvips.Image, shrink: int) -> pyvips.Image | None:
    """Decode the JPEG whose *header* libvips has read, at 1/*shrink* of its size. The sides are rounded down.

    Returns None if libjpeg-turbo is not in use, if the picture is too large or neither RGB nor grey, or if anything is
    wrong with the file. The caller then lets libvips decode it, or report what is wrong with it.
    """
    size = Size(-(-header.width // shrink), -(-header.height // shrink))
    colours = {("srgb", 3): "RGB", ("b-w", 1): "GRAY"}.get((header.interpretation, header.bands))
    if _decode is None or colours is None or size.pixels > _MOST_PIXELS:
        return None
    try:
        file = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        # It takes the smallest of its fractions that leaves at least so many pixels, and raises errors for warnings.
        least = {"min_width": size.width, "min_height": size.height}
        data = _decode(file, colours, strict=True, buffer=_space(size.pixels * header.bands), **least)
    except Exception:  # also if memory is short, because libvips needs less
        return None
    if data.shape != (size.height, size.width, header.bands):
        return None
    image = image_of(Pixels(size, header.bands, data), header)
    whole = Size(header.width // shrink, header.height // shrink)
    return image if size == whole else image.crop(0, 0, *whole)


def _space(size: int) -> memoryview:
    """Return *size* bytes to decode into: the same ones each time, unless a picture still uses them.

    The system would have to map each page of fresh memory, which takes a tenth of the time of decoding.
    """
    global _buffer  # noqa: PLW0603
    if size <= len(_buffer) and sys.getrefcount(_buffer) == _UNUSED:
        return memoryview(_buffer)[:size]
    fresh = bytearray(size)
    if size <= _MOST_KEPT:
        _buffer = fresh
    return memoryview(fresh)
