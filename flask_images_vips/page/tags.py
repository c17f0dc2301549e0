"""What does a page say about its pictures? Tags with ``srcset``, ``<picture>``, preloading and placeholders.

All sizes come from the plan of the pixels. As everywhere in templates, what cannot be known is left out, with one line
in the log, and each helper looks at its source once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Response, after_this_request, request
from markupsafe import Markup

from .. import formats, urls
from ..errors import ImagesError, InvalidOption
from ..formats import Format
from ..geometry import Size, plan
from ..options.options import DEFAULTS, Options
from ..options.values import Mode
from ..rendering.placeholders import KINDS
from ..sources.source import Source
from ..state import current_images
from . import helpers as templating
from . import responsive
from .responsive import Layout, Limits

if TYPE_CHECKING:
    from ..engines.engine import Header

logger = logging.getLogger("flask_images_vips")

_RESPONSIVE = ("layout", "priority", "placeholder", "widths", "densities")
_FULL_SRC = 1280  # pixels that are enough for a browser without srcset
# Options that make another picture of a source than its placeholder is of.
_CHANGING = (
    "transform",
    "region",
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
_FIT = {Mode.RESHAPE: "100% 100%", Mode.CROP: "cover", Mode.FIT: "cover", Mode.PAD: "contain"}
_STYLE = {
    Layout.CONSTRAINED: "max-width:100%;height:auto",
    Layout.FULL: "width:100%;height:auto",
}


class _Wishes(NamedTuple):
    """What a template asks for besides the rendition."""

    layout: Layout
    priority: bool
    placeholder: str | None
    widths: Sequence[int] | None
    densities: Sequence[float] | None

    @classmethod
    def taken(cls, keywords: dict[str, Any]) -> _Wishes:
        """Those in *keywords*, which are taken out of it.

        Raises:
            ValueError: there is no such layout or placeholder, or a width or density is no number.
        """
        layout, priority, placeholder, *lists = (keywords.pop(name, None) for name in _RESPONSIVE)
        if layout not in (None, *Layout):
            raise ValueError(f"layout={layout!r}: expected one of {', '.join(Layout)}")
        if placeholder not in (None, False, *KINDS):
            raise ValueError(f"placeholder={placeholder!r}: expected one of {', '.join(KINDS)}")
        for name, given in zip(_RESPONSIVE[-2:], lists, strict=True):
            numbers = given if isinstance(given, (list, tuple, range)) else ["no list"]
            if given and not all(isinstance(each, (int, float)) and 0 < each < 100_000 for each in numbers):
                raise ValueError(f"{name}={given!r}: expected a list of numbers above 0")
        chosen = Layout(layout) if layout else Layout.FIXED if lists[1] else Layout.CONSTRAINED
        return cls(chosen, bool(priority), placeholder or None, *lists)


class _Picture:
    """One source in a template: looked at once, with what is known of it and asked of it.

    *same* is a picture whose source it may be as well.
    """

    def __init__(self, filename: str, options: Mapping[str, Any], same: _Picture | None = None) -> None:
        self.ref = urls.checked_path(filename)
        self.source: Source | None
        if same is not None and same.ref == self.ref:
            self.source = same.source
        else:
            self.source = templating.find(self.ref)
        # The browser chooses by the density of its screen, and what is offered has its sides told.
        self.keywords = {name: value for name, value in options.items() if name != "dpr"}
        self.header: Header | None = None
        self.image: Size | None = None
        self.size: Size | None = None  # in the page, and of the rendition that has one pixel for each of its pixels
        self.options = Options()
        known = templating.known_source(self.ref, self.source, self.keywords)
        if known is not None:
            self.header = known.header
            self.image = known.start
            self.options = responsive.settled(self.image, known.options)
            self.size = plan(self.image, self.options).final
            if "aspect" in self.keywords:
                del self.keywords["aspect"]
                self.keywords |= {"width": self.options.width, "height": self.options.height}
        self.url = templating.url_builder(self.ref, self.source, self.keywords)

    @property
    def alpha(self) -> bool:
        return self.header is not None and self.header.alpha

    @property
    def frames(self) -> int:
        return 1 if self.header is None else self.header.frames

    @property
    def format(self) -> Format:
        return formats.choose(urls.file_name(self.ref, remote=urls.is_remote(self.ref)), self.options.format)

    def offer(self, wishes: _Wishes, format: Format | None = None) -> _Offer:
        """What the browser may choose from, all in *format*, or in the picture's own."""
        size, more = self.size, {} if format is None else {"format": format.name}
        pipeline = current_images().pipeline
        if self.header is None or self.image is None or size is None or pipeline.presets.only:
            return _Offer([(self.url(**more), "")], None, self.url(**more))
        wanted: Iterable[int] = wishes.widths or responsive.widths(wishes.layout, size.width)
        if wishes.densities:
            wanted = [round(size.width * float(density)) for density in wishes.densities]
        by_density = bool(wishes.densities) or (wishes.layout is Layout.FIXED and not wishes.widths)
        served = tuple(pipeline.presets.allowed(map(int, wanted)))
        chosen = format or self.format
        limits = _limits(chosen, pipeline.limits.frames(self.header, self.options, chosen))
        found = responsive.candidates(self.image, self.options, served, limits)
        if len(found) > 1 and self.source is not None:
            pipeline.offer(self.source, self.options, [(each.width, each.height) for each in found])
        offered = [
            (
                self.url(**more, width=each.width, height=each.height),
                f"{each.size.width / size.width:.4g}x" if by_density else f"{each.size.width}w",
            )
            for each in found
        ]
        if not offered:
            return _Offer([(self.url(**more), "")], None, self.url(**more))
        enough = min(size.width, _FULL_SRC) if wishes.layout is Layout.FULL else size.width
        wide = (url for (url, _), each in zip(offered, found, strict=True) if each.size.width >= enough)
        said = None if by_density else responsive.sizes(wishes.layout, size.width)
        return _Offer(offered, said, next(wide, offered[-1][0]))


