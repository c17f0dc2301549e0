"""Define PIL transforms, such as ``transform='EXTENT,0,0,10%,10%,90%,90%'``.

A transform is a kind, an output size and coefficients. A size or a coefficient may be a percentage of the image's
width or height, so it can be converted to pixels only when the image's size is known. This module does no I/O.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..errors import InvalidOption

_WIDTH, _HEIGHT = 0, 1
_LARGEST = 1e9
_DELIMITERS = re.compile(r"[,;:_/ ]")
_NUMBER = re.compile(r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)(?P<percent>[%p]?)\Z", re.ASCII)


class Kind(Enum):
    """The supported PIL transforms.

    Each value lists, per coefficient, the axis that a percentage refers to, or None if it must be a plain number.
    """

    EXTENT = (_WIDTH, _HEIGHT, _WIDTH, _HEIGHT)
    AFFINE = (None, None, _WIDTH, None, None, _HEIGHT)
    QUAD = (_WIDTH, _HEIGHT) * 4
    PERSPECTIVE = (None,) * 8


@dataclass(frozen=True, slots=True)
class Length:
    """A number of pixels, or a percentage of an axis."""

    number: float
    percent: bool = False

    def pixels(self, whole: int) -> float:
        return self.number * whole / 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number!r}p" if self.percent else repr(self.number)


@dataclass(frozen=True, slots=True)
class Transform:
    """A PIL transform, applied to the picture after region, trim, rotate and flip, and before scaling.

    A *width* or *height* of 0 means the width or height of the image.
    """

    kind: Kind
    width: Length
    height: Length
    coefficients: tuple[Length, ...]

    @classmethod
    def parse(cls, text: str) -> Transform:
        """Parse a transform from *text*, whose values are separated by any of ``, ; : _ /`` or a space.

        Raises:
            InvalidOption: If the kind is unknown, the number of values is wrong, or a value is invalid.
        """
        name, *values = _DELIMITERS.split(text)
        try:
            kind = Kind[name.upper()]
        except KeyError:
            raise InvalidOption("transform", text, expected="one of " + ", ".join(k.name for k in Kind)) from None
        count = 2 + len(kind.value)
        if len(values) != count:
            raise InvalidOption("transform", text, expected=f"{kind.name} and {count} values, not {len(values)}")
        axes = (_WIDTH, _HEIGHT, *kind.value)
        width, height, *rest = (_length(text, value, axis) for value, axis in zip(values, axes, strict=True))
        if width.number < 0 or height.number < 0:
            raise InvalidOption("transform", text, expected="an output size that is not negative")
        return cls(kind, width, height, tuple(rest))

    @staticmethod
    def write(value: object) -> str | None:
        """Convert a string or a sequence of values for a URL, without checking the values.

        The values are separated by ``_``, and ``%`` is written as ``p``, so that nothing needs escaping.
        """
        if not value:
            return None
        parts: Iterable[object]
        if isinstance(value, str):
            parts = re.split(r"[,;:_ ]", value)
        elif isinstance(value, Iterable):
            parts = value
        else:
            parts = (value,)
        return "_".join(str(part).replace("%", "p") for part in parts)

    @property
    def relative(self) -> bool:
        """Whether the result in pixels depends on the size of the image."""
        sides_given = self.width.number and self.height.number
        return not sides_given or any(each.percent for each in (self.width, self.height, *self.coefficients))

    def size(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) in pixels of an image of size *image* after this transform."""
        return _side(self.width, image[_WIDTH]), _side(self.height, image[_HEIGHT])

    def data(self, image: tuple[int, int]) -> tuple[float, ...]:
        """Return the coefficients in pixels, as expected by ``PIL.Image.Image.transform``."""
        return tuple(
            value.pixels(image[axis]) if axis is not None else value.number
            for value, axis in zip(self.coefficients, self.kind.value, strict=True)
        )

    def __str__(self) -> str:
        return "_".join([self.kind.name, *map(str, (self.width, self.height, *self.coefficients))])


def _length(text: str, value: str, axis: int | None) -> Length:
    match = _NUMBER.match(value)
    number = float(match["number"]) if match else math.nan
    if match is None or not abs(number) <= _LARGEST:
        raise InvalidOption("transform", text, expected=f"numbers or percentages, not {value!r}")
    if match["percent"] and axis is None:
        raise InvalidOption(
            "transform", text, expected=f"a plain number for this coefficient, not the percentage {value!r}"
        )
    return Length(number, bool(match["percent"]))


def _side(length: Length, whole: int) -> int:
    """Return one side of the output in pixels: at least 1."""
    return max(1, int(length.pixels(whole))) if length.number else whole
