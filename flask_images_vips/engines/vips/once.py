"""Make several renditions from one decode with libvips: sets of sizes, and reduced copies of a source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyvips

from ...geometry import Geometry, Size
from ...rendition import Rendition
from ..engine import Spec
from .deadline import Deadline
from .effects import turn
from .reader import Reader, upright_size
from .steps import FINISH, scale
from .writer import encode

# How copies are encoded. An uncompressed one is read three times as fast; a JPEG takes a tenth of the disk.
_COPIES: dict[str, dict[str, Any]] = {"tiff": {"compression": "none"}, "jpeg": {"Q": 92, "subsample_mode": "off"}}

# How much larger, per side, a member of a set must be than another that is made from it. Copies leave as much.
_LEAST_SPARE = 1.24
# Up to this many pixels, a picture for several members is kept as it was decoded: scaling it first would cost more.
_MOST_PIXELS = 8_000_000


def render_set(
    reader: Reader,
    descriptor: int,
    members: Sequence[tuple[Rendition, Geometry]],
    settings: Mapping[str, Mapping[str, Any]],
    deadline: Deadline,
) -> list[bytes]:
    """As `DecodesOnce.render_set`. The smaller members are made from the largest, once that is scaled.

    Members hardly smaller than the largest are made from a larger picture instead, which takes memory.
    """
    (rendition, largest), *others = members
    ref, spec = rendition.source.ref, Spec(rendition.options, rendition.format, largest)
    near = [geometry for _, geometry in others if not _has_spare(largest.upright, geometry.upright)]
    if near:
        whole = _whole(reader, descriptor, ref, spec, deadline)
    else:
        whole = deadline.watch(reader.load(descriptor, ref, largest, 1))
    scaled = deadline.watch(scale(whole, spec)).copy_memory()
    made = [_finished(scaled, spec, settings, deadline)]
    for rendition, geometry in others:
        deadline.watch_only(scaled)
        spec = Spec(rendition.options, rendition.format, geometry)
        image = deadline.watch(scale(whole if geometry in near else scaled, spec))
        made.append(_finished(image, spec, settings, deadline))
    return made


def reduced(
    reader: Reader, descriptor: int, rendition: Rendition, sizes: Sequence[Size], format: str, deadline: Deadline
) -> list[bytes]:
    """As `DecodesOnce.reduced`."""
    largest = Geometry(sizes[0], sizes[0])
    image = deadline.watch(reader.load(descriptor, rendition.source.ref, largest, 1))
    copies = []
    for size in sizes:
        image = deadline.watch(scale(image, Spec(rendition.options, rendition.format, Geometry(size, size))))
        if size != sizes[-1]:
            image = image.copy_memory()  # the next copy is made from it too
        kept = "tiff" if image.hasalpha() else format
        copies.append(image.write_to_buffer("." + kept, keep="none", **_COPIES[kept]))
    return copies


def reader_of_copies(reader: Reader) -> Reader:
    """A reader for files that `reduced` made, whatever formats sources may have. A broken copy is of no use."""
    return replace(reader, inputs=(*_COPIES,), fail_on="error")


def _finished(
    image: pyvips.Image,
    spec: Spec,
    settings: Mapping[str, Mapping[str, Any]],
    deadline: Deadline,
) -> bytes:
    """Encode a picture that is scaled already, after all other steps."""
    for step in (turn, *FINISH):
        image = deadline.watch(step(image, spec))
    return encode(image, spec, settings)


def _whole(reader: Reader, descriptor: int, ref: str, spec: Spec, deadline: Deadline) -> pyvips.Image:
    """An upright picture in memory, for several members about as large as *spec*'s."""
    least = Size(*(math.ceil(_LEAST_SPARE * side) for side in spec.geometry.upright))
    # The decoder shrinks by as much as it would for the largest member alone.
    reader = replace(reader, headroom=reader.headroom / _LEAST_SPARE)
    image = deadline.watch(reader.load(descriptor, ref, Geometry(least, least), 1))
    size = upright_size(image)
    if size.pixels > _MOST_PIXELS:
        size = least
    return deadline.watch(scale(image, replace(spec, geometry=Geometry(size, size)))).copy_memory()


def _has_spare(made: Size, wanted: Size) -> bool:
    """Whether a picture of the size *made* is large enough to make a good one of the size *wanted* from it."""
    return min(made.width / wanted.width, made.height / wanted.height) >= _LEAST_SPARE
