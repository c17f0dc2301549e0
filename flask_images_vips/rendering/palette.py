"""Find the main colours of a picture. This module does no I/O.

The colours are told apart in Oklab, in which equal distances look equal (Björn Ottosson, 2020, "A perceptual color
space for image processing"). The pixels are divided by median cut, and the parts are then moved to their centres.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

COLOURS = 6
"""The most colours of a palette."""

_ROUNDS = 4  # of moving the parts to their centres; hardly anything moves after that
_LEAST_ALPHA = 16  # of 255: fainter pixels do not count
_NEAR = 0.03  # in Oklab, in which black and white are 1 apart: nearer colours are one
_LINEAR = [v / 255 / 12.92 if v <= 0.04045 * 255 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]


class _Point(NamedTuple):
    """A colour in Oklab, and how much of the picture has it."""

    colour: tuple[float, float, float]
    weight: float


def palette(rgba: bytes) -> list[str]:
    """Return up to `COLOURS` colours of the pixels *rgba*, in sRGB, as ``#rrggbb``. The most frequent one comes first.

    Transparent pixels count by their alpha. If all are transparent, the colour is black.
    """
    weights: Counter[tuple[int, int, int]] = Counter()
    for red, green, blue, alpha in zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True):
        if alpha >= _LEAST_ALPHA:
            weights[red, green, blue] += alpha
    points = [_Point(_oklab(colour), weight) for colour, weight in weights.items()]
    if not points:
        return ["#000000"]
    centres = [_centre(part) for part in _cut(points)]
    for _ in range(_ROUNDS):
        centres = [_centre(part) for part in _nearest(points, centres)]
    return list(dict.fromkeys(_hex(centre.colour) for centre in _merged(centres)))


def _cut(points: list[_Point]) -> list[list[_Point]]:
    """Divide *points* into up to `COLOURS` parts: again and again, the part that varies most."""
    parts = [points]
    while len(parts) < COLOURS:
        spreads = [max((_variance(part, band), band) for band in range(3)) for part in parts]
        (variance, band), part = max(zip(spreads, parts, strict=True), key=lambda each: each[0])
        if variance < 1e-9:
            break
        mean = _mean(part, band)
        parts.remove(part)
        parts += [[p for p in part if p.colour[band] <= mean], [p for p in part if p.colour[band] > mean]]
    return parts


def _nearest(points: Sequence[_Point], centres: Sequence[_Point]) -> list[list[_Point]]:
    """Divide *points* by the nearest of *centres*. Centres without points are left out."""
    parts: list[list[_Point]] = [[] for _ in centres]
    for point in points:
        distances = [math.dist(point.colour, centre.colour) for centre in centres]
        parts[distances.index(min(distances))].append(point)
    return [part for part in parts if part]


def _merged(centres: Sequence[_Point]) -> list[_Point]:
    """Return *centres*, the heaviest first. A colour that looks like a heavier one is counted with it."""
    kept: list[_Point] = []
    for centre in sorted(centres, key=lambda each: -each.weight):
        same = next((k for k, other in enumerate(kept) if math.dist(other.colour, centre.colour) < _NEAR), None)
        if same is None:
            kept.append(centre)
        else:
            kept[same] = _centre([kept[same], centre])
    return sorted(kept, key=lambda each: -each.weight)


def _centre(points: Sequence[_Point]) -> _Point:
    return _Point(
        (_mean(points, 0), _mean(points, 1), _mean(points, 2)),
        sum(point.weight for point in points),
    )


def _mean(points: Sequence[_Point], band: int) -> float:
    return sum(p.colour[band] * p.weight for p in points) / sum(p.weight for p in points)


def _variance(points: Sequence[_Point], band: int) -> float:
    """Return the variance of one *band*, multiplied by the weight of *points*."""
    mean = _mean(points, band)
    return sum((p.colour[band] - mean) ** 2 * p.weight for p in points)


def _oklab(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    red, green, blue = (_LINEAR[band] for band in colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _hex(colour: tuple[float, float, float]) -> str:
    lightness, a, b = colour
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    bands = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    return "#" + "".join(f"{_encoded(band):02x}" for band in bands)


def _encoded(linear: float) -> int:
    """Convert a linear value, 0 to 1, to sRGB, 0 to 255."""
    value = max(0.0, min(1.0, linear))
    return int((value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055) * 255 + 0.5)
