"""How large is a rendition, and where does the picture lie on it? All arithmetic on pixels.

Templates and engines both ask `plan`, so that the width and height in HTML are those of the file.
Every division rounds down, as in Flask-Images, and no side is ever less than 1. This module does no I/O.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from .options import Mode, Options


class Size(NamedTuple):
    """A (width, height) in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


class Geometry(NamedTuple):
    """The size the picture is scaled to, and the size of the canvas it is then centred on.

    A smaller canvas crops the picture, a larger one pads it, an equal one changes nothing.
    """

    scaled: Size
    canvas: Size

    @property
    def offset(self) -> tuple[int, int]:
        """Where on the canvas the picture's left top corner lies, in pixels; negative where it is cropped."""
        return _centred(self.scaled.width, self.canvas.width), _centred(self.scaled.height, self.canvas.height)


def plan(image: Size, options: Options) -> Geometry:
    """Lay out a rendition of an upright picture of size *image*, after any transform.

    The picture is never scaled beyond its own size unless ``options.enlarge``; where that bites, `reshape`
    limits each side on its own, `crop` gives a smaller result, and `pad` keeps its canvas.
    """
    width, height = options.width, options.height
    if width is None or height is None:
        if width is not None:
            scaled = _by_width(image, width if options.enlarge else min(width, image.width))
        elif height is not None:
            scaled = _by_height(image, height if options.enlarge else min(height, image.height))
        else:
            scaled = image
        return _geometry(scaled, scaled)

    asked = Size(width, height)
    if options.mode is Mode.RESHAPE:
        scaled = asked if options.enlarge else _smaller(asked, image)
        return _geometry(scaled, scaled)

    inside, around = sorted((_by_width(image, width), _by_height(image, height)))
    scaled = around if options.mode is Mode.CROP else inside
    if not options.enlarge:
        scaled = _smaller(scaled, image)
    return _geometry(scaled, asked if options.mode is Mode.PAD else _smaller(scaled, asked))


def needs_enlarging(image: Size, options: Options) -> bool:
    """Whether the size asked for can be had in full only by enlarging *image*."""
    return _exceeds(plan(image, replace(options, enlarge=True)).scaled, image)


def transformed(image: Size, options: Options) -> Size:
    """The size that `plan` starts from: the upright picture's, or what a transform makes of it."""
    return Size(*options.transform.size(image)) if options.transform else image


def _by_width(image: Size, width: int) -> Size:
    return Size(width, image.height * width // image.width)


def _by_height(image: Size, height: int) -> Size:
    return Size(image.width * height // image.height, height)


def _smaller(one: Size, other: Size) -> Size:
    return Size(min(one.width, other.width), min(one.height, other.height))


def _exceeds(one: Size, other: Size) -> bool:
    return one.width > other.width or one.height > other.height


def _centred(picture: int, canvas: int) -> int:
    """Both ways the smaller side is placed, the odd pixel goes to the right and to the bottom."""
    return (canvas - picture) // 2 if canvas >= picture else -((picture - canvas) // 2)


def _geometry(scaled: Size, canvas: Size) -> Geometry:
    """A side that rounds down to nothing is one pixel."""
    return Geometry(*(Size(max(1, size.width), max(1, size.height)) for size in (scaled, canvas)))