class _Offer(NamedTuple):
    candidates: list[tuple[str, str]]
    sizes: str | None
    src: str

    @property
    def srcset(self) -> str:
        return ", ".join(f"{url} {descriptor}".rstrip() for url, descriptor in self.candidates)

    def attributes(self, given_sizes: str | None, *, lazy: bool) -> dict[str, Any]:
        """``srcset`` and ``sizes``: where the browser loads lazily it may know the width by then, hence ``auto``."""
        if self.sizes is None or not self.candidates[0][1]:
            return {"srcset": self.srcset if self.candidates[0][1] else None}
        said = str(given_sizes or self.sizes)
        return {"srcset": self.srcset, "sizes": f"auto, {said}" if lazy and not said.startswith("auto") else said}


def resized_img_srcset(
    filename: str, widths: Sequence[int] | None = None, densities: Sequence[float] | None = None, **keywords: Any
) -> Markup:
    """The value of a ``srcset`` attribute: *filename* at *widths* in pixels, or at *densities* times its size."""
    options = templating.split(keywords)[0] | {"widths": widths, "densities": densities}
    wishes = _Wishes.taken(options)
    return Markup.escape(_Picture(filename, options).offer(wishes).srcset)


def resized_img_attrs(filename: str, **keywords: Any) -> dict[str, Any]:
    """The attributes of `resized_img_tag`."""
    if not _is_responsive(keywords):
        return templating.resized_img_attrs(filename, **keywords)
    return _image(filename, keywords | {"nonce": None})[1]


def resized_img_tag(filename: str, **keywords: Any) -> Markup:
    """The ``<img>`` of *filename*. None and False leave an attribute out.

    With ``layout``, ``priority``, ``placeholder``, ``widths`` or ``densities`` it offers several renditions:

    - ``layout``: ``constrained`` (as wide as asked for, and narrower where there is less room), ``fixed``, or ``full``.
    - ``sizes``: as in HTML, where the layout's own is not right.
    - ``priority``: loaded at once and first, for the largest picture that is seen first; the others are loaded lazily.
    - ``placeholder``: ``color`` or ``lqip`` stands behind the picture until it is there; ``blurhash`` or ``thumbhash``
      becomes a ``data-`` attribute.
    - ``nonce``: that of the page's ``style-src``; the style then stands in a ``<style>`` and not in an attribute.

    Raises:
        ValueError: there is no such layout or placeholder.
    """
    if not _is_responsive(keywords):
        return templating.resized_img_tag(filename, **keywords)
    style, attributes, _, _ = _image(filename, keywords)
    return style + templating.element("img", attributes)


