"""What may an option's value be? The types of values, how each is read from a URL's text, and how it is written.

Reading checks values, writing does not: a template may build a URL of anything, and only serving it says no. This
module does no I/O.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple
from urllib.parse import quote

from .. import formats
from ..errors import InvalidOption
from ..formats import Format
from . import transforms
from .transforms import Transform

_INTEGER = re.compile(r"(\d{1,10})(?:\.0*)?\Z", re.ASCII)
_FLOAT = re.compile(r"(?:\d{1,10}\.?\d*|\.\d+)\Z", re.ASCII)
_FALSE = frozenset({"", "0", "false", "no"})
_MOST_PIXELS = 10_000
_WORDS_OF_TRIM = {"true": 10, "yes": 10, "false": 0, "no": 0}

Colour = tuple[int, int, int, int]


class Mode(StrEnum):
    """What to do when the box asked for has another shape than the picture."""

    RESHAPE = "reshape"
    """Take the size as it is, and let the picture's shape change."""
    FIT = "fit"
    """Keep the shape, inside the box."""
    CROP = "crop"
    """Keep the shape, fill the box, cut off what stands out."""
    PAD = "pad"
    """Keep the shape, inside the box, on a canvas of the box's size."""


MODES = tuple(mode.value for mode in Mode)


class Sharpen(NamedTuple):
    """An unsharp mask: *radius* in pixels, *percent* of the difference, from a *threshold* of 0-255 on."""

    radius: float
    percent: int
    threshold: int

    def __str__(self) -> str:
        return f"{self.radius!r},{self.percent},{self.threshold}"


class Keep(NamedTuple):
    """What of a source's metadata goes into its renditions: who made it and whose it is, its ICC profile."""

    copyright: bool = False
    icc: bool = False

    def __str__(self) -> str:
        return ",".join(name for name, kept in self._asdict().items() if kept)


class Gravity(StrEnum):
    """Where in the picture the subject is, and so what `crop` keeps; where on its canvas `pad` lays the picture."""

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
    """What the eye goes to: edges, skin, strong colours."""
    ENTROPY = "entropy"
    """The part with the most detail."""

    @property
    def smart(self) -> bool:
        """Whether it is known only by looking at the pixels."""
        return self in (Gravity.ATTENTION, Gravity.ENTROPY)

    @property
    def shares(self) -> tuple[float, float]:
        """The part of the free room, across and down, that lies before the picture: 0, 0.5 or 1."""
        return (
            0.0 if "west" in self else 1.0 if "east" in self else 0.5,
            0.0 if "north" in self else 1.0 if "south" in self else 0.5,
        )


DIRECTIONS = tuple(gravity.value for gravity in Gravity if not gravity.smart)
_GRAVITIES = {
    **{gravity.value: gravity for gravity in Gravity},
    "c": Gravity.CENTER,
    "centre": Gravity.CENTER,
    **dict(zip(("n", "ne", "e", "se", "s", "sw", "w", "nw"), list(Gravity)[1:9], strict=True)),
}


class Flip(StrEnum):
    """Which way a picture is mirrored."""

    HORIZONTAL = "horizontal"
    """Left becomes right."""
    VERTICAL = "vertical"
    """Top becomes bottom."""
    BOTH = "both"


class Focal(NamedTuple):
    """A point of the upright source, as parts of its width and height."""

    x: float
    y: float

    def __str__(self) -> str:
        return _joined(self)


