"""Define the options whose value is one number, flag, name or time.

Each type has ``parse``, which parses a value from a URL and raises `ParseError`. It also has ``write`` if it needs more
than `parsing.written` to convert a template's value for a URL. This module does no I/O.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from ..formats import USUAL_QUALITY, Auto, Raw
from .parsing import ParseError, integer, number, pixels, written

_FALSE = frozenset({"", "0", "false", "no"})
_THRESHOLDS = {"true": 10, "yes": 10, "false": 0, "no": 0}
_LONGEST_NAME = 150
_RECORD = re.compile(r"[0-9a-f]{12}")

ROUND = 1_000_000
"""The radius for ``max``, which is larger than half the side of any picture."""


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false. The *default* is not written into URLs."""

    default: bool = False

    def parse(self, text: str) -> bool:
        return text.lower() not in _FALSE

    def write(self, value: object) -> str | None:
        if bool(value) is self.default:
            return None
        return "1" if value else ""


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from *least* to *most*."""

    least: int
    most: int | None = None

    def parse(self, text: str) -> int:
        limits = f"from {self.least} to {self.most}" if self.most else f"of at least {self.least}"
        return integer(text, least=self.least, most=self.most, expected=f"a whole number {limits}")


class Quality:
    """A quality from 1 to 100, on the scale of JPEG; larger numbers are 100. ``raw40`` is the encoder's own 40.

    ``auto`` is the lowest that looks good enough.
    """

    @staticmethod
    def parse(text: str) -> int | Raw:
        if text == "auto":
            return Auto(USUAL_QUALITY)
        own = text.removeprefix("raw")
        expected = "a whole number from 1 to 100, one after raw, such as raw40, or auto"
        value = min(integer(own, least=1, expected=expected), 100)
        return value if own == text else Raw(value)


class Depth:
    """The bits of each band of a pixel: 8, 10 or 12."""

    @staticmethod
    def parse(text: str) -> int:
        expected = "8, 10 or 12"
        depth = integer(text, expected=expected)
        if depth not in (8, 10, 12):
            raise ParseError(expected)
        return depth


@dataclass(frozen=True, slots=True)
class Number:
    """A number from *least* to *most*, or 0 if *or_zero*."""

    least: float
    most: float
    or_zero: bool = False

    def parse(self, text: str) -> float:
        limits = f"a number from {self.least} to {self.most}"
        expected = f"0, or {limits}" if self.or_zero else limits
        value = number(text, most=self.most, expected=expected)
        if value < self.least and not (self.or_zero and value == 0):
            raise ParseError(expected)
        return value


class Side:
    """A width or height in pixels. 0 means that it is not given, as in Flask-Images."""

    @staticmethod
    def parse(text: str) -> int | None:
        return integer(text, expected="a whole number of pixels, such as 400") or None

    @staticmethod
    def write(value: object) -> str:
        """Convert *value* to a string. Of a number that is not whole, the fraction is cut off: 133.3 gives 133."""
        if isinstance(value, (float, Decimal)) and value > 0 and value % 1:
            value = max(1, int(value))
        return written(value)


class Rotation:
    """A multiple of 90 degrees."""

    @staticmethod
    def parse(text: str) -> int:
        expected = "0, 90, 180 or 270"
        angle = integer(text, expected=expected)
        if angle not in (0, 90, 180, 270):
            raise ParseError(expected)
        return angle


class Threshold:
    """The maximum difference between the colours of a border and the top left pixel. None means no trimming.

    True means 10, which tolerates the noise that JPEG adds to a plain border.
    """

    @staticmethod
    def parse(text: str) -> int | None:
        threshold = _THRESHOLDS.get(text.lower())
        if threshold is None:
            threshold = integer(text, most=255, expected="a threshold of 1 to 255, or true")
        return threshold or None

    @staticmethod
    def write(value: object) -> str | None:
        return ("true" if value else None) if isinstance(value, bool) else str(value)


class Radius:
    """The radius of rounded corners in pixels. ``max`` makes a circle or a pill."""

    @staticmethod
    def parse(text: str) -> int:
        return ROUND if text.lower() == "max" else pixels(text, expected="pixels (0 to 10000), or max")


class Aspect:
    """The shape of a box: its width divided by its height."""

    @staticmethod
    def parse(text: str) -> Fraction:
        expected = "width:height, such as 16:9 or 1.5, between 1:1000 and 1000:1"
        sides = re.split(r"[:/x, ]", text)
        if len(sides) > 2 or not all(number(side, most=math.inf, expected=expected) for side in sides):
            raise ParseError(expected)
        aspect = Fraction(sides[0]) / (Fraction(sides[1]) if len(sides) == 2 else 1)
        if not Fraction(1, 1000) <= aspect <= 1000:
            raise ParseError(expected)
        return aspect


class FileName:
    """The file name for a download. True means the name of the source."""

    @staticmethod
    def parse(text: str) -> str:
        if len(text) > _LONGEST_NAME or not text.isprintable():
            raise ParseError(f"a file name of at most {_LONGEST_NAME} printable characters")
        return text

    @staticmethod
    def write(value: object) -> str | None:
        return "1" if value is True else str(value) if value else None


class Arm(StrEnum):
    """One of the two groups of visitors that a comparison tells apart."""

    CANARY = "canary"
    """Those who get what is tried."""
    USUAL = "usual"

    @classmethod
    def parse(cls, text: str) -> Arm:
        try:
            return cls(text)
        except ValueError:
            raise ParseError("one of " + ", ".join(cls)) from None


class RecordDigest:
    """The digest of a record of rights, which the page adds to a URL, so that another record has another URL."""

    @staticmethod
    def parse(text: str) -> str:
        if not _RECORD.fullmatch(text):
            raise ParseError("12 hexadecimal digits, which the function of images.rights adds: leave it out")
        return text


class Moment:
    """A point in time, in whole seconds since 1970."""

    @staticmethod
    def parse(text: str) -> int:
        return integer(text, expected="whole seconds since 1970")

    @staticmethod
    def write(value: object) -> str:
        """Also accept a datetime (in local time if it has no time zone), or a timedelta from now."""
        if isinstance(value, timedelta):
            value = time.time() + value.total_seconds()
        elif isinstance(value, datetime):
            value = value.timestamp()
        return str(int(value)) if isinstance(value, float) else str(value)
