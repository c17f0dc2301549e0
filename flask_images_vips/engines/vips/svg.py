"""Check an SVG drawing and draw it with libvips."""

from __future__ import annotations

import io
from xml.parsers import expat

from ...errors import UnreadableSource
from ...headers import xml
from .load import pyvips

# Units such as inches have 96 dpi, as in CSS. libvips also enlarges the whole drawing by the ratio to its own 72 dpi.
_DPI, _OWN_DPI = 96, 72


def open_svg(descriptor: int, ref: str, *, scale: float = 1.0) -> pyvips.Image:
    """Draw an SVG from memory. Given a file or a stream, librsvg would also read files next to it."""
    with io.FileIO(descriptor, closefd=False) as file:
        file.seek(0)
        data = file.read(xml.MAX_BYTES + 1)
    xml.check_bytes(len(data))
    _check_drawing(data, ref)
    return pyvips.Image.svgload_buffer(data, scale=scale * _OWN_DPI / _DPI, dpi=_DPI)


def _check_drawing(data: bytes, ref: str) -> None:
    """Refuse an SVG that declares entities or attributes or embeds pictures, because no limit covers their size.

    A compressed SVG is refused, too.

    Raises:
        UnreadableSource: If the drawing is refused, or is not XML.
        LimitExceeded: If it has too many elements, or too many attributes of one element.
    """
    xml.check_tags(data)
    elements = 0

    def start(name: str, attributes: object) -> None:
        nonlocal elements
        elements += 1
        xml.check_elements(elements)
        if name.rpartition(" ")[2] in ("image", "feImage"):
            raise UnreadableSource(ref, "an SVG with embedded pictures")

    def declare(*declaration: object) -> None:
        raise xml.declaring(ref)

    parser = expat.ParserCreate(namespace_separator=" ")
    # Every element of a name gets the declared attributes of that name.
    parser.StartElementHandler, parser.EntityDeclHandler, parser.AttlistDeclHandler = start, declare, declare
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableSource(ref, f"not XML: {error}") from error
