"""Define the options whose value has parts or comes from a list of words.

Each type has ``parse``, which parses a value from a URL and raises `ParseError`, and ``__str__``, which returns the
canonical string for cache keys. It also has ``write`` if it needs more than `parsing.written` to convert a template's
value for a URL. Values are not checked when a URL is built, only when it is requested. This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from .parsing import ParseError, integer, joined, number, numbers, pixels
from .scalars import Number

_DELIMITERS = re.compile(r"[+:;,_/ ]")
_LONGEST_REF = 1000


class Mode(StrEnum):
    """What to do if the requested box has a different shape from the picture."""

    RESHAPE = "reshape"
    """Scale to exactly the box. The picture is distorted."""
    FIT = "fit"
    """Keep the shape and fit inside the box."""
    CROP = "crop"
    """Keep the shape, fill the box and cut off the rest."""
    PAD = "pad"
    """Keep the shape and fit inside the box, on a canvas of the box's size."""

    @classmethod
    def parse(cls, text: str) -> Mode:
        try:
            return cls(text)
        except ValueError:
            raise ParseError("one of " + ", ".join(cls)) from None


MODES = tuple(mode.value for mode in Mode)


class Sharpen(NamedTuple):
    """An unsharp mask. *radius* is in pixels.

    *percent* of a pixel's difference from the blurred picture is added to the pixel, if the difference exceeds
    *threshold* (0 to 255).
    """

    radius: float
    percent: int
    threshold: int

    @classmethod
    def parse(cls, text: str) -> Sharpen:
        expected = "radius (0-100 pixels), percent (0-10000), threshold (0-255), such as 0.3,250,2"
        values = _DELIMITERS.split(text)
        if len(values) != 3:
            raise ParseError(expected)
        return cls(
            number(values[0], most=100, expected=expected),
            integer(values[1], most=10_000, expected=expected),
            integer(values[2], most=255, expected=expected),
        )

    def __str__(self) -> str:
        return f"{self.radius!r},{self.percent},{self.threshold}"


class Keep(NamedTuple):
    """The parts of a source's metadata that its renditions keep.

    They are EXIF's Artist and Copyright, the ICC profile, the gain map of an Ultra HDR JPEG, and everything that says
    who may use the picture.
    """

    copyright: bool = False
    icc: bool = False
    gainmap: bool = False
    rights: bool = False

    @classmethod
    def parse(cls, text: str) -> Keep:
        names = _DELIMITERS.split(text)
        if not {*names} <= {*cls._fields}:
            raise ParseError(f"one or more of {', '.join(cls._fields)}, separated by commas")
        return cls(**dict.fromkeys(names, True))

    def __str__(self) -> str:
        return ",".join(name for name, kept in self._asdict().items() if kept)


class Gravity(StrEnum):
    """The part of the picture that `crop` keeps, or the position of the picture on the canvas of `pad`."""

    CENTER = "center"
    NORTH = "north"
    NORTHEAST = "northeast"
    EAST = "east"
    SOUTHEAST = "southeast"
    SOUTH = "south"
    SOUTHWEST = "southwest"
    WEST = "west"
    NORTHWEST = "northwest"
    ATTENTION = "attention"
    """The part that attracts attention: edges, skin, strong colours."""
    ENTROPY = "entropy"
    """The part with the most detail."""
    FACE = "face"
    """The part with the faces."""

    @classmethod
    def parse(cls, text: str) -> Gravity:
        try:
            return _GRAVITIES[text.lower()]
        except KeyError:
            raise ParseError("one of " + ", ".join(cls)) from None

    @property
    def smart(self) -> bool:
        """Whether the position depends on the pixels."""
        return self.by_libvips or self is Gravity.FACE

    @property
    def by_libvips(self) -> bool:
        """Whether only libvips finds the position."""
        return self in (Gravity.ATTENTION, Gravity.ENTROPY)

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of the free space to the left of the picture and above it: 0, 0.5 or 1."""
        return (
            0.0 if "west" in self else 1.0 if "east" in self else 0.5,
            0.0 if "north" in self else 1.0 if "south" in self else 0.5,
        )


_GRAVITIES = {
    **{gravity.value: gravity for gravity in Gravity},
    "c": Gravity.CENTER,
    "centre": Gravity.CENTER,
    **dict(zip(("n", "ne", "e", "se", "s", "sw", "w", "nw"), list(Gravity)[1:9], strict=True)),
}


class Flip(StrEnum):
    """The direction in which a picture is mirrored."""

    HORIZONTAL = "horizontal"
    """Left becomes right."""
    VERTICAL = "vertical"
    """Top becomes bottom."""
    BOTH = "both"

    @classmethod
    def parse(cls, text: str) -> Flip:
        short = {"h": cls.HORIZONTAL, "v": cls.VERTICAL, "hv": cls.BOTH}
        try:
            return short.get(text.lower()) or cls(text.lower())
        except ValueError:
            raise ParseError("one of " + ", ".join(cls)) from None


class Focal(NamedTuple):
    """A point of the upright source, as fractions of its width and height."""

    x: float
    y: float

    @classmethod
    def parse(cls, text: str) -> Focal:
        return cls(*numbers(text, count=2, most=1, expected="x and y from 0 to 1, such as 0.3,0.5"))

    def __str__(self) -> str:
        return joined(self)


class Region(NamedTuple):
    """A box of the picture after rotate and flip, in fractions of its sides if no value is over 1, else in pixels."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def parse(cls, text: str) -> Region:
        expected = "left, top, width, height: fractions such as 0.1,0,0.5,0.5, or whole pixels such as 40,0,200,100"
        region = cls(*numbers(text, count=4, most=1e6, expected=expected))
        inside = round(region.left + region.width, 9) <= 1 and round(region.top + region.height, 9) <= 1
        possible = inside if region.fractions else all(value.is_integer() for value in region)
        if not (region.width and region.height and possible):
            raise ParseError(expected)
        return region

    @property
    def fractions(self) -> bool:
        return max(self) <= 1

    def __str__(self) -> str:
        return joined(self)


