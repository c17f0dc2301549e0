"""Compute the size of a rendition, and the position of the picture on it.

The template helpers and the renderer both use `lay_out`, so the width and height in the HTML match the file. Scaled
sides are rounded down, as in Flask-Images, and no side is ever less than 1. This module does no I/O.

`Options.settled` brings options into their simplest form, so there are fewer cases to handle here.
"""

from __future__ import annotations

from dataclasses import replace
from math import floor
from typing import NamedTuple

from .errors import InvalidOption
from .options.options import Options
from .options.values import Edges, Flip, Mode, Watermark

_NO_EDGES = Edges(0, 0, 0, 0)


class Size(NamedTuple):
    """A (width, height) in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


class Box(NamedTuple):
    """A part of a picture, in pixels from its top left corner."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


class Turn(NamedTuple):
    """A clockwise rotation by *angle* degrees, followed by a horizontal flip if *mirrored*."""

    angle: int = 0
    mirrored: bool = False

    @classmethod
    def of(cls, options: Options) -> Turn:
        options = options.settled()  # replaces every vertical flip by a horizontal one with a rotation
        return cls(options.rotate, options.flip is Flip.HORIZONTAL)

    @property
    def back(self) -> Turn:
        """The turn that undoes this one. A turn with a flip undoes itself."""
        return self if self.mirrored else Turn(-self.angle % 360)

    def size(self, size: Size) -> Size:
        """Return *size* with its sides swapped if the turn is by 90 or 270 degrees.

        The same swap converts a size after the turn to the size before it.
        """
        return Size(size.height, size.width) if self.angle in (90, 270) else size

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return the position of a point after the turn. Points are fractions of the picture's sides."""
        x, y = {0: (x, y), 90: (1 - y, x), 180: (1 - x, 1 - y), 270: (y, 1 - x)}[self.angle]
        return (1 - x if self.mirrored else x), y

    def undone(self, box: Box, image: Size) -> Box:
        """Convert *box* from the turned picture to the picture before the turn, which has the size *image*."""
        left, top, width, height = box
        if self.mirrored:
            left = self.size(image).width - left - width
        return {
            0: Box(left, top, width, height),
            90: Box(top, image.height - left - width, height, width),
            180: Box(image.width - left - width, image.height - top - height, width, height),
            270: Box(image.width - top - height, left, height, width),
        }[self.angle]


ORIENTATIONS = {
    1: Turn(),
    2: Turn(0, mirrored=True),
    3: Turn(180),
    4: Turn(180, mirrored=True),
    5: Turn(90, mirrored=True),
    6: Turn(90),
    7: Turn(270, mirrored=True),
    8: Turn(270),
}
"""The turn that makes a picture upright, for each orientation of EXIF."""


class Geometry(NamedTuple):
    """The layout of a rendition.

    The picture is cut, scaled, turned, and laid on a canvas. *scaled* is its size after scaling and turning; `upright`
    is its size after scaling, but before turning. A smaller canvas crops the picture, a larger one pads it. *at* is the
    position of the picture's top left corner on the canvas. If it is None, the picture is centred; with a smart
    gravity, libvips chooses the position by the pixels instead. *cut* is the part of the upright source to use; None
    uses all of it. *mark* is the box of the watermark on the canvas. *padding* and *border* are added around the
    canvas, and *radius* rounds the corners of the result.
    """

    scaled: Size
    canvas: Size
    at: tuple[int, int] | None = None
    cut: Box | None = None
    turn: Turn = Turn()
    mark: Box | None = None
    padding: Edges = _NO_EDGES
    border: int = 0
    radius: int = 0

    @property
    def offset(self) -> tuple[int, int]:
        """The position of the picture's top left corner on the canvas. Negative if the picture is cropped."""
        if self.at is not None:
            return self.at
        return _placed(self.scaled.width, self.canvas.width), _placed(self.scaled.height, self.canvas.height)

    @property
    def upright(self) -> Size:
        """The size that the picture is scaled to before it is turned."""
        return self.turn.size(self.scaled)

    @property
    def padded(self) -> Size:
        """The size of the canvas with its padding."""
        top, right, bottom, left = self.padding
        return Size(left + self.canvas.width + right, top + self.canvas.height + bottom)

    @property
    def final(self) -> Size:
        """The size of the rendition: the canvas with its padding and border."""
        return Size(self.padded.width + 2 * self.border, self.padded.height + 2 * self.border)


def lay_out(image: Size, options: Options, *, trimmed: Box | None = None, mark: Size | None = None) -> Geometry:
    """Lay out a rendition of an upright source of size *image*.

    *trimmed* is the box that remains after trimming; finding it needs the pixels, so the caller passes it in. *mark* is
    the size of the watermark's source.

    Raises:
        InvalidOption: If the region extends beyond the source.
    """
    options = options.settled()
    cut = trimmed or region(image, options)
    geometry = plan(transformed(image, options, trimmed), options)._replace(turn=Turn.of(options))
    if cut.size != image:
        geometry = geometry._replace(cut=cut)
    if options.focal and geometry.canvas != geometry.scaled:
        x, y = options.focal.x, options.focal.y
        if cut.size != image:
            x = min(max((x * image.width - cut.left) / cut.width, 0), 1)
            y = min(max((y * image.height - cut.top) / cut.height, 0), 1)
        x, y = geometry.turn.point(x, y)
        (width, height), canvas = geometry.scaled, geometry.canvas
        geometry = geometry._replace(at=(-_window(x, width, canvas.width), -_window(y, height, canvas.height)))
    if options.watermark and mark:
        geometry = geometry._replace(mark=_marked(mark, geometry.canvas, options.watermark))
    return geometry


