"""Ask a function where the subject of an upload is. Whatever it does, the upload is stored."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress

logger = logging.getLogger("flask_images_vips")

FindFocalPoint = Callable[[int], tuple[float, float] | None]
"""A function that returns the position of the subject of the picture open at a descriptor, or None."""


def found_by(find: FindFocalPoint, descriptor: int) -> tuple[float, float] | None:
    """Return what *find* says of the picture at *descriptor*, or None if it fails, which is logged.

    It gets a descriptor of its own, which it may close, as ``open(descriptor)`` does at its end.
    """
    own = os.dup(descriptor)
    try:
        os.lseek(own, 0, os.SEEK_SET)
        point = find(own)
        return None if point is None else _checked(point)
    except Exception:
        logger.exception("The focal point of an upload cannot be found. It is stored without one.")
        return None
    finally:
        with suppress(OSError):  # it is closed already
            if os.path.sameopenfile(own, descriptor):
                os.close(own)


def _checked(point: tuple[float, float]) -> tuple[float, float]:
    x, y = map(float, point)
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"{point!r}: expected (x, y) as fractions of the picture's sides, from 0 to 1")
    return x, y
