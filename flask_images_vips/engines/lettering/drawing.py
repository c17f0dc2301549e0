"""Draw a text in its style, as a picture with transparency that an engine lays over its own.

Both engines use the same drawer, so a text has the same lines and the same box with each.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from math import ceil, floor
from typing import NamedTuple

from PIL import Image

from ...errors import UnsupportedSource
from ...geometry import Box, Size
from ...options.text import TextStyle
from ...options.values import Gravity
from ...sources.fonts import Lettering
from .. import effects
from ..engine import Overlay
from .direction import runs_left
from .lines import Arranged, arrange
from .typeface import Pieces, Typeface

_MIRRORED = {
    Gravity.NORTHWEST: Gravity.NORTHEAST,
    Gravity.WEST: Gravity.EAST,
    Gravity.SOUTHWEST: Gravity.SOUTHEAST,
    Gravity.NORTHEAST: Gravity.NORTHWEST,
    Gravity.EAST: Gravity.WEST,
    Gravity.SOUTHEAST: Gravity.SOUTHWEST,
}
_LEAST_SIZE = 1.0
_FADE = 2.5  # lines of text over which a shade grows before it reaches the text


class _Block(NamedTuple):
    """The box of the lines on the canvas, in pixels."""

    left: float
    top: float
    width: float
    height: float


def drawn_text(text: str, lettering: Lettering, canvas: Size, ref: str) -> Overlay:
    """Return *text* for a *canvas* in pixels. *ref* names the picture's source in errors.

    Raises:
        UnsupportedSource: If a file of the font is no font.
    """
    try:
        with ExitStack() as stack:
            descriptors = [stack.enter_context(font.open()) for font in lettering.fonts]
            return _drawn(text, lettering.style, Typeface(descriptors, lettering.style.weight), canvas)
    except (ValueError, OSError) as error:
        reason = f"its text cannot be drawn with the font {lettering.style.font}: {error}"
        raise UnsupportedSource(ref, reason) from None


def _drawn(text: str, style: TextStyle, typeface: Typeface, canvas: Size) -> Overlay:
    scale = canvas.width / style.of_width
    margin = min(style.margin * scale, min(canvas) / 3)
    inset = min(style.padding * scale, min(canvas) / 6) if style.background.alpha else 0.0
    room = max(1.0, (canvas.width - 2 * margin) * style.width - 2 * inset)
    high = max(1.0, canvas.height - 2 * margin - 2 * inset)

    def most(size: float) -> int:
        return max(1, min(style.lines, floor(high / (size * style.line_height))))

    # A line is not higher than the picture. In a very small one, letters become dots.
    size, least = (
        max(_LEAST_SIZE, min(each * scale, high / style.line_height))
        for each in (style.size, style.min_size or style.size)
    )
    found = arrange(text, typeface.measure, size=size, least=least, width=room, most=most)
    widths = [typeface.width(line, found.size) for line in found.lines]
    leftwards = runs_left(text)
    if leftwards and style.align == "start":
        style = replace(style, gravity=_MIRRORED.get(style.gravity, style.gravity))
    block = _placed(style, (max(widths), len(widths) * found.size * style.line_height), canvas, margin + inset)
    area = _area(style, block, canvas, inset, found.size)
    pieces = Pieces(Image.new("L", area.size), [])
    above, below = typeface.extent(found.size)
    high = found.size * style.line_height
    for index, (line, width) in enumerate(zip(found.lines, widths, strict=True)):
        across = block.left + (block.width - width) * _share(style, leftwards=leftwards)
        base = block.top + index * high + (high - above - below) / 2 + above
        typeface.draw(pieces, line, (across - area.left, base - area.top), found.size, right_to_left=leftwards)
    picture = _behind(style, block, area, canvas, inset, scale, found)
    letters = Image.new("RGBA", picture.size, tuple(style.color[:3]))
    letters.putalpha(pieces.mask.point([value * style.color.alpha // 255 for value in range(256)]))
    picture.alpha_composite(letters)
    for each, left, top in pieces.pictures:
        _lay(picture, each, left, top)
    return Overlay(area.left, area.top, area.size, picture.tobytes())


def _placed(style: TextStyle, size: tuple[float, float], canvas: Size, margin: float) -> _Block:
    width, height = size
    across, down = style.gravity.shares
    left = margin + (canvas.width - 2 * margin - width) * across
    top = margin + (canvas.height - 2 * margin - height) * down
    return _Block(left, max(0.0, top), width, height)


def _share(style: TextStyle, *, leftwards: bool) -> float:
    """Return the share of the free space that is at the left of a line."""
    if style.align != "start":
        return {"left": 0.0, "center": 0.5, "right": 1.0}[style.align]
    across, _ = style.gravity.shares
    return across if across == 0.5 else float(leftwards)


def _area(style: TextStyle, block: _Block, canvas: Size, inset: float, size: float) -> Box:
    """Return the part of the canvas that is drawn on: all of it if there is a shade."""
    if style.shade.alpha:
        return Box(0, 0, *canvas)
    over = max(inset, size)  # letters may reach beyond their box
    left, top = max(0, floor(block.left - over)), max(0, floor(block.top - over))
    right = min(canvas.width, ceil(block.left + block.width + over))
    bottom = min(canvas.height, ceil(block.top + block.height + over))
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def _behind(
    style: TextStyle, block: _Block, area: Box, canvas: Size, inset: float, scale: float, found: Arranged
) -> Image.Image:
    """Return what is behind the letters: the shade, and the box."""
    picture = Image.new("RGBA", area.size)
    if style.shade.alpha:
        picture = _shade(style, block, canvas, found.size * style.line_height)
    if style.background.alpha:
        box = Image.new("RGBA", picture.size, tuple(style.background[:3]))
        left, top = block.left - inset - area.left, block.top - inset - area.top
        size = Size(ceil(block.width + 2 * inset), ceil(block.height + 2 * inset))
        mask = Image.new("L", picture.size)
        mask.paste(_rounded(size, round(style.radius * scale)), (round(left), round(top)))
        box.putalpha(mask.point([value * style.background.alpha // 255 for value in range(256)]))
        picture.alpha_composite(box)
    return picture


def _rounded(size: Size, radius: int) -> Image.Image:
    """Return a mask of *size* with rounded corners."""
    mask = Image.new("L", size, 255)
    radius = min(radius, *(side // 2 for side in size))
    if radius:
        corner = Image.frombytes("L", (radius, radius), effects.corner(radius))
        right, bottom = size.width - radius, size.height - radius
        for across, mirrored in ((0, corner), (right, corner.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
            mask.paste(mirrored, (across, 0))
            mask.paste(mirrored.transpose(Image.Transpose.FLIP_TOP_BOTTOM), (across, bottom))
    return mask


def _shade(style: TextStyle, block: _Block, canvas: Size, line: float) -> Image.Image:
    """Return a gradient that is strongest at the edge where the text is, or an even shade behind centred text."""
    across, down = style.gravity.shares
    if down != 0.5:
        alphas = _ramp(canvas.height, block.top, block.height, line, at_end=down > 0.5)
        strip = Image.frombytes("L", (1, canvas.height), alphas)
    elif across != 0.5:
        alphas = _ramp(canvas.width, block.left, block.width, line, at_end=across > 0.5)
        strip = Image.frombytes("L", (canvas.width, 1), alphas)
    else:
        strip = Image.new("L", (1, 1), 255)
    strip = strip.point([value * style.shade.alpha // 255 for value in range(256)])
    picture = Image.new("RGBA", canvas, tuple(style.shade[:3]))
    picture.putalpha(strip.resize(canvas, Image.Resampling.NEAREST))
    return picture


def _ramp(side: int, begin: float, length: float, line: float, *, at_end: bool) -> bytes:
    """Return how strong a shade is at each pixel of a *side*, from 0 to 255.

    The text is *length* long and begins at *begin*. The shade grows from some lines before it to the middle of it.
    """
    if not at_end:
        return _ramp(side, side - begin - length, length, line, at_end=True)[::-1]
    first, last = begin - _FADE * line, begin + 0.6 * length
    parts = (min(max((position - first) / (last - first), 0.0), 1.0) for position in range(side))
    return bytes(round(255 * part * part * (3 - 2 * part)) for part in parts)  # without a visible edge


def _lay(picture: Image.Image, other: Image.Image, left: int, top: int) -> None:
    """Lay *other* over *picture*, as far as it is within it."""
    box = max(0, -left), max(0, -top), min(other.width, picture.width - left), min(other.height, picture.height - top)
    if box[0] < box[2] and box[1] < box[3]:
        picture.alpha_composite(other.crop(box), (max(0, left), max(0, top)))
