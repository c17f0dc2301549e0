"""Make several files from one decode with libvips.

These are either the members of a set, which is one picture in several sizes, or copies: reduced versions of a large
source, from which later renditions are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...geometry import Geometry, Size
from ...rendition import Rendition
from ..engine import SPARE_OF_COPIES, Spec, Tiny
from .deadline import Deadline
from .effects import turn
from .load import pyvips
from .reader import Reader, upright_size
from .steps import FINISH, keep_tiny, scale
from .writer import encode, write

# The encoder settings of copies. Uncompressed copies are read three times as fast as JPEGs, which take a tenth of the
# disk space.
_COPIES: dict[str, dict[str, Any]] = {"tiff": {"compression": "none"}, "jpeg": {"Q": 92, "subsample_mode": "off"}}

# A member of a set can be made from a larger picture only if that is at least this much larger, per side.
_MIN_SPARE = 1.24
# Several members are made from one decoded picture. Up to this many pixels, it is not scaled down beforehand, because
# that would cost more than it saves.
_MAX_PIXELS = 8_000_000


def render_set(
    reader: Reader,
    descriptor: int,
    members: Sequence[tuple[Rendition, Geometry]],
    effort: str,
    deadline: Deadline,
    tiny: Tiny | None = None,
) -> list[bytes]:
    """Implement `DecodesOnce.render_set`. The smaller members are made from the scaled picture of the largest one.

    Members that are hardly smaller than the largest one are made from an even larger picture instead, which takes
    memory.
    """
    (rendition, largest), *others = members
    ref, spec = rendition.source.ref, Spec(rendition.options, rendition.format, largest, tiny=tiny)
    near = [geometry for _, geometry in others if _spare(largest.upright, geometry.upright) < _MIN_SPARE]
    if near:
        whole = _whole(reader, descriptor, ref, spec, deadline)
    else:
        whole = deadline.watch(reader.load(descriptor, ref, largest, 1))
    scaled = keep_tiny(deadline.watch(scale(whole, spec)).copy_memory(), spec)
    made = [_finished(scaled, spec, effort, deadline)]
    for rendition, geometry in others:
        deadline.watch_only(scaled)
        spec = Spec(rendition.options, rendition.format, geometry)
        image = deadline.watch(scale(whole if geometry in near else scaled, spec))
        made.append(_finished(image, spec, effort, deadline))
    return made


def reduced(
    reader: Reader, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str, deadline: Deadline
) -> tuple[list[bytes], list[pyvips.Image]]:
    """Return the source of *rendition*, reduced to *sizes*: encoded as *format*, and in memory."""
    # Lower the headroom, so that the decoder shrinks as much as for the largest rendition from the copy.
    reader = replace(reader, headroom=max(1, reader.headroom / SPARE_OF_COPIES))
    largest = Geometry(sizes[0], sizes[0])
    image = deadline.watch(reader.load(descriptor, rendition.source.ref, largest, 1))
    copies, pictures = [], []
    for size in sizes:
        image = deadline.watch(scale(image, Spec(rendition.options, rendition.format, Geometry(size, size))))
        image = image.copy_memory()
        deadline.watch_only(image)
        kept = "tiff" if image.hasalpha() else format
        copies.append(write(image, kept, 0, _COPIES[kept]))
        pictures.append(image)
    return copies, pictures


def render_reduced(pictures: Sequence[pyvips.Image], spec: Spec, effort: str, deadline: Deadline) -> bytes:
    """Render from the smallest of *pictures*, the result of `reduced`, that is large enough."""
    wanted = spec.geometry.upright
    suitable = (each for each in reversed(pictures) if _spare(upright_size(each), wanted) >= SPARE_OF_COPIES)
    scaled = keep_tiny(deadline.watch(scale(next(suitable, pictures[0]), spec)), spec)
    return _finished(scaled, spec, effort, deadline)


def reader_of_copies(reader: Reader) -> Reader:
    """Return a reader for copies made by `reduced`, whatever formats sources may have. It refuses broken files.

    Copies are never overwritten in place, so they can be mapped.
    """
    return replace(reader, inputs=(*_COPIES,), fail_on="error", maps_files=True)


def _finished(
    image: pyvips.Image,
    spec: Spec,
    effort: str,
    deadline: Deadline,
) -> bytes:
    """Apply the steps that follow after `scale` to *image*, and encode the result."""
    for step in (turn, *FINISH):
        image = deadline.watch(step(image, spec))
    return encode(image, spec, effort, deadline.watch)


def _whole(reader: Reader, descriptor: int, ref: str, spec: Spec, deadline: Deadline) -> pyvips.Image:
    """Return an upright picture in memory that is large enough for members about as large as the one of *spec*."""
    least = Size(*(math.ceil(_MIN_SPARE * side) for side in spec.geometry.upright))
    # Lower the headroom, so that the decoder shrinks as much as for the largest member alone.
    reader = replace(reader, headroom=reader.headroom / _MIN_SPARE)
    image = deadline.watch(reader.load(descriptor, ref, Geometry(least, least), 1))
    size = upright_size(image)
    if size.pixels > _MAX_PIXELS:
        size = least
    return deadline.watch(scale(image, replace(spec, geometry=Geometry(size, size)))).copy_memory()


def _spare(made: Size, wanted: Size) -> float:
    """Return how many times as large as *wanted* a picture of the size *made* is, per side."""
    return min(made.width / wanted.width, made.height / wanted.height)
