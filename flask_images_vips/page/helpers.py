"""The functions that templates call.

The sizes in the HTML are computed by the same code that lays out the renditions, so they always match.

A missing picture, a name that no picture can have or an invalid value never breaks a page: the helpers omit what
depends on it, and log one line. They raise errors only for an unknown preset, which may hide a part of the picture, and
for contradictory keywords.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response, after_this_request
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from .. import urls
from ..errors import shown
from ..formats import by_name
from ..state import current_images
from .arguments import Keywords, LayoutRequest, asks_for_layout, formats_of, placeholder_kind, sources_of
from .calls import given, helper, warn
from .compat import as_in_flask_images
from .hints import link_header, preload_attributes, send_early
from .html import element
from .links import ref_of
from .picture import Picture, ResponsivePicture
from .queries import query_of, report
from .responsive import Layout
from .rights import add_alt, image_object, rights_of
from .size import ImageSize
from .tags import Image, plain_attributes, responsive_image
from .tags import sources as source_elements

Name = str | os.PathLike[str]
"""The path of a picture below ``IMAGES_PATH``, or a URL."""

_FORMATS = by_name("avif"), by_name("webp")
_OF_SOURCE = ("media", "path", "sizes")


@as_in_flask_images(method="build_url")
@helper
def resized_img_src(filename: Name, **keywords: Any) -> str:
    """Return the URL of *filename*, rendered with the options *keywords*."""
    return Picture(filename, Keywords.sort(keywords).options).url()


@as_in_flask_images(method="calculate_size")
@helper
def resized_img_size(filename: Name, **keywords: Any) -> ImageSize | None:
    """Return the size at which *filename* is rendered, or None if it is unknown.

    With ``trim``, it is known from the second visit on, because a page does not wait for the pixels of a source.
    Outside of a request, it is found at once.
    """
    options = Keywords.sort(keywords).options
    report(query_of(options))
    return Picture(filename, options).size


@as_in_flask_images("hidpi", "width", "height", "enlarge")
@helper
def resized_img_attrs(filename: Name, **keywords: Any) -> dict[str, Any]:
    """Return the attributes of the ``<img>`` of `resized_img_tag`."""
    if asks_for_layout(keywords):
        keywords["nonce"] = None  # write the style as an attribute, because only attributes are returned
    return _image(filename, keywords).attributes


@as_in_flask_images()
@helper
def resized_img_tag(filename: Name, **keywords: Any) -> str:
    """Return the ``<img>`` of *filename*, as `Markup` unless ``IMAGES_MARKUP`` is false.

    Attributes with the value None or False are omitted. Without ``alt``, the tag has that of the record that the
    function of `Images.rights` returns.

    ``hidpi=2`` requests twice the width and height, if the source is large enough or ``enlarge`` is true. Keywords that
    begin with ``hidpi_`` then replace other options, and the quality is 60 unless one is given. The ``width`` and
    ``height`` attributes are not multiplied. They are omitted if the size is unknown, as it is at the first visit with
    ``trim``. For a remote image that has not been fetched yet, they are taken from the options, except with
    ``mode='fit'``.

    With ``layout``, ``priority``, ``placeholder``, ``widths`` or ``densities``, the tag offers several renditions:

    - ``layout``: ``constrained`` (the requested width, or the width of the container if that is smaller), ``fixed``
      (always the requested width), or ``full`` (the width of the container).
    - ``sizes``: the ``sizes`` attribute, instead of the default for the layout.
    - ``priority``: load this picture at once and with high priority. Use it for the largest picture at the top of the
      page; other tags with one of these keywords get ``loading="lazy"``.
    - ``widths``: the widths to offer, in pixels, instead of the default for the layout.
    - ``densities``: the pixel densities to offer, such as ``[1, 2]``.
    - ``placeholder``: ``color`` or ``lqip`` is shown until the picture has been loaded; ``blurhash`` or ``thumbhash``
      becomes a ``data-`` attribute. The page of the first visit may lack it, see `resized_img_placeholder`.
    - ``nonce``: the nonce of the page's ``style-src``. The style then goes into a ``<style>`` element.
    """
    image = _image(filename, keywords)
    tag = element("img", image.attributes)
    if image.style:
        tag = image.style + tag
    return tag if current_images().pipeline.config.markup else str(tag)


@helper
def resized_picture_tag(
    filename: Name,
    formats: str | Sequence[str] | None = None,
    sources: Sequence[Mapping[str, Any]] | None = None,
    **keywords: Any,
) -> Markup:
    """Return a ``<picture>``: the ``<img>`` of `resized_img_tag`, after a ``<source>`` for each alternative.

    *formats* are names of formats, best first, by default AVIF and, at a quality that it can reach, WebP. The browser
    uses the first one that it supports. Formats that cannot be written here are omitted. *sources* are alternatives for
    other screens: mappings with a ``media`` query, and with the ``path``, options and layout that differ from the
    ``<img>``.
    """
    named = formats_of(formats)
    call = Keywords.sort(keywords)
    request = LayoutRequest.take_from(call.options)
    picture = ResponsivePicture(filename, call.options, formats=False)  # the browser chooses among those that are named
    add_alt(picture.ref, call.attributes)
    if named is None:
        named = [format for format in _FORMATS if picture.looks_as_asked(format)]
    if current_images().pipeline.presets.only:
        named = []  # URLs with an added format match no preset, so they would be refused
    image = responsive_image(picture, request, call.attributes, named)
    lazy, sizes = image.attributes.get("loading") == "lazy", keywords.get("sizes")
    parts: list[Markup] = []
    for source in sources_of(sources):
        media, own_sizes = source.get("media"), source.get("sizes", sizes)
        other = _directed(picture, request, given(source))
        if other is not None:
            parts += source_elements(*other, [*named, None], lazy=lazy, sizes=own_sizes, media=media)
    parts += source_elements(picture, request, named, lazy=lazy, sizes=sizes, media=None)
    inside = Markup().join([*parts, element("img", image.attributes)])
    return image.style + Markup("<picture>{}</picture>").format(inside)


@helper
def resized_img_srcset(
    filename: Name, widths: Sequence[int] | None = None, densities: Sequence[float] | None = None, **keywords: Any
) -> Markup:
    """Return the value of a ``srcset``: *filename* at *widths* in pixels, or at *densities* times its size."""
    options = Keywords.sort(keywords).options | {"widths": widths, "densities": densities}
    request = LayoutRequest.take_from(options)
    offer = ResponsivePicture(filename, options).offer(request)
    return Markup.escape(offer.srcset or offer.src)


@helper
def resized_img_preload(filename: Name, **keywords: Any) -> Markup:
    """Return a ``<link rel="preload">`` for the ``<img>`` that `resized_img_tag` writes for the same keywords.

    For a ``<picture>``, pass its first format as ``format``: browsers that do not support it ignore the link. ``media``
    becomes an attribute of the link.
    """
    return element("link", {"rel": "preload", "as": "image", **preload_attributes(filename, keywords)})


@helper
def resized_img_hint(filename: Name, **keywords: Any) -> None:
    """Add the link of `resized_img_preload` to the ``Link`` header of the current response.

    With ``IMAGES_EARLY_HINTS``, and a server that supports ``wsgi.early_hints`` (such as gunicorn 25), the link is also
    sent at once, in a 103 response. Call this at the start of a view, so that the browser fetches the picture while the
    view is still running.
    """
    link = link_header(preload_attributes(filename, keywords))

    @after_this_request
    def add(response: Response) -> Response:
        response.headers.add("Link", link)
        return response

    if current_images().pipeline.config.early_hints:
        send_early(link)


@helper
def resized_img_placeholder(filename: Name, kind: str = "lqip") -> str | None:
    """Return a placeholder to show until *filename* has been loaded, or None if it is not known yet or cannot be made.

    A page does not wait for it. It is made when the picture is rendered, or later in the background, so the next visit
    has it. Outside of a request, it is made at once.

    ``lqip`` is a tiny picture as a data URL, and ``color`` is the mean colour as ``#rrggbb``. ``blurhash``, and
    ``thumbhash`` in Base64, are strings that a script in the page turns into a picture. Placeholders are cached per
    version of the source.
    """
    known_kind = placeholder_kind("kind", kind)
    if known_kind is None:
        return None
    picture = Picture(filename, {})
    if picture.source is None and picture.ref != urls.NO_PICTURE:
        warn("no placeholder for image %s: it is missing, or not fetched yet", shown(picture.ref))
    return picture.placeholder(known_kind)


@helper
def resized_img_json_ld(filename: Name, **keywords: Any) -> Markup:
    """Return a ``<script>`` that tells search engines who made *filename*, who may use it, and what it shows.

    It holds an ``ImageObject`` of schema.org, made of the record that the function of `Images.rights` returns. It is
    empty if that returns None. *keywords* are those of `resized_img_src`; the URL is absolute. Outside of a request,
    that needs ``SERVER_NAME`` or ``IMAGES_BASE_URL``.
    """
    picture = Picture(filename, {"external": True, **Keywords.sort(keywords).options})
    record = rights_of(picture.ref)
    if record is None:
        return Markup()
    data = htmlsafe_json_dumps(image_object(picture, record), ensure_ascii=False)
    return Markup('<script type="application/ld+json">{}</script>').format(data)


HELPERS: tuple[Callable[..., Any], ...] = (
    resized_img_src,
    resized_img_size,
    resized_img_attrs,
    resized_img_tag,
    resized_img_srcset,
    resized_picture_tag,
    resized_img_preload,
    resized_img_placeholder,
    resized_img_json_ld,
)
"""The helpers that templates can call by name. `resized_img_hint` is for views."""


def _image(filename: Name, keywords: Mapping[str, Any]) -> Image:
    call = Keywords.sort(keywords)
    if not asks_for_layout(keywords):
        plain = Picture(filename, call.options)
        add_alt(plain.ref, call.attributes)
        return Image(plain_attributes(plain, call))
    request = LayoutRequest.take_from(call.options)
    picture = ResponsivePicture(filename, call.options)
    add_alt(picture.ref, call.attributes)
    return responsive_image(picture, request, call.attributes)


def _directed(
    picture: ResponsivePicture, request: LayoutRequest, source: Mapping[str, Any]
) -> tuple[ResponsivePicture, LayoutRequest] | None:
    """Return the picture and the layout of *source*, an element of ``sources`` in `resized_picture_tag`.

    *picture* and *request* are the picture and the layout of the ``<img>``; *source* overrides parts of them. Return
    None if the element names the same file as the ``<img>``, and that file is missing or not fetched yet.
    """
    layout = {"layout": request.layout, "widths": request.widths}
    inherited = dict(picture.keywords)
    if "aspect" in source:  # the sides of the <img> may be those of its own aspect
        inherited.pop("height", None)
        if "height" in source or request.layout is Layout.FULL:
            inherited.pop("width", None)
    options = inherited | layout | {name: value for name, value in source.items() if name not in _OF_SOURCE}
    own_request = LayoutRequest.take_from(options)
    ref = ref_of(source["path"]) if "path" in source else picture.ref
    if picture.source is None and ref == picture.ref:
        return None
    options = current_images().pipeline.presets.expanded(options)
    return ResponsivePicture(ref, options, same=picture, formats=False), own_request