def resized_picture_tag(
    filename: str,
    formats: str | Sequence[str] = ("avif", "webp"),
    sources: Sequence[Mapping[str, Any]] = (),
    **keywords: Any,
) -> Markup:
    """A ``<picture>``: the ``<img>`` of `resized_img_tag`, and what comes before it where the browser can use it.

    *formats* are offered in this order. *sources* are other renditions, or other pictures, for other screens: each with
    ``media``, and with the ``path`` and the options that differ.

    Raises:
        ValueError: there is no such layout, placeholder or format.
    """
    named = [_format(name) for name in ((formats,) if isinstance(formats, str) else formats)]
    if current_images().pipeline.presets.only:
        named = []  # none would be served
    style, attributes, picture, wishes = _image(filename, keywords, named)
    lazy, sizes = attributes.get("loading") == "lazy", keywords.get("sizes")
    parts: list[Markup] = []
    for source in sources:
        here = {**picture.keywords, **source}
        media, own_sizes = here.pop("media", None), here.pop("sizes", sizes)
        path = here.pop("path", filename)
        own = {name: here.pop(name) for name in _RESPONSIVE if name in here}
        directed = _Wishes.taken({"layout": wishes.layout, "widths": wishes.widths, **own})
        if urls.checked_path(path) == picture.ref and picture.source is None:
            continue  # said in the log already
        other = _Picture(path, here, same=picture)
        parts += _sources(other, directed, [*named, None], lazy=lazy, sizes=own_sizes, media=media)
    parts += _sources(picture, wishes, named, lazy=lazy, sizes=sizes, media=None)
    inside = Markup().join([*parts, templating.element("img", attributes)])
    return style + Markup("<picture>{}</picture>").format(inside)


def resized_img_preload(filename: str, **keywords: Any) -> Markup:
    """A ``<link rel="preload">`` for the ``<img>`` that `resized_img_tag` gives for the same keywords.

    For a ``<picture>``, give its first ``format``: browsers that cannot read it pass the link over. ``media`` goes to
    the link.
    """
    return templating.element("link", {"rel": "preload", "as": "image", **_preloaded(filename, keywords)})


def resized_img_hint(filename: str, **keywords: Any) -> None:
    """Send what `resized_img_preload` says in the ``Link`` header of the current response.

    Where the server offers ``wsgi.early_hints``, as gunicorn from 25 on does, it is sent at once too, as 103: call this
    at the beginning of a view, and the browser fetches the picture while the view is still at work.
    """
    attributes = dict(_preloaded(filename, keywords))
    href = attributes.pop("href")
    quoted = (f"{name}={_quoted(value)}" for name, value in attributes.items() if value)
    link = "; ".join((f"<{href}>", "rel=preload", "as=image", *quoted))

    @after_this_request
    def add(response: Response) -> Response:
        response.headers.add("Link", link)
        return response

    early: Callable[[list[tuple[str, str]]], None] | None = request.environ.get("wsgi.early_hints")
    if early is not None:
        early([("Link", link)])


