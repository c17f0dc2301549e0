"""Compute the numbers that the effects of all engines are based on. This module does not touch pictures."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, hypot, sqrt

from ..options.options import Options

# How much red, green and blue contribute to perceived brightness (ITU-R BT.709), as in CSS filters.
_LUMA = (0.2126, 0.7152, 0.0722)

Row = tuple[float, float, float]


def colour_matrix(options: Options) -> tuple[tuple[Row, Row, Row], float] | None:
    """Return the matrix to apply to the colour of each pixel, and the offset to add afterwards.

    The rows compute red, green and blue. They combine the CSS filters saturate, brightness and contrast, in this order,
    so that values are clipped only once. The rows are equal if the result is grey. Returns None if the options change
    nothing.
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
    return (red, green, blue), 127.5 * (1 - contrast)  # type: ignore[return-value]  # each row has 3 numbers


@lru_cache(8)
def corner(radius: int) -> bytes:
    """Return the mask of a rounded top left corner: *radius* rows of *radius* bytes, 255 inside and 0 outside.

    A pixel on the edge gets a value in between, according to the distance of its centre from the edge.
    """
    rows = []
    for row in range(radius):
        down = radius - row - 0.5
        # Only the pixels from *first* up to *last* can lie on the edge. Those before are outside, those after are
        # inside.
        first = max(0, ceil(radius - sqrt(max(0.0, (radius + 0.5) ** 2 - down**2)) - 0.5))
        last = max(first, min(radius, ceil(radius - sqrt(max(0.0, (radius - 0.5) ** 2 - down**2)) - 0.5)))
        covered = (radius + 0.5 - hypot(radius - column - 0.5, down) for column in range(first, last))
        edge = bytes(round(255 * min(max(part, 0), 1)) for part in covered)
        rows.append(bytes(first) + edge + b"\xff" * (radius - last))
    return b"".join(rows)
