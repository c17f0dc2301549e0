"""What do the effects mean in numbers? The same for every engine. This module knows no pixels."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, hypot, sqrt

from ..options.options import Options

# The part of each colour in what the eye takes for brightness (ITU-R BT.709), as in the filters of CSS.
_LUMA = (0.2126, 0.7152, 0.0722)

Row = tuple[float, float, float]


def colours(options: Options) -> tuple[tuple[Row, Row, Row], float] | None:
    """What is done to the colours of each pixel: a matrix of rows for red, green and blue, and what is then added.

    The filters of CSS, saturation, brightness and contrast in this order, in one: values are cut off once, at the end.
    All rows are equal where no colour is left. None where nothing is done.
    """
    saturation = 0.0 if options.grayscale else options.saturation
    brightness, contrast = options.brightness, options.contrast
    if (saturation, brightness, contrast) == (1, 1, 1):
        return None
    scale = brightness * contrast
    red, green, blue = (
        tuple(scale * ((1 - saturation) * luma + saturation * (own == other)) for other, luma in enumerate(_LUMA))
        for own in range(3)
    )
    return (red, green, blue), 127.5 * (1 - contrast)  # type: ignore[return-value]  # each has three


@lru_cache(8)
def corner(radius: int) -> bytes:
    """A round corner, left and top: *radius* rows of as many bytes, each 255 for what lies within, 0 for what does not.

    A pixel that the edge goes through is covered as much as the edge, drawn straight at its distance, would cover it.
    """
    rows = []
    for row in range(radius):
        down = radius - row - 0.5
        # From here to there the edge may go through a pixel; before it all are out, behind it all are in.
        first = max(0, ceil(radius - sqrt(max(0.0, (radius + 0.5) ** 2 - down**2)) - 0.5))
        last = max(first, min(radius, ceil(radius - sqrt(max(0.0, (radius - 0.5) ** 2 - down**2)) - 0.5)))
        covered = (radius + 0.5 - hypot(radius - column - 0.5, down) for column in range(first, last))
        edge = bytes(round(255 * min(max(part, 0), 1)) for part in covered)
        rows.append(bytes(first) + edge + b"\xff" * (radius - last))
    return b"".join(rows)
