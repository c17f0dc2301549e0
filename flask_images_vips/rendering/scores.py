"""Compare a file with the picture it was encoded from, by SSIMULACRA2. This needs an optional package.

A score of 90 cannot be told from the picture, at 70 differences are hard to notice, and at 50 they are visible.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import ImagesError

if TYPE_CHECKING:
    from PIL import Image

PACKAGE = "ssimulacra2"
_MOST_PIXELS = 400_000  # the metric takes 550 bytes of memory per pixel. Of larger pictures, parts are compared.
_PART_SIDE = 448  # pixels; in 6 photographs, the least of three parts scored 0 to 4 less than the whole, never more
# The metric halves pictures five times, and its weights belong to the sizes of larger pictures. With shorter sides, a
# good picture may score less than 0. So they are continued by their mirror image.
_LEAST_SIDE = 256
_GROUNDS = (0x20, 0xE0)  # what shows through transparent pixels: the lower of both scores counts


class NoScore(ImagesError):
    """A picture cannot be compared: a file cannot be decoded, or the package cannot be imported."""


def is_installed() -> bool:
    """Return whether pictures can be compared. The package is not imported."""
    return find_spec(PACKAGE) is not None


class Reference:
    """A picture to compare files with: *file*, encoded without loss. *ground* is a colour to put behind it.

    Raises:
        NoScore: If it cannot be decoded, or if the package cannot be imported.
    """

    def __init__(self, file: bytes, ground: tuple[int, int, int] | None = None) -> None:
        self._compare = _metric()
        self._picture = _decoded(file)
        if ground is not None and self._picture.mode == "RGBA":
            self._picture = _on(ground, self._picture).convert("RGB")

    def score(self, file: bytes) -> float:
        """Return the score of *file*, another encoding of the same picture: 100 if it is the same, less if it is worse.

        Raises:
            NoScore: If it cannot be decoded, or has another size.
        """
        made = _decoded(file)
        if made.size != self._picture.size:
            own, other = ("×".join(map(str, each.size)) for each in (made, self._picture))
            raise NoScore(f"the file has {own} pixels, and the picture {other}")
        clear = "A" in self._picture.mode or "A" in made.mode
        grounds: tuple[int | None, ...] = _GROUNDS if clear else (None,)
        return min(
            float(self._compare(_as_file(self._picture, box, ground), _as_file(made, box, ground)))
            for ground in grounds
            for box in _parts(*made.size)
        )


def _metric() -> Callable[[io.BytesIO, io.BytesIO], float]:
    # Threads would take the processors of visitors, and the memory of their stacks.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError as error:
        raise NoScore(str(error)) from None
    found: Callable[[io.BytesIO, io.BytesIO], float] = compute_ssimulacra2
    return found


def _decoded(file: bytes) -> Image.Image:
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(io.BytesIO(file)) as picture:
            clear = "A" in picture.mode or "transparency" in picture.info
            return picture.convert("RGBA" if clear else "RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise NoScore(f"it cannot be decoded: {error}") from None


def _parts(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the boxes to compare: the whole picture, or three on the diagonal of a large one."""
    if width * height <= _MOST_PIXELS:
        yield 0, 0, width, height
        return
    across, down = min(width, _PART_SIDE), min(height, _PART_SIDE)
    for step in range(3):
        left, top = (width - across) * step // 2, (height - down) * step // 2
        yield left, top, left + across, top + down


def _on(ground: tuple[int, int, int], picture: Image.Image) -> Image.Image:
    """Return *picture*, which is transparent, on the colour *ground*."""
    from PIL import Image  # noqa: PLC0415

    return Image.alpha_composite(Image.new("RGBA", picture.size, (*ground, 255)), picture)


def _as_file(picture: Image.Image, box: tuple[int, int, int, int], ground: int | None) -> io.BytesIO:
    """Return the part *box* of *picture* on *ground* as a file, which the metric reads, without compression."""
    part = picture.crop(box)
    if ground is not None:
        part = _on((ground, ground, ground), part.convert("RGBA"))
    file = io.BytesIO()
    _mirrored(part.convert("RGB")).save(file, "ppm")
    file.seek(0)
    return file


def _mirrored(picture: Image.Image) -> Image.Image:
    """Return *picture*, continued to the right and below by its mirror image until its sides are long enough."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    while picture.width < _LEAST_SIDE or picture.height < _LEAST_SIDE:
        wide = picture.width < _LEAST_SIDE
        own = picture.size
        mirror = ImageOps.mirror(picture) if wide else ImageOps.flip(picture)
        longer = Image.new("RGB", (2 * own[0], own[1]) if wide else (own[0], 2 * own[1]))
        longer.paste(picture, (0, 0))
        longer.paste(mirror, (own[0], 0) if wide else (0, own[1]))
        least = min(longer.width, max(own[0], _LEAST_SIDE)), min(longer.height, max(own[1], _LEAST_SIDE))
        picture = longer.crop((0, 0, *least))
    return picture
