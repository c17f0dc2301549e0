"""Inspect ICC profiles, without a colour management library.

If a profile is equivalent to sRGB, converting the picture would double the work without changing it.
"""

from __future__ import annotations

import struct

from ..formats import Format
from ..options.options import Options

# The primaries of sRGB, adapted to D50, as every sRGB profile states them (ICC.1:2022, IEC 61966-2-1).
_PRIMARIES = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_TOLERANCE = 0.003
# Points on sRGB's transfer curve: encoded value, linear light.
_CURVE = ((0.25, 0.0509), (0.5, 0.2140), (0.75, 0.5225))
_CURVE_TOLERANCE = 0.01
_MAX_TAGS = 100


def keeps_profile(profile: bytes | None, options: Options, format: Format, *, is_rgb_picture: bool) -> bool:
    """Return whether a rendition keeps the *profile* of its source, and so its colour space."""
    wanted = options.keep.icc and format.profile
    return wanted and is_rgb_picture and profile is not None and is_rgb(profile)


def is_rgb(profile: bytes) -> bool:
    """Return whether *profile* is a well-formed RGB profile that states its three primaries."""
    try:
        return profile[16:20] == b"RGB " and profile[36:40] == b"acsp" and {*_PRIMARIES} <= _tags(profile).keys()
    except (ValueError, struct.error):
        return False


def is_srgb(profile: bytes) -> bool:
    """Return whether *profile* has sRGB's primaries and transfer curve. False if it cannot be parsed."""
    try:
        tags = _tags(profile)
        return (
            profile[16:20] == b"RGB "
            and all(
                abs(stated - expected) <= _TOLERANCE
                for name, primary in _PRIMARIES.items()
                for stated, expected in zip(_xyz(tags[name]), primary, strict=True)
            )
            and all(
                abs(_linear(tags[name], encoded) - light) <= _CURVE_TOLERANCE
                for name in (b"rTRC", b"gTRC", b"bTRC")
                for encoded, light in _CURVE
            )
        )
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error):
        return False


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MAX_TAGS:
        raise ValueError(f"{count} tags in a profile")
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _xyz(tag: bytes) -> tuple[float, float, float]:
    x, y, z = struct.unpack_from(">iii", tag, 8)
    return x / 65536, y / 65536, z / 65536


def _linear(tag: bytes, encoded: float) -> float:
    """Return the linear light (0 to 1) that the curve in *tag* has for an *encoded* value (0 to 1).

    Raises:
        ValueError: If the curve is neither a table nor a formula of the kind that sRGB uses.
    """
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count < 2:
            raise ValueError("a plain gamma is not sRGB's curve")
        return float(struct.unpack_from(">H", tag, 12 + 2 * round(encoded * (count - 1)))[0]) / 65535
    if tag[:4] == b"para" and struct.unpack_from(">H", tag, 8)[0] == 3:
        gamma, a, b, c, d = (value / 65536 for value in struct.unpack_from(">5i", tag, 12))
        return float((a * encoded + b) ** gamma if encoded >= d else c * encoded)
    raise ValueError("neither a table nor sRGB's kind of formula")
