"""Define what a file states about its image before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from ..geometry import Size


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a file states about its image.

    *size* is in pixels. The readers of single formats return the size as it is stored; `read_header` turns it upright.
    *format* is one of `formats.INPUTS` or `formats.EXTRA_INPUTS`. *orientation* is 1 to 8, with the meanings of EXIF:
    the turn that makes the stored image upright. *alpha* and *frames* are None if they depend on bytes that were not
    read. *frames* is 1 for the formats whose pages or frames are not rendered as an animation. *whole* is true if
    libvips holds all pixels of the image in memory, rather than a few lines. *palette* is true for a PNG with a
    palette.
    """

    size: Size
    format: str
    orientation: int = 1
    frames: int | None = 1
    alpha: bool | None = False
    whole: bool = False
    palette: bool = False
