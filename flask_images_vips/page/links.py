"""Build the signed URLs of images."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import flask
from flask import current_app, has_request_context, request

from .. import urls
from ..errors import Busy, ImagesError, InvalidOption, InvalidPath, SourceError, shown
from ..options.options import DECLARED, DEFAULTS, Options, write_query
from ..options.parsing import written
from ..options.text import Text
from ..options.values import MODES, Mode
from ..pipeline import Pipeline
from ..sources.finder import current_version
from ..sources.fonts import Lettering
from ..sources.source import Source
from ..state import AppImages, current_images
from ..svg.choice import is_drawing
from .calls import URL_KEYWORDS, defined, given, warn
from .pixels import measured
from .quality import by_dpr
from .queries import (
    FORMAT,
    QUALITY,
    in_url,
    options_of,
    parsed,
    query_of,
    refusal_of,
    replaced_in,
    report,
    report_format,
)
from .rights import rights_query

logger = logging.getLogger("flask_images_vips")

# Options of which a drawing that is passed through has no versions.
_NOT_OF_DRAWINGS = {each.short for name, each in DECLARED.items() if each.keyed or name == "format"}
_OWN_VALUES = URL_KEYWORDS | {"filename"}


def build_url(local_path: str | os.PathLike[str], **keywords: Any) -> str:
    """Return the signed URL of an image.

    *local_path* is a path below ``IMAGES_PATH``, or a URL. *keywords* are the options of the rendition, and:

    - ``preset``: the name of an entry of ``IMAGES_PRESETS``. The other keywords override its options.
    - ``external``: True for an absolute URL, with ``scheme`` if given. With ``IMAGES_BASE_URL``, every URL is absolute.

    The values of options are checked when the image is requested, not here.

    Raises:
        InvalidPath: If *local_path* is neither a string nor a path object, if the path is not normalised or not valid
            UTF-8, or if the URL is invalid or has a scheme other than http, https or ftp.
        InvalidOption: If there is no such preset.
        ValueError: If ``scheme`` is given without ``external``, or if ``_anchor`` or ``_method`` is given.
        RuntimeError: If ``external`` is given outside of a request, and ``SERVER_NAME`` and ``IMAGES_BASE_URL`` are not
            set.
    """
    ref = urls.checked_path(local_path)
    source, options = find(ref), current_images().pipeline.presets.expanded(given(keywords))
    options |= by_dpr(ref, options)
    return url_builder(ref, source, with_allowed_width(ref, source, options))()


def info_url(local_path: str | os.PathLike[str], **keywords: Any) -> str:
    """Return the signed URL of information about a picture. *keywords* are ``external`` and ``scheme``.

    Raises:
        InvalidPath, ValueError, RuntimeError: As `build_url`.
    """
    images, ref = current_images(), urls.checked_path(local_path)
    version = _version(images.pipeline, ref, find(ref), {})
    prefix = _prefix(keywords, images) if images.url else f"{_prefix(keywords, images)}/"
    return f"{prefix}{urls.INFO_SUFFIX}/{urls.encode_info(ref, version, images.secrets[0])}"


def url_for(endpoint: str, values: Mapping[str, Any], build: Callable[..., str] = build_url) -> str | None:
    """Return the URL for Flask's ``url_for(endpoint, filename=…)``, or None if *endpoint* is not an image endpoint.

    If ``IMAGES_NAME`` is ``images``, the image endpoints are ``images``, ``images.<mode>`` and ``images.<preset>``.
    *values* include those of the site's ``url_defaults``. *build* builds the URL.

    Raises:
        ValueError: If the mode or the preset is given twice, or if there is no ``filename``.
    """
    images, keywords = current_images(), dict(values)
    if endpoint != images.name:
        base, _, name = endpoint.rpartition(".")
        if base != images.name or not (name in MODES or name in images.pipeline.presets):
            return None
        kind = "mode" if name in MODES else "preset"
        if keywords.get(kind):
            raise ValueError(f"`{kind}` is specified in endpoint and kwargs.")  # the message of Flask-Images
        keywords[kind] = name
    keywords = _without_defaults(endpoint, keywords)
    try:
        filename = keywords.pop("filename")
    except KeyError:
        raise ValueError(f"url_for({endpoint!r}) needs filename='photos/cat.jpg', or another path or URL.") from None
    return build(filename, **keywords)


def _without_defaults(endpoint: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* without those that only ``url_defaults`` of the site add, such as a language.

    They would be signed, so one picture would have a URL for each language. Options are kept: a site may have defaults
    for images.
    """
    defaults: dict[str, Any] = {}
    current_app.inject_url_defaults(endpoint, defaults)
    added = {name for name in defaults.keys() - _OWN_VALUES if values.get(name) == defaults[name]}
    return {name: value for name, value in values.items() if name not in added}


