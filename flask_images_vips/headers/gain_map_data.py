"""Read and write the numbers that say how a gain map is applied: as ISO 21496-1 has them, and as XMP.

For a value v of the map from 0 to 1, the logarithm to base 2 of the gain is ``minimum + (maximum - minimum) *
v ** (1 / gamma)``. This module does no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from . import xmp

ISO_PREFIX = b"urn:iso:std:iso:ts:21496:-1\0"
"""The beginning of the APP2 segment of ISO 21496-1. In the picture itself, only a version follows."""
ISO_VERSION = bytes(4)
"""The least version that a reader must know, and the version of the writer."""
_MULTICHANNEL, _USES_BASE, _COMMON, _BACKWARD = 0x80, 0x40, 0x08, 0x04  # flags; the last two are libultrahdr's
_MOST = 2**31 - 1
_PRECISION = 1_000_000  # the largest denominator for a decimal number of XMP
_MOST_GAMMA = 64
_LEAST_STOPS = Fraction(1, 1000)  # the headroom that a map needs to show anything; readers divide by it
_MOST_STOPS = 64  # no gain or headroom is larger, as a logarithm to base 2


class Channel(NamedTuple):
    """How one channel of the map is applied. *minimum* and *maximum* are logarithms to base 2 of the gain."""

    minimum: Fraction
    maximum: Fraction
    gamma: Fraction = Fraction(1)
    base_offset: Fraction = Fraction(1, 64)
    alternate_offset: Fraction = Fraction(1, 64)

    def is_valid(self) -> bool:
        in_range = (
            -_MOST_STOPS <= self.minimum <= self.maximum <= _MOST_STOPS
            and 1 <= self.gamma * _MOST_GAMMA <= _MOST_GAMMA**2
        )
        return in_range and max(abs(self.base_offset), abs(self.alternate_offset)) <= 1


@dataclass(frozen=True, slots=True)
class GainMapData:
    """How a gain map is applied to its base, the picture that every screen shows.

    *base_headroom* and *alternate_headroom* are logarithms to base 2 of how much brighter than white a screen is that
    shows the base as it is, and one that applies the whole map. *channels* are one, or those of red, green and blue.
    If *uses_base* is false, the gains are those of the colour space that a profile in the map's own JPEG states.
    """

    channels: Sequence[Channel]
    base_headroom: Fraction = Fraction(0)
    alternate_headroom: Fraction = Fraction(1)
    uses_base: bool = True

    def is_valid(self) -> bool:
        """Return whether it can be written. False also if the base is the HDR picture, which no JPEG should have."""
        headrooms = 0 <= self.base_headroom <= self.alternate_headroom - _LEAST_STOPS <= _MOST_STOPS - _LEAST_STOPS
        return headrooms and len(self.channels) in (1, 3) and all(channel.is_valid() for channel in self.channels)


def from_iso(content: bytes) -> GainMapData | None:
    """Read the segment's *content*, without `ISO_PREFIX`. None if it is of another version or not valid."""
    try:
        least, _, flags = struct.unpack_from(">HHB", content)
        if least != 0 or flags & _BACKWARD:
            return None
        count = 3 if flags & _MULTICHANNEL else 1
        values = _common(content, count) if flags & _COMMON else _separate(content, count)
    except (struct.error, ZeroDivisionError):
        return None
    channels = [Channel(*values[at : at + 5]) for at in range(2, len(values), 5)]
    data = GainMapData(channels, values[0], values[1], uses_base=bool(flags & _USES_BASE))
    return data if data.is_valid() else None


def _separate(content: bytes, count: int) -> list[Fraction]:
    """Read fractions, each with its own denominator. Only the minima, maxima and offsets have a sign."""
    numbers = struct.unpack_from(">4I" + "iIiIIIiIiI" * count, content, 5)
    return [Fraction(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), 2)]


def _common(content: bytes, count: int) -> list[Fraction]:
    """Read fractions whose denominator stands before them."""
    denominator, *numbers = struct.unpack_from(">I2I" + "iiIii" * count, content, 5)
    return [Fraction(number, denominator) for number in numbers]


def from_xmp(text: bytes) -> GainMapData | None:
    """Read *text*, the XMP in the map's own JPEG. None if it is not about a gain map, or not valid."""
    try:
        found = xmp.gain_map_properties(text)
        if found.get("Version") != ["1.0"] or found.get("BaseRenditionIsHDR", ["False"])[0].lower() != "false":
            return None
        names = ("GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR")
        defaults = ("0", "", "1", "0.015625", "0.015625")
        lists = [found.get(name, [default]) for name, default in zip(names, defaults, strict=True)]
        count = max(map(len, lists))
        if count not in (1, 3) or any(len(values) not in (1, count) for values in lists):
            return None
        wide = [values * count if len(values) == 1 else values for values in lists]
        channels = [Channel(*map(_decimal, values)) for values in zip(*wide, strict=True)]
        least, most = found.get("HDRCapacityMin", ["0"]), found["HDRCapacityMax"]
        data = GainMapData(channels, _decimal(least[0]), _decimal(most[0]))
    except (KeyError, ValueError, OverflowError):
        return None
    return data if data.is_valid() else None


def _decimal(text: str) -> Fraction:
    """Raises ValueError or OverflowError if *text* is not a finite number."""
    if len(text) > 40:
        raise ValueError("a number that is too long")
    return Fraction(float(text)).limit_denominator(_PRECISION)


def to_iso(data: GainMapData) -> bytes:
    """Return the content of the segment of the map, without `ISO_PREFIX`."""
    flags = (_MULTICHANNEL if len(data.channels) == 3 else 0) | (_USES_BASE if data.uses_base else 0)
    values = [data.base_headroom, data.alternate_headroom]
    written = [struct.pack(">II", *_in_32_bits(value)) for value in values]
    for channel in data.channels:
        written += [
            struct.pack(">II" if index == 2 else ">iI", *_in_32_bits(value)) for index, value in enumerate(channel)
        ]
    return ISO_VERSION + bytes([flags]) + b"".join(written)


def _in_32_bits(value: Fraction) -> tuple[int, int]:
    near = value
    if max(abs(value.numerator), value.denominator) > _MOST:
        near = value.limit_denominator(_MOST // (_MOST_STOPS + 1))
    return near.numerator, near.denominator


def to_xmp(data: GainMapData) -> str:
    """Return the XMP of the map."""
    names = ("GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR")
    attributes = [
        'hdrgm:Version="1.0"',
        f'hdrgm:HDRCapacityMin="{_text(data.base_headroom)}"',
        f'hdrgm:HDRCapacityMax="{_text(data.alternate_headroom)}"',
        'hdrgm:BaseRenditionIsHDR="False"',
    ]
    elements = []
    for index, name in enumerate(names):
        values = [_text(channel[index]) for channel in data.channels]
        if len(values) == 1:
            attributes.append(f'hdrgm:{name}="{values[0]}"')
        else:
            items = "".join(f"<rdf:li>{value}</rdf:li>" for value in values)
            elements.append(f"<hdrgm:{name}><rdf:Seq>{items}</rdf:Seq></hdrgm:{name}>")
    return xmp.packet(xmp.description({"hdrgm": xmp.HDRGM}, attributes, elements))


def _text(value: Fraction) -> str:
    return f"{float(value):.9g}"
