"""What can be asked of a rendition? Each option, declared once.

An option's line holds its short name in URLs, how its text is read, and how a value is written; the helpers'
keywords, the cache key and the README's table all follow from it. Reading checks values, writing does not:
a template may build a URL of anything, and only serving it says no. This module does no I/O.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from . import formats, transforms
from .errors import InvalidOption
from .formats import Format
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


COMPASS = tuple(gravity.value for gravity in Gravity if not gravity.smart)
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


class Option(NamedTuple):
    """What is declared of one option. *example* is what a template may write."""

    short: str
    read: Callable[[str, str], Any]
    write: Callable[[object], str | None]
    doc: str
    values: str
    keyed: bool  # whether it is part of what a rendition is, and so of its key
    example: str


T = TypeVar("T")


def option(
    default: T,
    short: str,
    read: Callable[[str, str], Any],
    doc: str,
    *,
    values: str,
    write: Callable[[object], str | None] = write_text,
    keyed: bool = True,
    example: str = "",
) -> T:
    declared: T = field(default=default, metadata={"option": Option(short, read, write, doc, values, keyed, example)})
    return declared


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a rendition, checked. The fields are the keywords of the helpers."""

    width: int | None = option(
        None,
        "w",
        read_side,
        "Width in pixels.",
        values="1 and up",
        example="width=200",
    )
    height: int | None = option(
        None,
        "h",
        read_side,
        "Height in pixels.",
        values="1 and up",
        example="height=120",
    )
    mode: Mode = option(
        Mode.RESHAPE,
        "m",
        read_mode,
        "What to do when the box has another shape than the picture.",
        values="`fit`, `crop`, `pad`, `reshape`",
        example="width=120, height=120, mode='pad'",
    )
    enlarge: bool = option(
        False,
        "e",
        read_flag,
        "Scale beyond the source's own size.",
        values="true, false",
        write=write_flag,
        example="width=900, enlarge=True",
    )
    format: Format | None = option(
        None,
        "f",
        read_format,
        "Output format; without it, the one that the path's extension names, else JPEG. `auto`: the best of "
        "`IMAGES_FORMATS` that the browser reads.",
        values=", ".join(f"`{format.name}`" for format in (*formats.FORMATS, formats.AUTO)),
        keyed=False,  # what was chosen is in the key, not what was asked for
        example="format='webp'",
    )
    quality: int = option(
        75,
        "q",
        read_quality,
        "Encoder quality, for formats that have one; without it, that of `IMAGES_QUALITY`.",
        values="1 to 100",
        example="quality=40",
    )
    max_bytes: int | None = option(
        None,
        "mb",
        read_count,
        "Largest file, in bytes: the quality is lowered, to 20 at the least, until it fits.",
        values="1 and up",
        example="max_bytes=20_000",
    )
    background: Colour = option(
        (0, 0, 0, 255),
        "b",
        read_colour,
        "Colour of the canvas of `pad`, and behind transparency where the format has none.",
        values="a colour of PIL, or `transparent`",
        write=write_colour,
        example="width=120, height=120, mode='pad', background='#fa0'",
    )
    sharpen: Sharpen | None = option(
        None,
        "usm",
        read_sharpen,
        "Unsharp mask, after scaling: radius in pixels, percent, threshold.",
        values="such as `0.3,250,2`",
        example="sharpen='2,150,3'",
    )
    transform: Transform | None = option(
        None,
        "x",
        read_transform,
        "PIL transform, before scaling: kind, output size, coefficients.",
        values="`EXTENT`, `AFFINE`, `QUAD`, `PERSPECTIVE`",
        write=write_transform,
        example="transform='EXTENT,0,0,10%,10%,90%,90%'",
    )
    animated: bool = option(
        True,
        "an",
        read_flag,
        "False takes the first frame of an animation; otherwise GIF and WebP stay animated in GIF and WebP.",
        values="true, false",
        write=write_off,
        example="animated=False",
    )
    progressive: bool = option(
        False,
        "pr",
        read_flag,
        "Shows the whole picture coarsely while it loads: progressive JPEG, interlaced PNG.",
        values="true, false",
        write=write_flag,
        example="progressive=True",
    )
    lossless: bool = option(
        False,
        "ll",
        read_flag,
        "Encodes WebP and AVIF without loss; other formats do not look at it.",
        values="true, false",
        write=write_flag,
        example="lossless=True, format='webp'",
    )
    keep: Keep = option(
        Keep(),
        "k",
        read_keep,
        "What stays of the metadata: `copyright` is EXIF's Artist and Copyright; with `icc`, a picture with an RGB "
        "profile keeps it, and is not converted to sRGB. Not in GIF, BMP and ICO.",
        values="`copyright`, `icc`, `copyright,icc`",
        example="keep='copyright,icc'",
    )
    download: str | None = option(
        None,
        "d",
        read_name,
        "Sent to be saved instead of shown, under the source's name or another.",
        values="true, or a file name",
        write=write_download,
        keyed=False,
        example="download='cat.jpg'",
    )
    cache: bool = option(
        True,
        "c",
        read_flag,
        "False renders at every request and lets nobody store the answer.",
        values="true, false",
        write=write_off,
        keyed=False,
        example="cache=False",
    )

    expires: int | None = option(
        None,
        "exp",
        read_time,
        "When the URL stops working.",
        values="a datetime, a timedelta from now, or seconds since 1970",
        write=write_time,
        example="expires=1_900_000_000",
        keyed=False,
    )
    gravity: Gravity = option(
        Gravity.CENTER,
        "g",
        read_gravity,
        "What `crop` keeps, and where on its canvas `pad` lays the picture. `attention` and `entropy` look at the "
        "pixels, for `crop` alone, and by libvips alone.",
        values="`center`, `north`, `northeast` or `ne`, …, `attention`, `entropy`",
        example="width=150, height=150, mode='crop', gravity='west'",
    )
    focal: Focal | None = option(
        None,
        "fp",
        read_focal,
        "The point of the upright source that `crop` keeps in the middle, as far as it can. Wins over `gravity`.",
        values="x, y: 0 to 1",
        example="width=150, height=150, mode='crop', focal=(0.7, 0.4)",
    )
    region: Region | None = option(
        None,
        "rg",
        read_region,
        "Only this box of the source, cut out after turning and before all else. A box that is not inside answers 400.",
        values="left, top, width, height: each 0 to 1 for parts of the sides, else pixels",
        example="region=(0.25, 0, 0.5, 1)",
    )
    aspect: Fraction | None = option(
        None,
        "ar",
        read_aspect,
        "The box's shape, in place of one side; without any side, the largest such box in the picture. Best with "
        "`crop`: `reshape` takes the box as it is.",
        values="1:1000 to 1000:1, such as `16:9` or `1.5`",
        example="width=200, aspect='16:9', mode='crop'",
    )
    dpr: float = option(
        1.0,
        "dpr",
        read_dpr,
        "Multiplies width, height, padding, border, radius and the watermark's margin.",
        values="1 to 4",
        example="width=100, dpr=2",
    )
    rotate: int = option(
        0,
        "rot",
        read_rotate,
        "Turned clockwise, in degrees, once upright and before all else.",
        values="0, 90, 180, 270",
        example="rotate=90",
    )
    flip: Flip | None = option(
        None,
        "fl",
        read_flip,
        "Mirrored, after `rotate`.",
        values="`horizontal`, `vertical`, `both`",
        example="flip='horizontal'",
    )
    trim: int | None = option(
        None,
        "tr",
        read_trim,
        "Cuts away the border that is no more than this threshold off the colour of the left top pixel.",
        values="1 to 255, or true for 10",
        write=write_trim,
        example="trim=True",
    )
    grayscale: bool = option(
        False,
        "gs",
        read_flag,
        "Without colours, as in CSS.",
        values="true, false",
        write=write_flag,
        example="grayscale=True",
    )
    brightness: float = option(
        1.0, "br", read_factor, "Each value times this factor, as in CSS.", values="0 to 10", example="brightness=1.3"
    )
    contrast: float = option(
        1.0,
        "co",
        read_factor,
        "Each value's distance from the middle grey times this factor, as in CSS.",
        values="0 to 10",
        example="contrast=1.5",
    )
    saturation: float = option(
        1.0,
        "sa",
        read_factor,
        "Each value's distance from the pixel's own grey times this factor, as in CSS.",
        values="0 to 10",
        example="saturation=2",
    )
    blur: float = option(
        0.0,
        "bl",
        read_blur,
        "Gaussian blur of this sigma, in pixels of the result.",
        values="0.3 to 100",
        example="blur=4",
    )
    watermark: Watermark | None = option(
        None,
        "wm",
        read_watermark,
        "Another source of `IMAGES_PATH` laid over the picture: its name, place, margin in pixels, opacity, and the "
        "most that it takes of the width.",
        values="name (no comma), place, 0 to 10000, 0.01 to 1, 0.01 to 1; the last four may be left out",
        example="watermark='photos/cup.png,se'",
    )
    padding: Edges = option(
        Edges(0, 0, 0, 0),
        "pd",
        read_padding,
        "Pixels of the background added around the picture.",
        values="0 to 10000: one value, or top, right, bottom, left",
        example="padding=(8, 24, 8, 24), background='#cfdcd8'",
    )
    border: Border | None = option(
        None,
        "bo",
        read_border,
        "A frame added around that.",
        values="width (0 to 10000), colour",
        write=write_border,
        example="border=(6, '#b5651d')",
    )
    radius: int = option(
        0,
        "ra",
        read_radius,
        "Rounds the corners of all that, the frame's too; they are clear, or of the background where the format has no "
        "transparency.",
        values="0 to 10000 pixels, or `max` for a circle or a pill",
        example="width=150, height=150, mode='crop', radius='max', background='white'",
    )

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Options:
        """Read the options of a URL from its *query*, short names to texts. Unknown names are passed over.

        An empty text means that the option was not given, but for flags, where it means no.

        Raises:
            InvalidOption: a value that cannot be rendered.
        """
        options = cls(
            **{
                name: declared.read(name, text)
                for name, declared in DECLARED.items()
                if (text := query.get(declared.short)) is not None and (text or declared.read is read_flag)
            }
        )
        if options.aspect and options.width and options.height:
            raise InvalidOption(
                "aspect", query[DECLARED["aspect"].short], expected="width or height beside it, not both"
            )
        return options

    def settled(self) -> Options:
        """The same wish in fewer words, so that two ways to say it are one rendition.

        ``dpr`` is worked into the pixels, ``aspect`` into the second side where there is one. Mirroring is across, or
        none; no colours are a saturation of 0; what has no effect, such as a gravity where nothing is cropped, is gone.
        """
        settled: dict[str, Any] = {}
        if self.dpr != 1:
            settled.update(
                dpr=1.0,
                width=_times(self.width, self.dpr),
                height=_times(self.height, self.dpr),
                padding=Edges(*(_times(edge, self.dpr) for edge in self.padding)),
                border=self.border and self.border._replace(width=_times(self.border.width, self.dpr)),
                radius=min(_times(self.radius, self.dpr), ROUND),
                watermark=self.watermark and self.watermark._replace(margin=_times(self.watermark.margin, self.dpr)),
            )
        width, height = settled.get("width", self.width), settled.get("height", self.height)
        if self.aspect and width:
            settled.update(aspect=None, height=height or max(1, int(width / self.aspect)))
        elif self.aspect and height:
            settled.update(aspect=None, width=max(1, int(height * self.aspect)))
        if self.flip and self.flip is not Flip.HORIZONTAL:
            settled["rotate"] = (self.rotate + 180) % 360
            settled["flip"] = Flip.HORIZONTAL if self.flip is Flip.VERTICAL else None
        if self.grayscale:
            settled.update(grayscale=False, saturation=0.0)
        cropped = self.mode is Mode.CROP
        if self.gravity is not Gravity.CENTER and (
            (cropped and self.focal) or not (cropped or (self.mode is Mode.PAD and not self.gravity.smart))
        ):
            settled["gravity"] = Gravity.CENTER
        if self.focal and not cropped:
            settled["focal"] = None
        return replace(self, **settled) if settled else self

    def canonical(self) -> str:
        """One text for all spellings of one wish: what `Rendition.key` is made of."""
        settled = self.settled()
        return "&".join(
            f"{declared.short}={value}"
            for name, declared in DECLARED.items()
            if declared.keyed and (value := getattr(settled, name)) != DEFAULTS[name]
        )


DECLARED: dict[str, Option] = {item.name: item.metadata["option"] for item in fields(Options)}
DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(Options)}


def write_query(keywords: Mapping[str, object]) -> dict[str, str]:
    """The query of a URL, short names to texts, for the *keywords* that a template gave.

    Values are not checked. None, and names that begin with ``_``, are left out; an unknown name stays as it is.
    """
    query: dict[str, str] = {}
    for name, value in keywords.items():
        if value is None or name.startswith("_"):
            continue
        declared = DECLARED.get(name)
        text = declared.write(value) if declared else write_text(value)
        if text is not None:
            query[declared.short if declared else name] = text
    return query


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


def _times(pixels: int | None, factor: float) -> Any:
    """Rounded down, but not for what a binary fraction lacks: 100 times 1.15 is 115."""
    return None if pixels is None else int(round(pixels * factor, 6))


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
