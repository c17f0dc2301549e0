"""Make an ICC profile of the numbers that state how colours are coded, so that one way of conversion serves both.

Colours brighter than white are tone-mapped by the curves of the profile. This module does no I/O.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache

from ..headers.coding import GAMMA_22, HLG, LINEAR, PQ, Chromaticities, Coding

_D50 = (0.9642, 1.0, 0.8249)
# The cone responses of Bradford's chromatic adaptation (ICC.1:2022, annex E).
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_STEPS = 4096
_WHITE_NITS, _PEAK_NITS = 203, 1000  # of diffuse white (ITU-R BT.2408), and of what is shown as the brightest white

Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


@lru_cache(maxsize=16)
def profile_of(coding: Coding, *, grey: bool) -> bytes | None:
    """Return an ICC profile for pictures with this *coding*; None if its primaries are impossible."""
    light = [_light(coding, step / (_STEPS - 1)) for step in range(_STEPS)]
    table = [round(65535 * min(max(value, 0.0), 1.0)) for value in light]
    curve = b"curv\0\0\0\0" + struct.pack(f">I{_STEPS}H", _STEPS, *table)
    if grey:
        return _file(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": curve})
    try:
        red, green, blue = _adapted(coding.primaries)
        tags = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    except (ZeroDivisionError, struct.error):
        return None
    return _file(b"RGB ", {b"wtpt": _xyz(_D50), **tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def _light(coding: Coding, encoded: float) -> float:
    """Return the linear light, of which 1 is the brightest that is shown, for a value from 0 to 1."""
    if coding.gamma:
        return math.pow(encoded, coding.gamma)
    if coding.transfer == PQ:
        return _tone_mapped(_pq_nits(encoded))
    if coding.transfer == HLG:
        return _tone_mapped(_hlg_nits(encoded))
    if coding.transfer in (LINEAR, GAMMA_22):
        return encoded if coding.transfer == LINEAR else math.pow(encoded, 2.2)
    return encoded / 12.92 if encoded <= 0.04045 else math.pow((encoded + 0.055) / 1.055, 2.4)


def _pq_nits(encoded: float) -> float:
    """Implement the EOTF of SMPTE ST 2084."""
    root = math.pow(encoded, 1 / 78.84375)
    return 10_000 * math.pow(max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)


def _hlg_nits(encoded: float) -> float:
    """Implement the EOTF of HLG (ITU-R BT.2100), for each band by itself."""
    low = encoded**2 / 3
    scene = low if encoded <= 0.5 else (math.exp((encoded - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return _PEAK_NITS * math.pow(scene, 1.2)


def _tone_mapped(nits: float) -> float:
    """Compress light by Reinhard's curve (2002, equation 4), so that the peak becomes white."""
    light, peak = nits / _WHITE_NITS, _PEAK_NITS / _WHITE_NITS
    return light * (1 + light / peak**2) / (1 + light)


def _adapted(primaries: Chromaticities) -> Matrix:
    """Return the XYZ of red, green and blue, adapted to D50."""
    white, *colours = (_from_xy(*primaries[at : at + 2]) for at in range(0, 8, 2))
    shares = _solved(_transposed(tuple(colours)), white)
    scaled = [tuple(share * value for value in colour) for share, colour in zip(shares, colours, strict=True)]
    gains = [to / of for to, of in zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)]
    cones = [
        tuple(gain * cone for gain, cone in zip(gains, _times(_BRADFORD, colour), strict=True)) for colour in scaled
    ]
    return tuple(_solved(_BRADFORD, cone) for cone in cones)


def _from_xy(x: float, y: float) -> Vector:
    return x / y, 1.0, (1 - x - y) / y


def _times(matrix: Matrix, vector: Vector) -> Vector:
    return tuple(sum(one * other for one, other in zip(row, vector, strict=True)) for row in matrix)


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _solved(matrix: Matrix, wanted: Vector) -> Vector:
    """Return the vector that *matrix* turns into *wanted*, by Cramer's rule."""
    columns, whole = _transposed(matrix), _determinant(matrix)
    return tuple(
        _determinant(_transposed((*columns[:at], wanted, *columns[at + 1 :]))) / whole for at in range(len(columns))
    )


def _determinant(m: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)


def _xyz(values: Vector) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a display profile of version 2.4 (ICC.1:2001-04). Equal tags share their bytes."""
    start = 128 + 4 + 12 * len(tags)
    index, data, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, tag in tags.items():
        if tag not in places:
            places[tag] = start + len(data)
            data += tag + bytes(-len(tag) % 4)
        index += struct.pack(">4sII", name, places[tag], len(tag))
    header = struct.pack(">I4xI4s4s4s", start + len(data), 0x02400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H4s28x", 2024, 1, 1, 0, 0, 0, b"acsp") + _xyz(_D50)[8:]
    return header.ljust(128, b"\0") + index + data