class Region(NamedTuple):
    """A box of the upright source: as parts of its sides where no value is over 1, else in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def fractions(self) -> bool:
        return max(self) <= 1

    def __str__(self) -> str:
        return _joined(self)


class Edges(NamedTuple):
    """Pixels at each side of a picture."""

    top: int
    right: int
    bottom: int
    left: int

    def __str__(self) -> str:
        return _joined(self)


class Border(NamedTuple):
    """A frame: its *width* in pixels, and its colour."""

    width: int
    colour: Colour

    def __str__(self) -> str:
        return f"{self.width},{_joined(self.colour)}"


class Watermark(NamedTuple):
    """Another source that is laid over a picture.

    *ref* names it, *margin* is in pixels, *opacity* and *share*, the most that it takes of the picture's width, are
    parts of 1.
    """

    ref: str
    place: Gravity = Gravity.SOUTHEAST
    margin: int = 10
    opacity: float = 1.0
    share: float = 0.25

    def __str__(self) -> str:
        return f"{quote(self.ref)},{self.place},{self.margin},{self.opacity!r},{self.share!r}"


ROUND = 1_000_000
"""The radius that is called ``max``: larger than that of any picture."""


# How the text of an option in a URL is read. Each takes the option's name, for its error, and the text.


def read_side(name: str, text: str) -> int | None:
    value = _integer(name, text, expected="whole pixels, at least 1")
    return value or None


def read_quality(name: str, text: str) -> int:
    value = _integer(name, text, expected="1 to 100")
    if value == 0:
        raise InvalidOption(name, text, expected="1 to 100")
    return min(value, 100)


def read_count(name: str, text: str) -> int:
    expected = "a whole number, at least 1"
    value = _integer(name, text, expected=expected)
    if value == 0:
        raise InvalidOption(name, text, expected=expected)
    return value


def read_time(name: str, text: str) -> int:
    return _integer(name, text, expected="whole seconds since 1970")


def read_mode(name: str, text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise InvalidOption(name, text, expected="one of " + ", ".join(MODES)) from None


def read_colour(name: str, text: str) -> Colour:
    if text.lower() == "transparent":
        return (0, 0, 0, 0)
    from PIL import ImageColor  # noqa: PLC0415  (all of Pillow, which a process without a colour in a URL may not need)

    try:
        red, green, blue, alpha = (min(max(band, 0), 255) for band in (*ImageColor.getrgb(text), 255)[:4])
    except ValueError:
        expected = "a colour such as black, #f80, rgb(1,2,3) or transparent"
        raise InvalidOption(name, text, expected=expected) from None
    return (red, green, blue, alpha)


def read_flag(name: str, text: str) -> bool:
    return text.lower() not in _FALSE


def read_sharpen(name: str, text: str) -> Sharpen:
    expected = "radius (0-100 pixels), percent (0-10000), threshold (0-255), such as 0.3,250,2"
    values = re.split(r"[+:;,_/ ]", text)
    if len(values) != 3 or not _FLOAT.match(values[0]):
        raise InvalidOption(name, text, expected=expected)
    percent, threshold = (_integer(name, value, expected=expected) for value in values[1:])
    sharpen = Sharpen(float(values[0]), percent, threshold)
    if sharpen.radius > 100 or percent > 10_000 or threshold > 255:
        raise InvalidOption(name, text, expected=expected)
    return sharpen


def read_keep(name: str, text: str) -> Keep:
    names = re.split(r"[+:;,_/ ]", text)
    if not {*names} <= {*Keep._fields}:
        raise InvalidOption(name, text, expected=f"{' or '.join(Keep._fields)}, or both with a comma between")
    return Keep(**dict.fromkeys(names, True))


def read_format(name: str, text: str) -> Format:
    return formats.AUTO if text.lower() == formats.AUTO.name else formats.by_name(text)


def read_transform(name: str, text: str) -> Transform:
    return Transform.parse(text)


def read_name(name: str, text: str) -> str:
    if len(text) > 150 or not text.isprintable():
        raise InvalidOption(name, text, expected="a file name of at most 150 printable characters")
    return text


def read_gravity(name: str, text: str) -> Gravity:
    try:
        return _GRAVITIES[text.lower()]
    except KeyError:
        raise InvalidOption(name, text, expected="one of " + ", ".join(Gravity)) from None


def read_focal(name: str, text: str) -> Focal:
    x, y = _numbers(name, text, 2, expected="two parts of 1, such as 0.3,0.5", most=1)
    return Focal(x, y)


def read_region(name: str, text: str) -> Region:
    expected = "left, top, width, height: parts of 1 such as 0.1,0,0.5,0.5, or whole pixels such as 40,0,200,100"
    region = Region(*_numbers(name, text, 4, expected=expected))
    inside = round(region.left + region.width, 9) <= 1 and round(region.top + region.height, 9) <= 1
    possible = inside if region.fractions else all(value.is_integer() for value in region)
    if not (region.width and region.height and possible):
        raise InvalidOption(name, text, expected=expected)
    return region


def read_aspect(name: str, text: str) -> Fraction:
    expected = "width:height, such as 16:9 or 1.5, between 1:1000 and 1000:1"
    sides = re.split(r"[:/x, ]", text)
    if len(sides) > 2 or not all(_FLOAT.match(side) and float(side) for side in sides):
        raise InvalidOption(name, text, expected=expected)
    aspect = Fraction(sides[0]) / (Fraction(sides[1]) if len(sides) == 2 else 1)
    if not Fraction(1, 1000) <= aspect <= 1000:
        raise InvalidOption(name, text, expected=expected)
    return aspect


def read_dpr(name: str, text: str) -> float:
    return _number(name, text, 1, 4)


def read_rotate(name: str, text: str) -> int:
    angle = _integer(name, text, expected="0, 90, 180 or 270")
    if angle not in (0, 90, 180, 270):
        raise InvalidOption(name, text, expected="0, 90, 180 or 270")
    return angle


def read_flip(name: str, text: str) -> Flip:
    short = {"h": Flip.HORIZONTAL, "v": Flip.VERTICAL, "hv": Flip.BOTH}
    try:
        return short.get(text.lower()) or Flip(text.lower())
    except ValueError:
        raise InvalidOption(name, text, expected="one of " + ", ".join(Flip)) from None


def read_blur(name: str, text: str) -> float:
    expected = "0, or 0.3 to 100"
    sigma = _number(name, text, 0, 100, expected=expected)
    if 0 < sigma < 0.3:
        raise InvalidOption(name, text, expected=expected)
    return sigma


def read_factor(name: str, text: str) -> float:
    return _number(name, text, 0, 10)


def read_trim(name: str, text: str) -> int | None:
    expected = "a threshold of 1 to 255, or true"
    threshold = _WORDS_OF_TRIM.get(text.lower())
    if threshold is None:
        threshold = _integer(name, text, expected=expected)
    if threshold > 255:
        raise InvalidOption(name, text, expected=expected)
    return threshold or None


def read_padding(name: str, text: str) -> Edges:
    expected = "pixels (0 to 10000): one value, or top,right,bottom,left"
    values = [_pixels(name, value, text, expected=expected) for value in re.split(r"[, ]", text)]
    if len(values) not in (1, 4):
        raise InvalidOption(name, text, expected=expected)
    return Edges(*(values * 4)[:4])


def read_border(name: str, text: str) -> Border | None:
    expected = "width (0 to 10000 pixels) and colour, such as 2,white"
    width, _, colour = text.partition(",")
    try:
        border = Border(_pixels(name, width, text, expected=expected), read_colour(name, colour or "black"))
    except InvalidOption:
        raise InvalidOption(name, text, expected=expected) from None
    return border if border.width else None


def read_radius(name: str, text: str) -> int:
    return ROUND if text.lower() == "max" else _pixels(name, text, text, expected="pixels (0 to 10000), or max")


def read_watermark(name: str, text: str) -> Watermark:
    expected = (
        "a source and, if you like, its place, margin (pixels), opacity and share of the width, such as "
        "logo.png,se,10,0.5,0.25; no comma in its name"
    )
    ref, *values = text.split(",")
    if not ref or len(values) > 4 or len(ref) > 1000:
        raise InvalidOption(name, text, expected=expected)
    readers: tuple[Callable[[str, str], Any], ...] = (read_gravity, _read_margin, _read_part, _read_part)
    try:
        mark = Watermark(ref, *(read(name, value) for read, value in zip(readers, values, strict=False)))
    except InvalidOption:
        raise InvalidOption(name, text, expected=expected) from None
    if mark.place.smart:
        raise InvalidOption(name, text, expected=expected)
    return mark


def _read_margin(name: str, text: str) -> int:
    return _pixels(name, text, text, expected="pixels")


def _read_part(name: str, text: str) -> float:
    return _number(name, text, 0.01, 1)


# How a value that a template gave is written into a URL. None leaves the option out.


def write_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        return ",".join(map(str, value))
    return str(value)


def write_colour(value: object) -> str | None:
    """A tuple of 3 or 4 bands is written as a hexadecimal colour."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "#" + "".join(f"{band:02x}" for band in value)
    return str(value)


