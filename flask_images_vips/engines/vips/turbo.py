"""Decode JPEGs with libjpeg-turbo, which needs a tenth to a fifth less CPU time than the decoder in pyvips-binary.

libjpeg-turbo comes with simplejpeg, which is optional. Its pixels are the same as those of libvips.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import Any

from ...geometry import Size
from .load import pyvips
from .pixels import Pixels, image_of

_MOST_PIXELS = 4_000_000  # the decoded picture is held in memory (12 MB), of which libvips holds only a few rows

_decode: Any = None


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
        # simplejpeg shrinks as much as these minimal sides allow. With *strict*, warnings are errors.
        data = _decode(file, colours, min_width=size.width, min_height=size.height, strict=True)
    except Exception:  # also if memory is short, because libvips needs less
        return None
    if data.shape != (size.height, size.width, header.bands):
        return None
    image = image_of(Pixels(size, header.bands, data), header)
    whole = Size(header.width // shrink, header.height // shrink)
    return image if size == whole else image.crop(0, 0, *whole)
