"""What can be asked of a rendition? Each option, declared once.

An option's line holds its short name in URLs, how its text is read, and how a value is written; the helpers'
keywords, the cache key and the README's table all follow from it. Reading checks values, writing does not:
a template may build a URL of anything, and only serving it says no. This module does no I/O.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from PIL import ImageColor

from . import formats, transforms
from .errors import InvalidOption
from .formats import Format
from .transforms import Transform

_INTEGER = re.compile(r"(\d{1,10})(?:\.0*)?\Z", re.ASCII)
_FLOAT = re.compile(r"(?:\d{1,10}\.?\d*|\.\d+)\Z", re.ASCII)
_FALSE = frozenset({"", "0", "false", "no"})

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


def read_format(name: str, text: str) -> Format:
    return formats.AUTO if text.lower() == formats.AUTO.name else formats.by_name(text)


def read_transform(name: str, text: str) -> Transform:
    return Transform.parse(text)


def read_name(name: str, text: str) -> str:
    if len(text) > 150 or not text.isprintable():
        raise InvalidOption(name, text, expected="a file name of at most 150 printable characters")
    return text


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


class Option(NamedTuple):
    """What is declared of one option."""

    short: str
    read: Callable[[str, str], Any]
    write: Callable[[object], str | None]
    doc: str
    values: str
    keyed: bool  # whether it is part of what a rendition is, and so of its key


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
) -> T:
    declared: T = field(default=default, metadata={"option": Option(short, read, write, doc, values, keyed)})
    return declared


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a rendition, checked. The fields are the keywords of the helpers."""

    width: int | None = option(None, "w", read_side, "Width in pixels.", values="1 and up")
    height: int | None = option(None, "h", read_side, "Height in pixels.", values="1 and up")
    mode: Mode = option(
        Mode.RESHAPE,
        "m",
        read_mode,
        "What to do when the box has another shape than the picture.",
        values="`fit`, `crop`, `pad`, `reshape`",
    )
    enlarge: bool = option(
        False, "e", read_flag, "Scale beyond the source's own size.", values="true, false", write=write_flag
    )
    format: Format | None = option(
        None,
        "f",
        read_format,
        "Output format; without it, the one that the path's extension names, else JPEG. `auto`: the best of "
        "`IMAGES_FORMATS` that the browser reads.",
        values=", ".join(f"`{format.name}`" for format in (*formats.FORMATS, formats.AUTO)),
        keyed=False,  # what was chosen is in the key, not what was asked for
    )
    quality: int = option(
        75,
        "q",
        read_quality,
        "Encoder quality, for formats that have one; without it, that of `IMAGES_QUALITY`.",
        values="1 to 100",
    )
    max_bytes: int | None = option(
        None,
        "mb",
        read_count,
        "Largest file, in bytes: the quality is lowered, to 20 at the least, until it fits.",
        values="1 and up",
    )
    background: Colour = option(
        (0, 0, 0, 255),
        "b",
        read_colour,
        "Colour of the canvas of `pad`, and behind transparency where the format has none.",
        values="a colour of PIL, or `transparent`",
        write=write_colour,
    )
    sharpen: Sharpen | None = option(
        None,
        "usm",
        read_sharpen,
        "Unsharp mask, after scaling: radius in pixels, percent, threshold.",
        values="such as `0.3,250,2`",
    )
    transform: Transform | None = option(
        None,
        "x",
        read_transform,
        "PIL transform, before scaling: kind, output size, coefficients.",
        values="`EXTENT`, `AFFINE`, `QUAD`, `PERSPECTIVE`",
        write=write_transform,
    )
    download: str | None = option(
        None,
        "d",
        read_name,
        "Sent to be saved instead of shown, under the source's name or another.",
        values="true, or a file name",
        write=write_download,
        keyed=False,
    )
    cache: bool = option(
        True,
        "c",
        read_flag,
        "False renders at every request and lets nobody store the answer.",
        values="true, false",
        write=write_off,
        keyed=False,
    )
    expires: int | None = option(
        None,
        "exp",
        read_time,
        "When the URL stops working.",
        values="a datetime, a timedelta from now, or seconds since 1970",
        write=write_time,
        keyed=False,
    )

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Options:
        """Read the options of a URL from its *query*, short names to texts. Unknown names are passed over.

        An empty text means that the option was not given, but for flags, where it means no.

        Raises:
            InvalidOption: a value that cannot be rendered.
        """
        return cls(
            **{
                name: declared.read(name, text)
                for name, declared in DECLARED.items()
                if (text := query.get(declared.short)) is not None and (text or declared.read is read_flag)
            }
        )

    def canonical(self) -> str:
        """One text for all spellings of one wish: what `Rendition.key` is made of."""
        return "&".join(
            f"{declared.short}={value}"
            for name, declared in DECLARED.items()
            if declared.keyed and (value := getattr(self, name)) != DEFAULTS[name]
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