def write_flag(value: object) -> str | None:
    return "1" if value else None


def write_off(value: object) -> str | None:
    """Only a false value is written, and as an empty text."""
    return None if value else ""


def write_download(value: object) -> str | None:
    """True is written as 1, which stands for the source's own name."""
    return "1" if value is True else str(value) if value else None


def write_time(value: object) -> str | None:
    """A datetime, or a timedelta from now, is written in seconds since 1970. One without a zone is of local time."""
    if isinstance(value, timedelta):
        value = time.time() + value.total_seconds()
    elif isinstance(value, datetime):
        value = value.timestamp()
    return str(int(value)) if isinstance(value, float) else str(value)


def write_transform(value: object) -> str | None:
    return transforms.write(value) if value else None


def write_trim(value: object) -> str | None:
    """True stands for a threshold that forgives what JPEG does to a plain border."""
    return ("true" if value else None) if isinstance(value, bool) else str(value)


def write_border(value: object) -> str | None:
    if isinstance(value, Iterable) and not isinstance(value, str):
        width, *colour = value
        return ",".join([str(width), *(str(write_colour(each)) for each in colour)])
    return str(value)


def _integer(name: str, text: str, *, expected: str) -> int:
    match = _INTEGER.match(text)
    if match is None:
        raise InvalidOption(name, text, expected=expected)
    return int(match[1])


def _number(name: str, text: str, least: float, most: float, *, expected: str = "") -> float:
    if not _FLOAT.match(text) or not least <= float(text) <= most:
        raise InvalidOption(name, text, expected=expected or f"a number of {least} to {most}")
    return float(text)


def _numbers(name: str, text: str, count: int, *, expected: str, most: float = 1e6) -> list[float]:
    values = re.split(r"[, ]", text)
    if len(values) != count or not all(_FLOAT.match(value) and float(value) <= most for value in values):
        raise InvalidOption(name, text, expected=expected)
    return [float(value) for value in values]


def _pixels(name: str, value: str, text: str, *, expected: str) -> int:
    """The pixels that *value*, a part of *text*, says."""
    match = _INTEGER.match(value)
    if match is None or int(match[1]) > _MOST_PIXELS:
        raise InvalidOption(name, text, expected=expected)
    return int(match[1])


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
