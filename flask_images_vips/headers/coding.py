"""Read how the colours of a PNG or an AVIF are coded, if the file states it by numbers instead of an ICC profile."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import ImagesError
from . import heif
from .bounded import MAX_PARTS, BoundedFile, NotKnown

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""The x and y of white, red, green and blue (CIE 1931)."""

SRGB: Chromaticities = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# By their numbers in ITU-T H.273. Those that are missing here are close to sRGB's, or rare.
_PRIMARIES: dict[int, Chromaticities] = {
    9: (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),  # BT.2020
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),  # Display P3
}
GAMMA_22, LINEAR, SRGB_TRANSFER, PQ, HLG = 4, 8, 13, 16, 18
_TRANSFERS = {GAMMA_22, LINEAR, PQ, HLG}  # the others are shown as sRGB's, or are rare
_CLOSE = 0.003


class Coding(NamedTuple):
    """The coding of colours. *transfer* is a number of ITU-T H.273, or *gamma* is the exponent if that is not 0."""

    primaries: Chromaticities
    transfer: int = SRGB_TRANSFER
    gamma: float = 0.0


PLAIN = Coding(SRGB)
"""The coding of sRGB."""


def read_coding(descriptor: int, format: str) -> Coding | None:
    """Return the coding that the PNG or AVIF at *descriptor* states. None if it is sRGB's, not known, or a profile."""
    try:
        file = BoundedFile(descriptor, "")
        coding = _of_png(file) if format == "png" else of_numbers(*heif.colour(file))
    except (NotKnown, ImagesError, struct.error):
        return None
    return None if coding == PLAIN else coding


def of_numbers(primaries: int, transfer: int) -> Coding:
    """Return the coding for the numbers of the primaries and of the transfer function in ITU-T H.273."""
    return Coding(_PRIMARIES.get(primaries, SRGB), transfer if transfer in _TRANSFERS else SRGB_TRANSFER)


def _of_png(file: BoundedFile) -> Coding | None:
    """Return what the chunks before the pixels state: the most precise of them counts (PNG, third edition, 4.3)."""
    found: dict[bytes, bytes] = {}
    offset = 8
    for _ in range(MAX_PARTS):
        head = file.read(offset, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if name == b"IDAT":
            break
        if name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            found[name] = file.read(offset + 8, min(length, 32))
        offset += 12 + length
    if b"cICP" in found:
        return of_numbers(*struct.unpack_from("BB", found[b"cICP"]))
    if b"iCCP" in found or b"sRGB" in found or b"gAMA" not in found:
        return None
    (gamma,) = struct.unpack(">I", found[b"gAMA"])
    primaries = SRGB
    if b"cHRM" in found:
        stated = [value / 100_000 for value in struct.unpack(">8I", found[b"cHRM"])]
        if max(abs(one - other) for one, other in zip(stated, SRGB, strict=True)) > _CLOSE:
            primaries = tuple(stated)
    if abs(gamma / 100_000 - 1 / 2.2) < _CLOSE:
        return Coding(primaries)  # it is sRGB's curve that this number stands for
    return Coding(primaries, gamma=100_000 / gamma) if gamma else None
