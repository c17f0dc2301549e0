"""The effects by Pillow, on pictures of the modes L, LA, RGB and RGBA."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageFilter

from ...formats import Format
from ...geometry import Box, Geometry, Size, Turn
from ...options.options import Options
from .. import effects

_TRANSPOSE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


def has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("LA", "RGBA")


def turned(picture: Image.Image, turn: Turn) -> Image.Image:
    if turn.angle:
        picture = picture.transpose(_TRANSPOSE[turn.angle])
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turn.mirrored else picture


def recoloured(picture: Image.Image, options: Options) -> Image.Image:
    """Saturation, brightness and contrast. Done before the background is added: that stays as it was asked for."""
    colours = effects.colours(options)
    if colours is None:
        return picture
    rows, added = colours
    colour = picture.convert(picture.mode[:-1]) if has_alpha(picture) else picture
    if colour.mode == "L":
        scale = sum(rows[0])
        made = colour.point([min(max(round(value * scale + added), 0), 255) for value in range(256)])
    else:
        made = colour.convert("RGB", (*rows[0], added, *rows[1], added, *rows[2], added))
    if has_alpha(picture):
        made.putalpha(picture.getchannel("A"))
    return made


def blurred(picture: Image.Image, sigma: float) -> Image.Image:
    """Gaussian, also of what is clear: its colour does not show."""
    if not sigma:
        return picture
    blur = ImageFilter.GaussianBlur(sigma)
    if picture.mode == "LA":
        picture = picture.convert("RGBA")
    return picture.convert("RGBa").filter(blur).convert("RGBA") if has_alpha(picture) else picture.filter(blur)


def with_mark(picture: Image.Image, mark: Image.Image, box: Box, opacity: float) -> Image.Image:
    """*mark* laid over *picture* at *box*."""
    mark = mark.convert("RGBA")
    mark.putalpha(mark.getchannel("A").point([round(value * opacity) for value in range(256)]))
    canvas = picture.convert("RGBA")
    canvas.alpha_composite(mark, (box.left, box.top))
    return canvas if has_alpha(picture) else canvas.convert("RGB")


def framed(picture: Image.Image, options: Options, format: Format, geometry: Geometry) -> Image.Image:
    """With padding, a border whose inner edge is as round as its outer one, and round corners."""
    if any(geometry.padding):
        at = geometry.padding.left, geometry.padding.top
        picture = on_canvas(picture, at, geometry.padded, options.background, format)
    if options.border is not None:
        width, colour = geometry.border, options.border.colour
        whole = on_canvas(picture, (width, width), geometry.final, colour, format)
        if geometry.radius > width:
            inside = Image.new("L", geometry.final)
            inside.paste(_rounded(geometry.padded, geometry.radius - width), (width, width))
            plain = Image.new(whole.mode, whole.size, colour[: len(whole.mode)])
            whole = Image.composite(whole, plain, inside)
        picture = whole
    if not geometry.radius:
        return picture
    mask = _rounded(geometry.final, geometry.radius)
    if not format.alpha:
        return Image.composite(picture.convert("RGB"), Image.new("RGB", picture.size, options.background[:3]), mask)
    picture = picture.copy()
    picture.putalpha(ImageChops.multiply(picture.getchannel("A"), mask) if has_alpha(picture) else mask)
    return picture


def on_canvas(
    picture: Image.Image, at: tuple[int, int], size: Size, colour: Sequence[int], format: Format
) -> Image.Image:
    """*picture* laid on a canvas of *size* and *colour*; without a mask: what is clear inside stays clear."""
    alpha = format.alpha and (has_alpha(picture) or colour[3] < 255)
    mode = "RGBA" if alpha else "RGB"
    canvas = Image.new(mode, size, tuple(colour) if alpha else tuple(colour[:3]))
    canvas.paste(picture.convert(mode), at)
    return canvas


def trimmed(picture: Image.Image, threshold: int) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) of what is more than *threshold* off the left top colour, if anything is."""
    if has_alpha(picture):  # what is clear has one colour
        seen = picture.getchannel("A").point([0, *[255] * 255])
        picture = Image.composite(picture, Image.new(picture.mode, picture.size), seen)
    pixel = picture.getpixel((0, 0))
    difference = ImageChops.difference(picture, Image.new(picture.mode, picture.size, pixel))
    bands = [band.point([255 * (value > threshold) for value in range(256)]) for band in difference.split()]
    for band in bands[1:]:
        bands[0] = ImageChops.lighter(bands[0], band)
    return bands[0].getbbox()


def _rounded(size: Size, radius: int) -> Image.Image:
    """A mask of *size* with round corners."""
    mask = Image.new("L", size, 255)
    corner = Image.frombytes("L", (radius, radius), effects.corner(radius))
    right, bottom = size.width - radius, size.height - radius
    for across, down, part in (
        (0, 0, corner),
        (right, 0, corner.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        (0, bottom, corner.transpose(Image.Transpose.FLIP_TOP_BOTTOM)),
        (right, bottom, corner.transpose(Image.Transpose.ROTATE_180)),
    ):
        mask.paste(part, (across, down))
    return mask