def region(image: Size, options: Options) -> Box:
    """Return the part of an upright source of size *image* that ``options.region`` selects.

    The option refers to the turned picture. The result is the same box in the source before it is turned. Trimming
    comes later.

    Raises:
        InvalidOption: If the region extends beyond the source.
    """
    asked = options.region
    if asked is None:
        return Box(0, 0, *image)
    turn = Turn.of(options)
    turned = turn.size(image)
    if asked.fractions:  # rounded to the nearest pixel at both ends, so that neighbouring regions meet
        left, width = _between(asked.left, asked.left + asked.width, turned.width)
        top, height = _between(asked.top, asked.top + asked.height, turned.height)
    else:
        left, top, width, height = map(int, asked)
        if left + width > turned.width or top + height > turned.height:
            inside = f"a box inside the picture's {turned.width}×{turned.height} pixels"
            raise InvalidOption("region", str(asked), expected=inside)
    return turn.undone(Box(left, top, width, height), image)


def transformed(image: Size, options: Options, trimmed: Box | None = None) -> Size:
    """Return the size of the upright picture after region, trim, turn and transform. `plan` starts from this size."""
    start = Turn.of(options).size((trimmed or region(image, options)).size)
    return Size(*options.transform.size(start)) if options.transform else start


def plan(image: Size, options: Options) -> Geometry:
    """Lay out a rendition of an upright picture of size *image*, after any transform.

    Unless ``options.enlarge`` is set, the picture is never scaled beyond its own size. If the picture is too small,
    `reshape` limits each side on its own, `crop` makes the result smaller, and with `pad` the canvas still has the
    requested size.
    """
    options = options.settled()
    width, height = options.width, options.height
    if options.aspect and not width and not height:
        width = min(image.width, int(image.height * options.aspect))
        height = min(image.height, int(image.width / options.aspect))
        width, height = max(width, 1), max(height, 1)
    if width is None or height is None:
        if width is not None:
            scaled = _by_width(image, width if options.enlarge else min(width, image.width))
        elif height is not None:
            scaled = _by_height(image, height if options.enlarge else min(height, image.height))
        else:
            scaled = image
        return _geometry(scaled, scaled, options)

    asked = Size(width, height)
    if options.mode is Mode.RESHAPE:
        scaled = asked if options.enlarge else _smaller(asked, image)
        return _geometry(scaled, scaled, options)

    inside, around = sorted((_by_width(image, width), _by_height(image, height)))
    scaled = around if options.mode is Mode.CROP else inside
    if not options.enlarge:
        scaled = _smaller(scaled, image)
    return _geometry(scaled, asked if options.mode is Mode.PAD else _smaller(scaled, asked), options)


def needs_enlarging(image: Size, options: Options) -> bool:
    """Return whether *options* would scale *image* beyond its own size."""
    return _exceeds(plan(image, replace(options, enlarge=True)).scaled, image)


def _by_width(image: Size, width: int) -> Size:
    return Size(width, image.height * width // image.width)


def _by_height(image: Size, height: int) -> Size:
    return Size(image.width * height // image.height, height)


def _smaller(one: Size, other: Size) -> Size:
    return Size(min(one.width, other.width), min(one.height, other.height))


def _exceeds(one: Size, other: Size) -> bool:
    return one.width > other.width or one.height > other.height


def _placed(picture: int, canvas: int, share: float = 0.5) -> int:
    """Return the position of the picture if *share* of the free space on the canvas lies before it.

    It is rounded towards 0, so that an odd pixel is at the right or at the bottom.
    """
    return int((canvas - picture) * share)


def _window(point: float, picture: int, canvas: int) -> int:
    """Return the position at which a smaller canvas begins in the picture.

    The middle of the canvas is as close to *point* as possible. *point* is a fraction of the picture's side.
    """
    return min(max(floor(point * picture - canvas / 2), 0), picture - canvas)


def _between(begin: float, end: float, side: int) -> tuple[int, int]:
    """Return the first pixel, and the number of pixels (at least 1), between two fractions of a *side*."""
    first = min(round(begin * side), side - 1)
    return first, max(1, min(round(end * side), side) - first)


def _marked(mark: Size, canvas: Size, watermark: Watermark) -> Box:
    """Return the box on *canvas* of a watermark of size *mark*.

    The watermark is never enlarged and never extends beyond the canvas.
    """
    width = min(mark.width, max(1, int(canvas.width * watermark.share)))
    height = max(1, mark.height * width // mark.width)
    if height > canvas.height:
        width, height = max(1, mark.width * canvas.height // mark.height), canvas.height
    left, top = (
        min(max(_placed(side, whole, share), margin), whole - side - margin)
        if whole > side + 2 * margin
        else (whole - side) // 2
        for side, whole, share, margin in zip(
            (width, height), canvas, watermark.place.shares, (watermark.margin,) * 2, strict=True
        )
    )
    return Box(left, top, width, height)


def _geometry(scaled: Size, canvas: Size, options: Options) -> Geometry:
    # A side that was rounded down to 0 becomes one pixel.
    scaled, canvas = (Size(max(1, size.width), max(1, size.height)) for size in (scaled, canvas))
    geometry = Geometry(scaled, canvas, padding=options.padding, border=options.border.width if options.border else 0)
    if canvas != scaled and options.gravity.shares != (0.5, 0.5):
        across, down = options.gravity.shares
        at = _placed(scaled.width, canvas.width, across), _placed(scaled.height, canvas.height, down)
        geometry = geometry._replace(at=at)
    return geometry._replace(radius=min(options.radius, *(side // 2 for side in geometry.final)))
