"""Write the HTML of a picture: ``<img>``, ``<source>`` and ``<style>`` elements with escaped attributes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from ..errors import shown
from ..formats import Format
from ..geometry import region
from ..options.options import DEFAULTS, Options
from ..options.values import Mode
from .arguments import Keywords, LayoutRequest
from .calls import advise
from .compat import whole_sides
from .html import element
from .picture import Picture, ResponsivePicture
from .responsive import Layout

# With these options, a picture no longer looks like its placeholder, which shows the whole source unchanged. Of that,
# a region shows a part, see `_part`.
_CHANGING = (
    "transform",
    "trim",
    "rotate",
    "flip",
    "brightness",
    "contrast",
    "saturation",
    "padding",
    "border",
    "radius",
)
_BACKGROUND_SIZE = {
    Mode.RESHAPE: "center/100% 100%",
    Mode.CROP: "center/cover",
    Mode.FIT: "center/cover",
    Mode.PAD: "center/contain",
}
_STYLE = {
    Layout.CONSTRAINED: "max-width:100%;height:auto",
    Layout.FULL: "width:100%;height:auto",
}


class Image(NamedTuple):
    """The attributes of an ``<img>``, and a ``<style>`` element to put before it, which may be empty."""

    attributes: dict[str, Any]
    style: Markup = Markup()


def plain_attributes(picture: Picture, keywords: Keywords) -> dict[str, Any]:
    """Return the attributes of an ``<img>`` that offers one rendition, as Flask-Images wrote them."""
    options, attributes, size = keywords.options, keywords.attributes, picture.size
    sides_are_given = bool(
        options.get("enlarge")
        and options.get("width")
        and options.get("height")
        and options.get("mode") in (None, Mode.RESHAPE, Mode.CROP)
    )
    dense = picture.at_density(keywords.scale, keywords.hidpi) if keywords.scale else None
    attributes["data-hidpi-scale"] = keywords.scale if dense or not keywords.scale else False
    if size is not None:
        attributes["data-original-width"] = None if sides_are_given else size.image_width
        attributes["data-original-height"] = None if sides_are_given else size.image_height
        attributes["width"], attributes["height"] = size.width, size.height
    elif (expected := picture.expected_size) is not None:
        attributes["width"], attributes["height"] = expected
    attributes["src"] = dense.url() if dense else picture.url(**whole_sides(options))
    return attributes


def responsive_image(
    picture: ResponsivePicture, request: LayoutRequest, given: Mapping[str, Any], offered: Sequence[Format] = ()
) -> Image:
    """Return the ``<img>`` of *picture* in the layout of *request*.

    The attributes *given* by the template override the attributes of the layout. *offered* are further formats that the
    browser may choose.
    """
    _report_full_size(picture, request)
    offer = picture.offer(request)
    attributes: dict[str, Any] = {
        "decoding": "async",
        "loading": "eager" if request.priority else "lazy",
        "fetchpriority": "high" if request.priority else None,
        "src": offer.src,
    }
    size = picture.shown or picture.expected_size
    if size is not None:
        attributes["width"], attributes["height"] = size
    styles = [_STYLE[request.layout]] if request.layout in _STYLE else []
    if request.placeholder in ("color", "lqip"):
        styles += _background(picture, request.placeholder, offered)
    elif request.placeholder and picture.shown is not None:
        attributes[f"data-{request.placeholder}"] = picture.placeholder(request.placeholder)
    attributes |= {**given, "sizes": None}
    attributes |= offer.attributes(given.get("sizes"), lazy=attributes["loading"] == "lazy")
    nonce = attributes.pop("nonce", None)
    return _styled(attributes, ";".join(styles), nonce)


def sources(
    picture: ResponsivePicture,
    request: LayoutRequest,
    formats: Sequence[Format | None],
    *,
    lazy: bool,
    sizes: str | None,
    media: str | None,
) -> list[Markup]:
    """Return a ``<source>`` of *picture* for each of *formats*.

    None stands for the picture's own format, and adds no ``format`` to the URL. The picture's own format, and
    formats that it cannot become, are skipped. The list is empty if the size of the picture is unknown.
    """
    if picture.shown is None:
        return []
    elements = []
    for format in formats:
        if format is picture.format or not (format is None or picture.can_become(format)):
            continue
        offer = picture.offer(request, format)
        attributes = {
            "media": media,
            "type": format and format.media_type,
            **offer.attributes(sizes, lazy=lazy),
            "srcset": offer.srcset or offer.src,
            "width": picture.shown.width,
            "height": picture.shown.height,
        }
        elements.append(element("source", attributes))
    return elements


def _report_full_size(picture: ResponsivePicture, request: LayoutRequest) -> None:
    """Log what to do if the ``src`` is as large as the source, only because no size was given."""
    if request.layout is Layout.FULL or request.widths or any(map(picture.keywords.get, ("width", "height"))):
        return
    size = "" if picture.shown is None else f", {picture.shown.width}×{picture.shown.height} pixels"
    advise(
        "full size",
        f"layout={str(request.layout)!r} without width shows {shown(picture.ref)} in its full size{size}: pass its "
        "width in the page, such as width=400, or layout='full'",
    )


def _styled(attributes: dict[str, Any], style: str, nonce: object) -> Image:
    """Return the image with *style* in its ``style`` attribute or, if *nonce* is given, in a ``<style>`` element.

    A Content-Security-Policy without ``unsafe-inline`` forbids the attribute; a nonce can allow only an element.
    """
    if not style or attributes.get("style") is False:
        return Image(attributes)
    if nonce is None or nonce is False:
        attributes["style"] = ";".join(map(str, filter(None, (style, attributes.get("style")))))
        return Image(attributes)
    name = "resized-" + hashlib.blake2b(style.encode(), digest_size=6).hexdigest()
    attributes["class"] = " ".join(map(str, filter(None, (name, attributes.get("class")))))
    rule = Markup(f".{name}{{{style}}}")  # noqa: S704  (made of layouts, colours and Base64)
    # Pass the nonce as a plain string: Markup would not be escaped.
    return Image(attributes, Markup('<style nonce="{}">{}</style>').format(str(nonce), rule))


def _background(picture: ResponsivePicture, kind: str, offered: Sequence[Format]) -> list[str]:
    """Return the style that draws a placeholder behind the picture.

    It is empty if the placeholder would show through a transparent picture, or would look different from the picture.
    """
    options = picture.options
    whole = all(getattr(options, name) == DEFAULTS[name] for name in _CHANGING)
    clear_canvas = options.mode is Mode.PAD and options.background[3] < 255
    formats = (options.format or picture.format, *offered)
    transparent = (picture.alpha or clear_canvas) and any(format.alpha for format in formats)
    if picture.shown is None or not whole or transparent:
        return []
    shown = _BACKGROUND_SIZE[options.mode] if options.region is None else _part(picture, options)
    if shown is None or (kind == "color" and options.region is not None):
        return []
    value = picture.placeholder(kind)
    if value is None:
        return []
    return [f"background:{value}" if kind == "color" else f"background:url({value}) {shown} no-repeat"]


def _part(picture: ResponsivePicture, options: Options) -> str | None:
    """Return the position and size of a background that shows the region of *options* and nothing else.

    Returns None if the picture may show less than its region, because it is cropped, or more, because it is padded.
    """
    if picture.known is None or options.mode not in (Mode.RESHAPE, Mode.FIT):
        return None
    whole = picture.known.header.size
    box = region(whole, options)
    across, down = _percent(box.left, whole.width - box.width), _percent(box.top, whole.height - box.height)
    return f"{across} {down}/{_percent(whole.width, box.width)} {_percent(whole.height, box.height)}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.5g}%" if whole else "0%"
