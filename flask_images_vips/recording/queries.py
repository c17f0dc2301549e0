"""Write the query of an image URL in a form that other versions of this package can read, and read it again.

Such a query has the options of the URL, without its signature, the version of a local file, and what does not affect
the rendition. This module does no I/O.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from ..formats import AUTO, Format, stored
from ..options.options import DECLARED, DEFAULTS, Option, Options
from ..options.scalars import ROUND
from ..options.transforms import Transform
from ..options.values import Keep
from ..urls import ImageUrl, is_remote

_FORMAT, _QUALITY, _WATERMARK = (DECLARED[name].short for name in ("format", "quality", "watermark"))
_WITHOUT_EFFECT = ("expires", "download", "arm")  # on the rendition: an expiry differs in each URL
_LEFT_OUT = frozenset({"s", "u", *(DECLARED[name].short for name in _WITHOUT_EFFECT)})
_VERSION = "v"


def query_of(url: ImageUrl) -> str:
    """Return the query of *url*, as its page wrote it if that is known, otherwise in the simplest spelling."""
    options = url.options
    if url.canonical is None or any(getattr(options, name) is not None for name in _WITHOUT_EFFECT):
        return _written(url)
    left_out = _LEFT_OUT if url.remote else _LEFT_OUT | {_VERSION}
    pairs = url.canonical.partition("?")[2].split("&")
    return "&".join(pair for pair in pairs if pair.partition("=")[0] not in left_out)


def _written(url: ImageUrl) -> str:
    query = {_VERSION: url.version} if url.remote and url.version is not None else {}
    for name, declared in DECLARED.items():
        value = getattr(url.options, name)
        if declared.short in _LEFT_OUT or (name == "quality" and url.default_quality):
            continue
        if name == "format" and url.negotiated:
            value = AUTO
        if value != DEFAULTS[name]:
            query[declared.short] = _text(declared, value)
    return urlencode(sorted(query.items()), errors="replace")


def _text(declared: Option, value: object) -> str:
    if isinstance(value, Format):
        return value.name
    if value == ROUND and declared is DECLARED["radius"]:
        return "max"
    # The others write their values as templates pass them: these two are never passed so.
    return str(value) if isinstance(value, (Keep, Transform)) else declared.write(value) or ""


def read_query(ref: str, query: str, format: str) -> ImageUrl:
    """Return the URL of *ref* with a *query* that `query_of` returned. With ``f=auto``, *format* was chosen.

    Raises:
        InvalidOption: If this version does not know a value.
        InvalidPath: If *ref* is an invalid URL.
    """
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    options = Options.parse(pairs)
    negotiated = options.format is AUTO
    if negotiated:
        options = replace(options, format=stored(format))
    return ImageUrl(
        ref,
        options,
        pairs.get(_VERSION),
        remote=is_remote(ref),
        default_quality=not pairs.get(_QUALITY),
        negotiated=negotiated,
    )


def watermark_of(query: str) -> str | None:
    """Return the ref of the watermark that the picture of *query* shows, or None."""
    if f"{_WATERMARK}=" not in query:
        return None
    return dict(parse_qsl(query)).get(_WATERMARK, "").partition(",")[0] or None
