"""Go over the frames of a picture. What no frame of a GIF covers is clear, as in browsers."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image, ImageChops

from ...geometry import Box, Size
from ..gif_frames import frames_of, is_clear, masks

_COVERED = "covered"  # in ``image.info``: the mask of the pixels that are not clear


def on_screen(image: Image.Image, descriptor: int, count: int) -> Iterator[Image.Image]:
    """Yield the first *count* frames of *image*, which is open at *descriptor*. All have the size of the first one.

    Raises:
        LimitExceeded: If it is a GIF of too many blocks.
    """
    size = Size(*image.size)
    covered = _covered(descriptor, size, count) if image.format == "GIF" else None
    for number in range(count):
        if number:
            image.seek(number)
        frame = image if image.size == size else image.crop((0, 0, *size))
        if covered is not None:
            frame.info[_COVERED] = next(covered)
        yield frame


def with_clear_parts(image: Image.Image) -> Image.Image:
    """Return *image*, with alpha if `on_screen` has found clear parts."""
    mask = image.info.get(_COVERED)
    if mask is None:
        return image
    picture = image.convert("RGBA")
    picture.putalpha(ImageChops.darker(picture.getchannel("A"), mask))
    for name in (_COVERED, "transparency"):
        picture.info.pop(name, None)
    return picture


def _covered(descriptor: int, screen: Size, count: int) -> Iterator[Image.Image] | None:
    found = frames_of(descriptor, count)
    if len(found) < count or not is_clear(found, screen):
        return None
    return masks(found, Image.new("L", screen), _painted)


def _painted(mask: Image.Image, box: Box, covered: bool) -> Image.Image:
    mask = mask.copy()
    mask.paste(255 * covered, (box.left, box.top, box.left + box.width, box.top + box.height))
    return mask