class Edges(NamedTuple):
    """Pixels at each side of a picture."""

    top: int
    right: int
    bottom: int
    left: int

    @classmethod
    def parse(cls, text: str) -> Edges:
        expected = "pixels (0 to 10000): one value, or top,right,bottom,left"
        parts = re.split(r"[, ]", text)
        if len(parts) not in (1, 4):
            raise ParseError(expected)
        values = [pixels(part, expected=expected) for part in parts]
        return cls(*(values * 4)[:4])

    def __str__(self) -> str:
        return joined(self)


class Colour(NamedTuple):
    """An sRGB colour, each band from 0 to 255. An *alpha* of 255 is opaque."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    @classmethod
    def parse(cls, text: str) -> Colour:
        """Accept any colour that Pillow supports, and ``transparent``. Bands outside 0 to 255 are clamped."""
        if text.lower() == "transparent":
            return cls(0, 0, 0, 0)
        from PIL import ImageColor  # noqa: PLC0415  (imports all of Pillow, which few processes need)

        try:
            return cls(*(min(max(band, 0), 255) for band in ImageColor.getrgb(text)))
        except ValueError:
            raise ParseError("a colour such as black, #f80, rgb(1,2,3) or transparent") from None

    @staticmethod
    def write(value: object) -> str:
        """Also accept a sequence of 3 or 4 bands, which is written as a hexadecimal colour."""
        if isinstance(value, Iterable) and not isinstance(value, str):
            return "#" + "".join(f"{band:02x}" for band in value)
        return str(value)

    def __str__(self) -> str:
        return str(tuple(self))


class Border(NamedTuple):
    """A frame. *width* is in pixels."""

    width: int
    colour: Colour

    @classmethod
    def parse(cls, text: str) -> Border | None:
        """Accept a width without a colour, which means black. Return None for a width of 0."""
        width, _, colour = text.partition(",")
        expected = "width (0 to 10000 pixels) and colour, such as 2,white"
        try:
            border = cls(pixels(width, expected=expected), Colour.parse(colour or "black"))
        except ParseError:
            raise ParseError(expected) from None
        return border if border.width else None

    @staticmethod
    def write(value: object) -> str:
        """Also accept a sequence of width and colour. The colour may be a sequence of bands."""
        if isinstance(value, Iterable) and not isinstance(value, str):
            width, *colour = value
            return joined([width, *map(Colour.write, colour)])
        return str(value)

    def __str__(self) -> str:
        return f"{self.width},{joined(self.colour)}"


class Watermark(NamedTuple):
    """Another source that is laid over a picture.

    *ref* is the path of that source. *margin* is in pixels, *opacity* is from 0 to 1, and *share* is the maximum width
    of the watermark as a fraction of the picture's width.
    """

    ref: str
    place: Gravity = Gravity.SOUTHEAST
    margin: int = 10
    opacity: float = 1.0
    share: float = 0.25

    @classmethod
    def parse(cls, text: str) -> Watermark:
        expected = (
            "a source without a comma in its path, and optionally position, margin (pixels), opacity and share of the "
            "width, such as logo.png,se,10,0.5,0.25"
        )
        part, margin = Number(0.01, 1).parse, partial(pixels, expected=expected)
        parsers: tuple[Callable[[str], Any], ...] = (Gravity.parse, margin, part, part)
        ref, *values = text.split(",")
        if not ref or len(values) > 4 or len(ref) > _LONGEST_REF:
            raise ParseError(expected)
        try:
            mark = cls(ref, *(parse(value) for parse, value in zip(parsers, values, strict=False)))
        except ParseError:
            raise ParseError(expected) from None
        if mark.place.smart:
            raise ParseError(expected)
        return mark

    def __str__(self) -> str:
        return f"{quote(self.ref)},{self.place},{self.margin},{self.opacity!r},{self.share!r}"
