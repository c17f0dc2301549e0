"""Read the size of an SVG drawing: the one that a browser gives to an ``<img>`` without a size.

Only the root element is parsed. An SVG that is drawn as pixels has another size if it states none: see `engines.vips`.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress

from ..errors import UnreadableSource
from ..geometry import Size
from . import xml
from .bounded import MAX_BYTES, BoundedFile
from .header import FileHeader

NAMESPACE = "http://www.w3.org/2000/svg"
ROOT = f"{NAMESPACE} svg"

_WIDTH, _HEIGHT = 300, 150  # of an image without a size, as CSS says
_FIRST = 2048  # bytes: hold the root element of most files
_MAX_SIDE = 2**31 - 1
# Pixels in each unit at 96 dpi, with a font of 16 px.
_UNITS = {
    "": 1.0,
    "px": 1.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "q": 96 / 101.6,
    "pt": 96 / 72,
    "pc": 16.0,
    "em": 16.0,
    "rem": 16.0,
    "ex": 8.0,
    "ch": 8.0,
}
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_LENGTH = re.compile(rf"\s*({_NUMBER})([a-zA-Z]*)\s*", re.ASCII)
_NUMBERS = re.compile(rf"(?:\s*,)?\s*({_NUMBER})", re.ASCII)


class _Found(Exception):
    """The root element, whose attributes are all that is needed."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        super().__init__(name)
        self.name = name
        self.attributes = attributes


def read(file: BoundedFile) -> FileHeader:
    """Return the size in pixels of the SVG *file*, with the format ``svg``.

    Few bytes are parsed, so its attributes need no limit of their own.

    Raises:
        UnreadableSource: If it is not an SVG, or its root element does not begin within the bytes that are read.
        NotKnown, SourceChanged, Busy: As `BoundedFile.read`.
    """

    def start(name: str, attributes: list[str]) -> None:
        raise _Found(name, dict(zip(attributes[::2], attributes[1::2], strict=True)))

    parser, done = xml.parser(file.ref, start), 0
    try:
        for end in (min(_FIRST, file.size), min(MAX_BYTES // 2, file.size)):
            data = file.read(done, end - done)
            xml.parse(parser, data, file.ref, is_final=end == file.size)
            done = end
    except _Found as found:
        if found.name != ROOT:
            raise not_svg(file.ref, found.name) from None
        return FileHeader(drawn_size(found.attributes), "svg", alpha=True)
    raise file.broken(f"the <svg> element of the SVG does not begin within {MAX_BYTES // 2:,} bytes")


def not_svg(ref: str, name: str) -> UnreadableSource:
    """Return the error for the file *ref* whose root element is *name*, with its namespace."""
    space, _, local = name.rpartition(" ")
    where = f"in the namespace {space[:80]!r}" if space else "without a namespace"
    return UnreadableSource(
        ref,
        f"the root element is <{local[:40]}> {where}; expected <svg xmlns={NAMESPACE!r}>, which browsers need, too",
    )


def drawn_size(attributes: dict[str, str]) -> Size:
    """Return the size in pixels of an SVG whose root element has *attributes*.

    A side that is missing, or is not a length, follows from the other one and the shape of the ``viewBox``. If both
    are missing, the largest size of that shape within 300×150 pixels is returned. Browsers do not ask style sheets.
    """
    width, height = (_length(attributes.get(side, "")) for side in ("width", "height"))
    box = _view_box(attributes.get("viewBox", ""))
    undistorted = attributes.get("preserveAspectRatio", "").split()[:1] != ["none"]
    ratio = box[2] / box[3] if box is not None and undistorted else None
    if width is None and height is None:
        shape = ratio or _WIDTH / _HEIGHT
        width, height = min(_WIDTH, _HEIGHT * shape), min(_HEIGHT, _WIDTH / shape)
    elif width is None:
        assert height is not None
        width = height * ratio if ratio else _WIDTH
    elif height is None:
        height = width / ratio if ratio else _HEIGHT
    return Size(_whole(width), _whole(height))


def _view_box(text: str) -> tuple[float, float, float, float] | None:
    """Return the four numbers of a ``viewBox``, or None if *text* is not one with an area."""
    numbers: list[float] = []
    position = 0
    while len(numbers) < 4 and (found := _NUMBERS.match(text, position)):
        numbers.append(float(found[1]))
        position = found.end()
    if len(numbers) < 4 or text[position:].strip() or not all(map(math.isfinite, numbers)):
        return None
    left, top, width, height = numbers
    return (left, top, width, height) if width > 0 and height > 0 else None


def _length(text: str) -> float | None:
    found = _LENGTH.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        return None
    with suppress(OverflowError):
        pixels = float(found[1]) * _UNITS[found[2].lower()]
        return max(0.0, pixels) if math.isfinite(pixels) else None
    return None


def _whole(side: float) -> int:
    return max(1, min(_MAX_SIDE, math.floor(side + 0.5)))
