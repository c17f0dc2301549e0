"""What templates call: image URLs, and the sizes to put beside them in HTML.

Sizes come from the same plan as the pixels. A helper never ends a page because a picture is missing or an option
is wrong: it leaves out what it cannot know and logs one line. Only a path or keywords that make no URL are refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import current_app, has_request_context, request
from markupsafe import Markup, escape

from .. import urls
from ..errors import ImagesError, InvalidOption, InvalidPath, SourceError, SourceNotFound
from ..geometry import Box, Size, plan, transformed
from ..options.options import DECLARED, Options, write_query
from ..options.values import MODES, Mode, write_text
from ..sources.source import Source
from ..state import current_images
from .size import ImageSize

if TYPE_CHECKING:
    from ..engines.engine import Header

logger = logging.getLogger("flask_images_vips")

_HIDPI_QUALITY = 60
_HIDPI_PREFIX = "hidpi_"

# Attributes of <img> that are no options of a rendition: they go to the tag, never into the URL.
_HTML_ATTRIBUTES = frozenset(
    """
    accesskey alt class crossorigin decoding dir draggable elementtiming fetchpriority hidden id inert ismap itemid
    itemprop itemref itemscope itemtype lang loading longdesc nonce part popover referrerpolicy role sizes slot
    spellcheck srcset style tabindex title translate usemap
    """.split()  # noqa: SIM905 (a list of words reads best as words)
)
_IN_PIXELS = {"padding", "border", "radius", "watermark"}
_HTML_PREFIXES = ("data_", "data-", "aria_", "aria-", "on")
_URL_KEYWORDS = {"external", "_external", "scheme", "_scheme", "version", "preset"} | set(DECLARED)
_SHORT_NAMES = {declared.short for declared in DECLARED.values()}
_WARNED_NAMES = 1024


def build_url(local_path: str, **keywords: Any) -> str:
    """The signed URL of *local_path*, a path below ``IMAGES_PATH`` or a URL, rendered as *keywords* say.

    ``preset`` names options of ``IMAGES_PRESETS``, which those beside it override.
    ``external=True`` makes the URL absolute, with ``scheme`` if one is given; ``IMAGES_BASE_URL`` makes all so.
    The values of options are not checked here.

    Raises:
        InvalidPath: not normalised, or of a scheme that is none of images.
        InvalidOption: there is no such preset.
        ValueError: keywords that do not go together, or that no image URL has.
    """
    ref = urls.checked_path(local_path)
    return url_builder(ref, find(ref), keywords)()


def url_builder(ref: str, source: Source | None, keywords: Mapping[str, Any]) -> Callable[..., str]:
    """As `build_url`, for several URLs that differ in the options that the function given here is called with.

    *ref* has passed `urls.checked_path`; *source* is what it was found to be.
    """
    images = current_images()
    keywords = images.pipeline.presets.expanded(keywords)
    external = bool(keywords.pop("external", None)) | bool(keywords.pop("_external", None))
    scheme = keywords.pop("scheme", None) or keywords.pop("_scheme", None)
    if scheme and not external:
        raise ValueError("cannot specify scheme without external=True")
    for name in ("_anchor", "_method"):
        if keywords.get(name):
            raise ValueError(f"images have no {name}")

    secret = images.secrets[0]
    find_focal_point = current_app.extensions["images"].find_focal_point
    if find_focal_point is not None and _wants_a_crop(keywords) and (point := find_focal_point(ref)) is not None:
        keywords["focal"] = [round(part, 4) for part in point]
    version = keywords.pop("version", None)  # counts only where there is no file that has one
    wanted = keywords.get("watermark")
    mark = find(str(write_text(wanted)).partition(",")[0]) if wanted else None
    marks = [] if mark is None else [mark]
    if source is not None and not urls.is_remote(ref):
        version = images.pipeline.version(source, *marks)
    elif version is not None and marks:
        version = f"{version}.{images.pipeline.version(*marks)}"
    if base := images.pipeline.config.base_url:
        before = base.rstrip("/") + _script_root()
    else:
        before = _absolute(scheme) if external else _script_root()

    def build(**more: Any) -> str:
        query = _query(images.pipeline.presets.expanded({**keywords, **more}) if more else keywords)
        _check_served(ref, query)
        return f"{before}{images.url}/{urls.encode(ref, query, version, secret)}"

    return build


def url_for_image(endpoint: str, values: Mapping[str, Any]) -> str | None:
    """The URL for ``url_for(endpoint, filename=…)``, or None where *endpoint* is none of the image URLs.

    Raises:
        ValueError: the mode or the preset is given twice, or there is no file name.
    """
    images, keywords = current_images(), dict(values)
    if endpoint != images.name:
        base, _, given = endpoint.rpartition(".")
        if base != images.name or not (given in MODES or given in images.pipeline.presets):
            return None
        kind = "mode" if given in MODES else "preset"
        if keywords.get(kind):
            raise ValueError(f"`{kind}` is specified in endpoint and kwargs.")
        keywords[kind] = given
    try:
        filename = keywords.pop("filename")
    except KeyError:
        raise ValueError(f"url_for({endpoint!r}) needs filename='photos/cat.jpg', or another path or URL.") from None
    return build_url(filename, **keywords)


def resized_img_src(filename: str, **keywords: Any) -> str:
    """The URL of *filename*, rendered as *keywords* say."""
    return build_url(filename, **split(keywords)[0])


def resized_img_size(filename: str, **keywords: Any) -> ImageSize | None:
    """The size in pixels at which *filename* is rendered, or None where that cannot be known."""
    try:
        ref = urls.checked_path(filename)
    except InvalidPath as error:
        logger.warning("no size for the image %r in a template: %s", filename, error)
        return None
    return _size(ref, find(ref), split(keywords)[0])


def resized_img_attrs(filename: str, **keywords: Any) -> dict[str, Any]:
    """The attributes of an ``<img>`` of *filename*: ``src``, ``width``, ``height`` and what *keywords* add.

    ``hidpi=2`` asks for twice the pixels, where the source has them or ``enlarge`` is true; keywords that begin with
    ``hidpi_`` then replace their namesakes, and the quality is 60 unless one is given. Width and height stay
    those of the page. They are left out where they cannot be known; for a source at a URL that was not fetched yet they
    are those that were asked for, where the mode keeps to them.
    """
    options, attributes, hidpi = split(keywords)
    ref = urls.checked_path(filename)
    source = find(ref)
    scale = keywords.get("hidpi", keywords.get("hi_dpi"))
    known_by_request = bool(
        options.get("enlarge")
        and options.get("width")
        and options.get("height")
        and options.get("mode") in (None, Mode.RESHAPE, Mode.CROP)
    )
    size = _size(ref, source, options)
    if scale:
        wanted = {**options, **_scaled_sides(options, scale)}
        larger = _size(ref, source, wanted) if not options.get("enlarge") else None
        if options.get("enlarge") or (larger is not None and not larger.needs_enlarge):
            options = {"quality": _HIDPI_QUALITY, **wanted, **hidpi}
        else:
            scale = False
    attributes["data-hidpi-scale"] = scale
    if size is None:
        attributes.update(expected_size(ref, options))
    else:
        attributes["data-original-width"] = None if known_by_request else size.image_width
        attributes["data-original-height"] = None if known_by_request else size.image_height
        attributes["width"], attributes["height"] = size.width, size.height
    attributes["src"] = url_builder(ref, source, options)()
    return attributes


def resized_img_tag(filename: str, **keywords: Any) -> Markup:
    """The ``<img>`` of *filename*: `resized_img_attrs`, sorted and escaped. None and False leave an attribute out."""
    return element("img", resized_img_attrs(filename, **keywords))


def element(name: str, attributes: Mapping[str, Any]) -> Markup:
    """An empty element: its *attributes*, sorted and escaped. None and False leave one out."""
    text = "".join(
        f' {attribute}="{_quoted(value)}"'
        for attribute, value in sorted(attributes.items())
        if value is not None and value is not False
    )
    return Markup(f"<{name}{text}/>")  # noqa: S704 (values are escaped above, names are a template's keywords)


def _quoted(value: object) -> str:
    if value is True:
        return ""
    if type(value) is int:
        return str(value)
    if type(value) is str:  # what `escape` does, in a third of its time
        value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;")
        return value.replace('"', "&quot;")
    return str(escape(value)).replace("&#34;", "&quot;")  # as Flask-Images wrote it


def _wants_a_crop(keywords: Mapping[str, Any]) -> bool:
    """Whether something is cut off, and nothing says where."""
    boxed = (keywords.get("width") and keywords.get("height")) or keywords.get("aspect")
    return keywords.get("mode") == Mode.CROP and bool(boxed) and not (keywords.get("gravity") or keywords.get("focal"))


def find(ref: str) -> Source | None:
    """The source of *ref*, or None where it is missing, or is a URL that was not fetched yet."""
    with suppress(SourceError, InvalidPath):
        return current_images().pipeline.source_here(ref)
    return None


def _size(ref: str, source: Source | None, keywords: Mapping[str, Any]) -> ImageSize | None:
    """The size of what the URL made of *keywords* gives."""
    known = known_source(ref, source, keywords)
    return None if known is None else ImageSize.planned(known.header.size, known.options, known.trimmed)


@lru_cache(1024)
def _parsed(query: tuple[tuple[str, str], ...]) -> Options:
    return Options.parse(dict(query))


class Known(NamedTuple):
    """What is known of a source, and asked of it. *start* is its size once all that comes before scaling is done."""

    header: Header
    options: Options
    trimmed: Box | None
    start: Size


def known_source(ref: str, source: Source | None, keywords: Mapping[str, Any]) -> Known | None:
    """What is known of *source* and asked of it by *keywords*: None, and one line in the log, where that cannot be."""
    try:
        options = _parsed(tuple(_query(current_images().pipeline.presets.expanded(keywords)).items()))
        if source is None and urls.is_remote(ref):
            return None  # not fetched yet: nothing to tell anybody of
        if source is None:
            raise SourceNotFound(ref, "no such file in IMAGES_PATH, or not on this host")
        pipeline = current_images().pipeline
        header, trimmed = pipeline.metadata.header(source), pipeline.trimmed(source, options)
        return Known(header, options, trimmed, transformed(header.size, options, trimmed))
    except ImagesError as error:
        logger.warning("no size for the image %r in a template: %s", ref, error)
        return None


def expected_size(ref: str, keywords: Mapping[str, Any]) -> dict[str, int]:
    """The size that a remote source will be rendered at if it has the pixels, as far as that is known before."""
    if not urls.is_remote(ref):
        return {}
    with suppress(InvalidOption):
        options = Options.parse(_query(current_images().pipeline.presets.expanded(keywords)))
        settled = options.settled()
        if settled.width and settled.height and options.mode is not Mode.FIT:
            final = plan(Size(settled.width, settled.height), settled).final
            return {"width": final.width, "height": final.height}
    return {}


def _query(keywords: Mapping[str, Any]) -> dict[str, str]:
    """The query for *keywords*. A name that means nothing is logged, and stays."""
    for name, value in keywords.items():
        if not (name in _URL_KEYWORDS or name in _SHORT_NAMES or value is None or name.startswith("_")):
            _warn_of(name)
    return write_query(keywords)


@lru_cache(_WARNED_NAMES)
def _warn_of(name: str) -> None:
    """Once for each name and process."""
    near = get_close_matches(name, sorted(_URL_KEYWORDS), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    logger.warning("%s is no option of images, and goes into the URL as it is%s", name, hint)


def _check_served(ref: str, query: Mapping[str, str]) -> None:
    """Log that a URL will not be served, where the application serves some alone."""
    presets = current_images().pipeline.presets
    if presets.restricting:
        try:
            presets.check(Options.parse(query), default_quality=not query.get(DECLARED["quality"].short))
        except InvalidOption as error:
            logger.warning("the URL of %r will not be served: %s", ref, error)


def _scaled_sides(options: Mapping[str, Any], scale: Any) -> dict[str, Any]:
    """Width and height times *scale*; one that is no number is left as it is. With ``dpr`` where more is in pixels."""
    if options.keys() & _IN_PIXELS:
        with suppress(TypeError, ValueError):
            return {"dpr": min(float(scale) * float(options.get("dpr") or 1), 4.0)}
    scaled: dict[str, Any] = {}
    for side in ("width", "height"):
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            scaled[side] = int(float(scale) * float(options[side]))
    return scaled


def split(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What goes into the URL, what goes to the tag, and what goes into the URL if ``hidpi`` applies.

    An unknown keyword goes into the URL, as it always did. A preset is replaced by its options.
    """
    keywords = current_images().pipeline.presets.expanded(keywords)
    options: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    hidpi: dict[str, Any] = {}
    for name, value in keywords.items():
        plain = name.rstrip("_")  # class_, for_, and others that Python keeps for itself
        if name in ("hidpi", "hi_dpi"):
            continue
        if name.startswith(_HIDPI_PREFIX):
            hidpi[name.removeprefix(_HIDPI_PREFIX)] = value
        elif name not in _URL_KEYWORDS and (plain in _HTML_ATTRIBUTES or plain.startswith(_HTML_PREFIXES)):
            attributes[plain.replace("_", "-")] = value
        else:
            options[name] = value
    return options, attributes, hidpi


def _script_root() -> str:
    """Where the application is mounted, without a slash at the end."""
    if has_request_context():
        return request.root_path
    return str(current_app.config["APPLICATION_ROOT"]).rstrip("/")


def _absolute(scheme: str | None) -> str:
    """What absolute URLs begin with, as far as the application is mounted."""
    if has_request_context():
        return f"{scheme or request.scheme}://{request.host}{_script_root()}"
    host = current_app.config["SERVER_NAME"]
    if not host:
        raise RuntimeError("An external image URL outside of a request needs SERVER_NAME in the configuration.")
    return f"{scheme or current_app.config['PREFERRED_URL_SCHEME']}://{host}{_script_root()}"