def ref_of(filename: object) -> str:
    """Return the ref of *filename*, as a template names it. One that no picture can have is logged, see `NO_PICTURE`.

    Raises:
        UndefinedError: As `defined`.
    """
    defined(filename)
    try:
        return urls.checked_path(filename)
    except InvalidPath as error:
        warn("%s", error)
        return urls.NO_PICTURE


def find(ref: str) -> Source | None:
    """Return the source *ref*, or None if it is missing, or is remote and has not been fetched yet."""
    try:
        return current_images().pipeline.sources.here(ref)
    except Busy as error:
        logger.warning("image %s in a template: %s", shown(ref), error)
    except (SourceError, InvalidPath):
        pass
    return None


def url_builder(
    ref: str, source: Source | None, keywords: Mapping[str, Any], query: Mapping[str, str] | None = None
) -> Callable[..., str]:
    """Return a function that builds URLs of one source. Options passed to it replace those in *keywords*.

    *ref* must come from `urls.checked_path`, *source* from `find`, and *keywords* from `with_allowed_width`. *query* is
    that of *keywords*, if the caller knows it.

    Raises:
        ValueError: As `build_url`.
    """
    images = current_images()
    pipeline, secret = images.pipeline, images.secrets[0]
    prefix = _prefix(keywords, images)
    for name in ("_anchor", "_method"):
        if keywords.get(name):
            raise ValueError(f"{name} is not supported for image URLs: leave it out")
    own = in_url(query_of(keywords) if query is None else query)
    own |= focal_query(images, ref, keywords)
    own |= rights_query(images, ref, keywords)
    version = _version(pipeline, ref, source, keywords)
    report(own)

    def build(**replaced: Any) -> str:
        wanted = unsized(pipeline, ref, replaced_in(own, replaced) if replaced else own)
        if (refusal := refusal_of(wanted)) is not None:
            warn("the URL of %s will not be served: %s", shown(ref), refusal)
        if asked := wanted.get(FORMAT):
            report_format(pipeline.abilities, ref, asked)
        return f"{prefix}/{urls.encode(ref, wanted, version, secret)}"

    return build


