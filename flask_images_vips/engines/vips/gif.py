"""Make the parts of a GIF clear that none of its frames covers, as browsers show them."""

from __future__ import annotations

from ...geometry import Box, Size
from ..gif_frames import frames_of, is_clear, masks
from .load import pyvips


def with_clear_parts(image: pyvips.Image, descriptor: int, count: int) -> pyvips.Image:
    """Return *image*, the first *count* frames of the GIF at *descriptor* one below the other, with their clear parts.

    Raises:
        LimitExceeded: If the GIF has too many blocks.
    """
    frames, screen = frames_of(descriptor, count), Size(image.width, image.height // count)
    if len(frames) < count or not is_clear(frames, screen):
        return image
    blank = pyvips.Image.black(*screen)
    mask = pyvips.Image.arrayjoin(list(masks(frames, blank, _painted)), across=1)
    if not image.hasalpha():
        return image.bandjoin(mask)
    last = image.bands - 1
    return image.extract_band(0, n=last).bandjoin(image[last] & mask)


def _painted(mask: pyvips.Image, box: Box, covered: bool) -> pyvips.Image:
    if not box.size.pixels:
        return mask
    part = pyvips.Image.black(*box.size)
    return mask.insert(part.invert() if covered else part, box.left, box.top).copy_memory()