def resized_img_placeholder(filename: str, kind: str = "lqip") -> str | None:
    """What may stand in the place of *filename* until it is there; None where it cannot be made.

    ``color`` gives ``#rrggbb``, ``lqip`` a data URL, ``blurhash`` and ``thumbhash`` (in Base64) a text for a script. It
    is made once for each version of the source.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: expected one of {', '.join(KINDS)}")
    ref = urls.checked_path(filename)
    source = templating.find(ref)
    if source is None:
        logger.warning("no placeholder for the image %r in a template: it is not here", ref)
    return _placeholder(ref, source, kind)


HELPERS: tuple[Callable[..., Any], ...] = (
    templating.resized_img_src,
    templating.resized_img_size,
    resized_img_attrs,
    resized_img_tag,
    resized_img_srcset,
    resized_picture_tag,
    resized_img_preload,
    resized_img_placeholder,
)


def _is_responsive(keywords: Mapping[str, Any]) -> bool:
    return any(keywords.get(name) is not None for name in _RESPONSIVE)


def _image(
    filename: str, keywords: Mapping[str, Any], offered: Sequence[Format] = ()
) -> tuple[Markup, dict[str, Any], _Picture, _Wishes]:
    """The ``<style>`` to stand before an ``<img>``, if any, the attributes of that, and what they were made of."""
    options, attributes, _ = templating.split(keywords)
    wishes = _Wishes.taken(options)
    picture = _Picture(filename, options)
    offer = picture.offer(wishes)
    nonce = attributes.pop("nonce", None)
    found: dict[str, Any] = {
        "decoding": "async",
        "loading": "eager" if wishes.priority else "lazy",
        "fetchpriority": "high" if wishes.priority else None,
        "src": offer.src,
    }
    if picture.size is not None:
        found["width"], found["height"] = picture.size
    else:
        found |= templating.expected_size(picture.ref, picture.keywords)
    styles = [_STYLE[wishes.layout]] if wishes.layout in _STYLE else []
    if wishes.placeholder in ("color", "lqip"):
        styles += _background(picture, wishes.placeholder, offered)
    elif wishes.placeholder and picture.size is not None:
        found[f"data-{wishes.placeholder}"] = _placeholder(picture.ref, picture.source, wishes.placeholder)
    found |= attributes | {"sizes": None}
    found |= offer.attributes(attributes.get("sizes"), lazy=found["loading"] == "lazy")
    element = _styled(found, ";".join(styles), nonce)
    return element, found, picture, wishes


def _styled(attributes: dict[str, Any], style: str, nonce: str | None) -> Markup:
    """Lay *style* into *attributes*, or, with a *nonce*, into the element that this gives.

    A policy without ``unsafe-inline`` forbids the attribute, and nonces do not count for it.
    """
    if not style or attributes.get("style") is False:
        return Markup()
    if nonce is None:
        attributes["style"] = ";".join(filter(None, (style, attributes.get("style"))))
        return Markup()
    name = "resized-" + hashlib.blake2b(style.encode(), digest_size=6).hexdigest()
    attributes["class"] = " ".join(map(str, filter(None, (name, attributes.get("class")))))
    rule = Markup(f".{name}{{{style}}}")  # noqa: S704 (of layouts, colours and Base64)
    return Markup('<style nonce="{}">{}</style>').format(nonce, rule)


def _background(picture: _Picture, kind: str, offered: Sequence[Format]) -> list[str]:
    """The style that draws a placeholder; none where it would shine through, or would be of another picture.

    *offered* are formats that the browser may take in place of the picture's own.
    """
    whole = all(getattr(picture.options, name) == DEFAULTS[name] for name in _CHANGING)
    see_through = picture.options.mode is Mode.PAD and picture.options.background[3] < 255
    clear = (picture.alpha or see_through) and any(
        format.alpha for format in (picture.options.format or picture.format, *offered)
    )
    if picture.size is None or not whole or clear:
        return []
    value = _placeholder(picture.ref, picture.source, kind)
    if value is None or kind == "color":
        return [f"background:{value}"] if value else []
    return [f"background:url({value}) center/{_FIT[picture.options.mode]} no-repeat"]


def _placeholder(ref: str, source: Source | None, kind: str) -> str | None:
    if source is None:
        return None  # which is in the log already
    try:
        return current_images().pipeline.placeholder(source, kind)
    except ImagesError as error:
        logger.warning("no placeholder for the image %r in a template: %s", ref, error)
        return None


def _sources(
    picture: _Picture,
    wishes: _Wishes,
    named: Sequence[Format | None],
    *,
    lazy: bool,
    sizes: str | None,
    media: str | None,
) -> list[Markup]:
    """A ``<source>`` for each format that *picture* is not in already; None stands for its own."""
    if picture.size is None:
        return []
    made = []
    for format in named:
        still = format is not None and picture.frames > 1 and not format.animated
        if format is picture.format or (still and picture.format.animated):
            continue
        offer = picture.offer(wishes, format)
        found = {
            "media": media,
            "type": format and format.media_type,
            "srcset": offer.srcset,
            **offer.attributes(sizes, lazy=lazy),
            "width": picture.size.width,
            "height": picture.size.height,
        }
        made.append(templating.element("source", {**found, "srcset": offer.srcset}))
    return made


def _preloaded(filename: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    options, attributes, _ = templating.split(keywords)
    media = options.pop("media", None)
    wishes = _Wishes.taken(options)
    picture = _Picture(filename, options)
    offer = picture.offer(wishes)
    said = offer.attributes(attributes.get("sizes"), lazy=False)
    given = {name: attributes.get(name) for name in ("crossorigin", "nonce", "referrerpolicy")}
    return {
        "href": offer.src,
        "type": picture.format.media_type if options.get("format") else None,
        "imagesrcset": said["srcset"],
        "imagesizes": said.get("sizes"),
        "fetchpriority": "high",
        "media": media,
        **given,
    }


def _limits(format: Format, frames: int) -> Limits:
    """Those of the configuration, and of the *format*, for each of *frames*."""
    config, most = current_images().pipeline.config, format.max_side
    return Limits(min(config.max_width, most), min(config.max_height, most), config.max_output_pixels // frames)


def _format(name: str) -> Format:
    try:
        return formats.by_name(name)
    except InvalidOption as error:
        raise ValueError(str(error)) from None


def _quoted(value: object) -> str:
    """A quoted-string of HTTP, in ASCII."""
    text = " ".join(str(value).split()).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.encode("ascii", "replace").decode() + '"'
