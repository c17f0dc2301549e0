"""Draw the text of a picture, in the same way for all engines."""

from __future__ import annotations

from ...geometry import Size
from ...rendition import Rendition
from ..engine import Overlay


def draw_text(rendition: Rendition, canvas: Size) -> Overlay | None:
    """Return the text of *rendition* for a *canvas* in pixels, or None if it has none.

    Raises:
        UnsupportedSource: If a file of its font is no font.
    """
    if rendition.options.text is None or rendition.lettering is None:
        return None
    from .drawing import drawn_text  # noqa: PLC0415  (few pictures have a text)

    return drawn_text(rendition.options.text.content, rendition.lettering, canvas, rendition.source.ref)
