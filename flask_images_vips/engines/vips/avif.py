"""What are the pixels of an AVIF? By Pillow, whose decoder takes less than half the CPU of that in libvips' wheels."""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image

from ...geometry import ORIENTATIONS, Size, Turn
from ..pillow.effects import turned

_ORIENTATION = 0x0112


class Pixels(NamedTuple):
    """8 bits a band, in RGB or RGBA, row by row."""

    size: Size
    bands: int
    data: bytes


def pixels(descriptor: int, upright: Size, shrink: int) -> Pixels | None:
    """The upright first picture of the file, each side by *shrink*, rounded up: averages of so many pixels a side.

    None where Pillow cannot read it as one of the size *upright*: that is left to libvips, or to its words.
    """
    try:
        with io.FileIO(descriptor, closefd=False) as file:
            file.seek(0)
            with Image.open(file, formats=["AVIF"]) as image:
                # Not the tag of EXIF: Pillow tells by it of the turn that is part of the format.
                turn = ORIENTATIONS.get(image.getexif().get(_ORIENTATION, 1), Turn())
                if turn.size(Size(*image.size)) != upright:
                    return None
                picture = turned(image, turn)
                picture = picture.reduce(shrink) if shrink > 1 else picture
                return Pixels(Size(*picture.size), len(picture.getbands()), picture.tobytes())
    except MemoryError:
        raise
    except Exception:  # whatever its parsers meet
        return None
