"""Say in words how a rendition is made: the geometry, the steps in their order, and the encoder's number."""

from __future__ import annotations

from collections.abc import Iterator

from ...engines.encoder_settings import number_of
from ...engines.engine import Header
from ...formats import NEGOTIABLE, Format, Raw
from ...geometry import Geometry, Size
from ...options.options import DEFAULTS, Options
from ...options.values import Colour

_COLOURS = ("saturation", "brightness", "contrast")
_EFFECTS = ("blur", "sharpen")


def steps(header: Header, options: Options, geometry: Geometry, format: Format) -> Iterator[str]:
    """Yield what is done to a source with this *header*, laid out as *geometry*, in the order in which it is done."""
    options = options.settled()
    yield f"decode: {header.format}, {_size(header.size)} upright{_animation(header, format, options)}"
    if options.transform is not None:
        yield f"transform: {options.transform}"
    if geometry.cut is not None:
        cut = geometry.cut
        yield f"cut: {_size(cut.size)} at {cut.left}, {cut.top}{' (what trim leaves)' if options.trim else ''}"
    whole = geometry.cut.size if geometry.cut is not None else header.size
    if geometry.upright != whole:
        yield f"scale: to {_size(geometry.upright)}"
    if geometry.turn.angle or geometry.turn.mirrored:
        yield f"turn: by {geometry.turn.angle}° clockwise{', then mirror' if geometry.turn.mirrored else ''}"
    yield from _options(options, _COLOURS)
    if geometry.canvas != geometry.scaled:
        yield _placed(geometry, options)
    yield from _options(options, _EFFECTS)
    if geometry.mark is not None and options.watermark is not None:
        mark = geometry.mark
        yield f"watermark: {options.watermark.ref}, {_size(mark.size)} at {mark.left}, {mark.top}"
    if options.text is not None:
        yield f"text: {options.text.content!r} in the style {options.text_style}"
    if any(geometry.padding):
        yield f"padding: {', '.join(map(str, geometry.padding))} pixels"
    if geometry.border:
        yield f"border: {geometry.border} pixels"
    if geometry.radius:
        yield f"radius: {geometry.radius} pixels"
    yield f"encode: {format.name}, {_size(geometry.final)}{_quality(options, format)}"


def _options(options: Options, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = getattr(options, name)
        if value != DEFAULTS[name]:
            yield f"{name}: {value}"


def _placed(geometry: Geometry, options: Options) -> str:
    canvas, scaled = geometry.canvas, geometry.scaled
    crops = canvas.width < scaled.width or canvas.height < scaled.height
    left, top = geometry.offset
    if not crops:
        return f"pad: to {_size(canvas)}, the picture at {left}, {top}, on {_colour(options.background)}"
    if options.gravity.smart and geometry.at is None:
        found = "the faces are" if options.seeks_faces else f"libvips finds {options.gravity}"
        return f"crop: to {_size(canvas)}, where {found}"
    return f"crop: to {_size(canvas)} at {-left}, {-top}"


def _animation(header: Header, format: Format, options: Options) -> str:
    if header.frames < 2:
        return ""
    kept = format.animated and options.animated
    return f", {header.frames} frames" + ("" if kept else "; only the first is used")


def _quality(options: Options, format: Format) -> str:
    if not format.lossy or options.lossless:
        return ", lossless" if options.lossless else ""
    limit = f", at most {options.max_bytes:,} bytes" if options.max_bytes is not None else ""
    if isinstance(options.quality, Raw):
        return f", the encoder's quality {options.quality.number}{limit}"
    own = f" (the encoder gets about {number_of(format.name, options.quality)})" if format.name in NEGOTIABLE else ""
    return f", quality {options.quality}{own}{limit}"


def _colour(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour) if colour.alpha else "transparent"


def _size(size: Size) -> str:
    return f"{size.width}×{size.height}"
