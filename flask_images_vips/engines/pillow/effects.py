"""Implement the effects with Pillow, for pictures in the modes L, LA, RGB and RGBA."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageFilter

from ...formats import Format
from ...geometry import Size, Turn
from .. import effects
from ..engine import Spec

_TRANSPOSE = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


def has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("LA", "RGBA")


def turned(picture: Image.Image, turn: Turn) -> Image.Image:
    if turn.angle:
        picture = picture.transpose(_TRANSPOSE[turn.angle])
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turn.mirrored else picture


def recolour(picture: Image.Image, spec: Spec) -> Image.Image:
    """Change saturation, brightness and contrast. Backgrounds are added by later steps, so they keep their colour."""
    change = effects.colour_matrix(spec.options)
    if change is None:
        return picture
    rows, offset = change
    colour = picture.convert(picture.mode[:-1]) if has_alpha(picture) else picture
    if colour.mode == "L":
        scale = sum(rows[0])
        made = colour.point([min(max(round(value * scale + offset), 0), 255) for value in range(256)])
    else:
        made = colour.convert("RGB", (*rows[0], offset, *rows[1], offset, *rows[2], offset))
    if has_alpha(picture):
        made.putalpha(picture.getchannel("A"))
    return made


def blur(picture: Image.Image, spec: Spec) -> Image.Image:
    """Apply a Gaussian blur. Colours are premultiplied by alpha, so that hidden colours do not bleed."""
    if not spec.options.blur:
        return picture
    gaussian = ImageFilter.GaussianBlur(spec.options.blur)
    if not has_alpha(picture):
        return picture.filter(gaussian)
    return picture.convert("RGBA").convert("RGBa").filter(gaussian).convert("RGBA")


def watermark(picture: Image.Image, spec: Spec) -> Image.Image:
    """Draw the watermark over the picture."""
    wanted, mark, box = spec.options.watermark, spec.mark, spec.geometry.mark
    if wanted is None or mark is None or box is None:
        return picture
    mark = mark.convert("RGBA")
    mark.putalpha(mark.getchannel("A").point([round(value * wanted.opacity) for value in range(256)]))
    canvas = picture.convert("RGBA")
    canvas.alpha_composite(mark, (box.left, box.top))
    return canvas if has_alpha(picture) else canvas.convert("RGB")


def text(picture: Image.Image, spec: Spec) -> Image.Image:
    """Draw the text over the picture."""
    drawn = spec.text
    if drawn is None:
        return picture
    canvas = picture.convert("RGBA")
    canvas.alpha_composite(Image.frombytes("RGBA", drawn.size, drawn.rgba), (drawn.left, drawn.top))
    return canvas if has_alpha(picture) else canvas.convert("RGB")


def pad(picture: Image.Image, spec: Spec) -> Image.Image:
    """Add the padding around the canvas."""
    geometry = spec.geometry
    if not any(geometry.padding):
        return picture
    at = geometry.padding.left, geometry.padding.top
    return on_canvas(picture, at, geometry.padded, spec.options.background, spec.format)


def frame(picture: Image.Image, spec: Spec) -> Image.Image:
    """Add the border. The radius of its inner corners is the outer radius minus the border's width, as in CSS."""
    geometry, border = spec.geometry, spec.options.border
    if border is None:
        return picture
    width, colour = geometry.border, border.colour
    framed = on_canvas(picture, (width, width), geometry.final, colour, spec.format)
    radius = geometry.radius - width
    if radius <= 0:
        return framed
    inside = Image.new("L", geometry.final)
    inside.paste(_rounded(geometry.padded, radius), (width, width))
    plain = Image.new(framed.mode, framed.size, colour[: len(framed.mode)])
    return Image.composite(framed, plain, inside)


def round_corners(picture: Image.Image, spec: Spec) -> Image.Image:
    """Round the corners: they become transparent, or get the background's colour if the format has no alpha."""
    geometry = spec.geometry
    if not geometry.radius:
        return picture
    mask = _rounded(geometry.final, geometry.radius)
    if not spec.format.alpha:
        ground = Image.new("RGB", picture.size, spec.options.background[:3])
        return Image.composite(picture.convert("RGB"), ground, mask)
    made = picture.copy()
    made.putalpha(ImageChops.multiply(picture.getchannel("A"), mask) if has_alpha(picture) else mask)
    return made


def on_canvas(
    picture: Image.Image, at: tuple[int, int], size: Size, colour: Sequence[int], format: Format
) -> Image.Image:
    """Lay *picture* on a canvas of *size* and *colour*. Nothing is blended: transparent pixels stay transparent."""
    alpha = format.alpha and (has_alpha(picture) or colour[3] < 255)
    mode = "RGBA" if alpha else "RGB"
    canvas = Image.new(mode, size, tuple(colour) if alpha else tuple(colour[:3]))
    canvas.paste(picture.convert(mode), at)
    return canvas


def _rounded(size: Size, radius: int) -> Image.Image:
    """Return a mask of *size* with rounded corners."""
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
