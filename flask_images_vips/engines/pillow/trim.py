"""Find the single-coloured border around a picture, with Pillow."""

from __future__ import annotations

from PIL import Image, ImageChops

from ...geometry import Box
from .effects import has_alpha
from .steps import expanded


def trim_box(picture: Image.Image, region: Box, threshold: int) -> Box:
    """Implement `Engine.trim_box`, for a picture that is already upright."""
    piece = expanded(picture).crop((region.left, region.top, region.left + region.width, region.top + region.height))
    if has_alpha(piece):  # all transparent pixels count as the same colour
        seen = piece.getchannel("A").point([0, *[255] * 255])
        piece = Image.composite(piece, Image.new(piece.mode, piece.size), seen)
    corner = Image.new(piece.mode, piece.size, piece.getpixel((0, 0)))
    difference = ImageChops.difference(piece, corner)
    bands = [band.point([255 * (value > threshold) for value in range(256)]) for band in difference.split()]
    for band in bands[1:]:
        bands[0] = ImageChops.lighter(bands[0], band)
    found = bands[0].getbbox()
    if found is None:
        return region
    left, top, right, bottom = found
    return Box(region.left + left, region.top + top, right - left, bottom - top)