def with_allowed_width(ref: str, source: Source | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return *keywords*, which come from `Presets.expanded`, with sides that ``IMAGES_ALLOWED_WIDTHS`` allows.

    If there are none, or the options are invalid, *keywords* are returned unchanged.
    """
    pipeline = current_images().pipeline
    if not pipeline.widths.restricting:
        return dict(keywords)
    try:
        options = options_of(keywords)
    except InvalidOption:  # reported when the image is requested
        return dict(keywords)
    if pipeline.formats.passes(urls.name_of(ref), options):
        return dict(keywords)
    image = trimmed = None
    if source is not None:
        with suppress(ImagesError):
            found = measured(source, options)
            image, trimmed = (found[0].size, found[1]) if found is not None else (None, None)
    try:
        return pipeline.widths.fitted(
            keywords, options, image, trimmed, default_quality=not query_of(keywords).get(QUALITY)
        )
    except InvalidOption as error:
        warn("the URL of %s will not be served: %s", shown(ref), error)
    return dict(keywords)


def unsized(pipeline: Pipeline, ref: str, query: dict[str, str]) -> dict[str, str]:
    """Return *query* without the size if *ref* is an SVG that is passed through: all sizes are one file, at one URL.

    If the application allows presets only, *query* is returned unchanged.
    """
    if pipeline.presets.only or not is_drawing(pipeline.config, urls.name_of(ref)):
        return query
    with suppress(InvalidOption):  # reported when the image is requested
        if pipeline.formats.passes(urls.name_of(ref), parsed(query)):
            return {name: value for name, value in query.items() if name not in _NOT_OF_DRAWINGS}
    return query


def focal_query(images: AppImages, ref: str, keywords: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of the position of the subject of *ref*, if *keywords* need it and the site knows it."""
    find = images.app.extensions["images"].find_focal_point
    if find is None or not _needs_focal_point(keywords) or (point := find(ref)) is None:
        return {}
    return write_query({"focal": [round(part, 4) for part in point]})


def _needs_focal_point(options: Mapping[str, Any]) -> bool:
    """Return whether the picture is cropped, and no option specifies the part to keep."""
    boxed = (options.get("width") and options.get("height")) or options.get("aspect")
    return options.get("mode") == Mode.CROP and bool(boxed) and not (options.get("gravity") or options.get("focal"))


def _version(pipeline: Pipeline, ref: str, source: Source | None, keywords: Mapping[str, Any]) -> str | None:
    """Return the version for the URL.

    A local source has the version of its file. For a remote or missing source, the version comes from *keywords* and
    may be None. If it is not None, the versions of the watermark and of what draws the text are appended.
    """
    version: str | None = keywords.get("version")
    watermark = keywords.get("watermark")
    mark = find(written(watermark).partition(",")[0]) if watermark else None
    lettering = _lettering(pipeline, keywords) if write_query({"text": keywords.get("text")}) else None
    marks = [each for each in (mark, lettering) if each is not None]
    if source is not None and not urls.is_remote(ref):
        return current_version(source, *marks)
    if version is not None and marks:
        return f"{version}.{current_version(*marks)}"
    return version


def _lettering(pipeline: Pipeline, keywords: Mapping[str, Any]) -> Lettering | None:
    """Return what draws the text of *keywords*, or None if that is not possible, which is logged."""
    style = str(keywords.get("text_style") or DEFAULTS["text_style"])
    try:
        return pipeline.sources.lettering(Options(text=Text("-"), text_style=style))
    except ImagesError as error:
        warn("the text will not be drawn: %s", error)
    return None


def _prefix(keywords: Mapping[str, Any], images: AppImages) -> str:
    """Return what all URLs of *images* with the same ``external`` and ``scheme`` in *keywords* begin with."""
    external = bool(keywords.get("external") or keywords.get("_external"))
    scheme = keywords.get("scheme") or keywords.get("_scheme")
    if scheme and not external:
        raise ValueError("cannot specify scheme without external=True")  # the message of Flask-Images
    base = images.pipeline.config.base_url
    origin = base.rstrip("/") if base else _origin(images, scheme, external=external)
    return origin + _script_root() + urls.quoted_prefix(images.url)


def _script_root() -> str:
    """Return the path at which the application is mounted, quoted and without a trailing slash."""
    root = request.root_path if has_request_context() else str(current_app.config["APPLICATION_ROOT"]).rstrip("/")
    return urls.quoted_prefix(root)


def _origin(images: AppImages, scheme: str | None, *, external: bool) -> str:
    """Return the scheme and host of absolute URLs, or an empty string if a relative URL is wanted and sufficient.

    It is not sufficient if the current host or subdomain does not serve images.
    """
    if images.of_one_host and has_request_context():
        parts = urlsplit(flask.url_for(images.name, path=urls.REMOTE, _external=external))
        return f"{scheme or parts.scheme}://{parts.netloc}" if parts.netloc else ""
    if not external:
        return ""
    if has_request_context():
        return f"{scheme or request.scheme}://{request.host}"
    host = current_app.config["SERVER_NAME"]
    if not host:
        raise RuntimeError(
            "An external image URL outside of a request needs SERVER_NAME or IMAGES_BASE_URL in the configuration."
        )
    return f"{scheme or current_app.config['PREFERRED_URL_SCHEME']}://{host}"
