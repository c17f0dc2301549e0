"""Check an SVG drawing and draw it with libvips."""

from __future__ import annotations

import io
from xml.parsers import expat

from ...errors import LimitExceeded, UnreadableSource
from .load import pyvips

_MAX_BYTES = 1_000_000
_MAX_ELEMENTS = 50_000
# Units such as inches have 96 dpi, as in CSS. libvips also enlarges the whole drawing by the ratio to its own 72 dpi.
_DPI, _OWN_DPI = 96, 72


def open_svg(descriptor: int, ref: str, *, scale: float = 1.0) -> pyvips.Image:
    """Draw an SVG from memory. Given a file or a stream, librsvg would also read files next to it."""
    with io.FileIO(descriptor, closefd=False) as file:
        file.seek(0)
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise LimitExceeded("the SVG has {:,} bytes", len(data), _MAX_BYTES, set_by="this package")
    _check_drawing(data, ref)
    return pyvips.Image.svgload_buffer(data, scale=scale * _OWN_DPI / _DPI, dpi=_DPI)


def _check_drawing(data: bytes, ref: str) -> None:
    """Refuse an SVG that declares entities or embeds pictures, because no limit covers their size.

    A compressed SVG is refused, too.

    Raises:
        UnreadableSource: If the drawing is refused, or is not XML.
        LimitExceeded: If it has too many elements.
    """
    elements = 0

    def start(name: str, attributes: object) -> None:
        nonlocal elements
        elements += 1
        if elements > _MAX_ELEMENTS:
            raise LimitExceeded("the SVG has at least {:,} elements", elements, _MAX_ELEMENTS, set_by="this package")
        if name.rpartition(" ")[2] in ("image", "feImage"):
            raise UnreadableSource(ref, "an SVG with embedded pictures")

    def declare(*entity: object) -> None:
        raise UnreadableSource(ref, "an SVG that declares entities")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EntityDeclHandler = start, declare
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableSource(ref, f"not XML: {error}") from error
