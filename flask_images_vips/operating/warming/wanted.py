"""Define what a site will be asked for: image URLs, as today's code and configuration would write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qsl, quote, unquote

from ... import urls
from ...errors import ImagesError
from ...sources.finder import current_version
from ...state import AppImages
from ...urls import ImageUrl

_SIGNATURE_MARK, _SIGNATURE_LETTERS = "&s=", 27
_LONGEST_URL = 40_000  # characters
_NOT_IN_URLS = frozenset(" \"'<>\n\t\\")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image URL that the site will be asked for, *count* times as often as others.

    *origin* is where it was found, for messages: a line of a template, a page, a log or a file.
    """

    url: ImageUrl
    origin: str
    count: float = 1


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder of the kind *kind* that a page shows for the source *ref*."""

    ref: str
    kind: str
    origin: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or made, and the reason. *origin* is as in `Wanted`."""

    origin: str
    reason: str


def urls_in(text: str, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the query of each image URL in *text*, which is HTML, a header or JSON.

    *prefix* is `AppImages.url`. The paths are those below it.
    """
    text = unescape(text.replace("\\u0026", "&").replace("\\u0027", "'"))
    before = urls.quoted_prefix(prefix) + "/"
    start = text.find(before)
    while start >= 0:
        mark = text.find(_SIGNATURE_MARK, start, start + _LONGEST_URL)
        target = text[start + len(before) : mark + len(_SIGNATURE_MARK) + _SIGNATURE_LETTERS] if mark >= 0 else ""
        path, _, query = target.partition("?")
        if query and _NOT_IN_URLS.isdisjoint(query) and not any(letter in path for letter in ' "<>\n\t'):
            yield unquote(path), query.encode()
        start = text.find(before, start + len(before))


def url_of(images: AppImages, path: str, query: bytes, *, legacy: bool = False) -> ImageUrl:
    """Return the URL of *path* and *query*, which may be old, as a page of today would contain it.

    It has the current version of its source, and the current signature. *legacy* accepts the signatures of Flask-Images
    even if ``IMAGES_LEGACY_SIGNATURES`` is false.

    Raises:
        BadSignature, InvalidOption: As `urls.decode`.
    """
    legacy = legacy or images.pipeline.config.legacy_signatures
    url = urls.decode(path, query, images.secrets, legacy=legacy)
    return signed(images, url, query.decode("utf-8", "replace"))


def signed(images: AppImages, url: ImageUrl, query: str) -> ImageUrl:
    """Return *url*, whose options are written in *query*, as a page of today would contain it.

    *query* may have an old version and an old signature, or none.
    """
    fields = dict(parse_qsl(query, keep_blank_values=True))
    fields.pop("v", None)
    version = _version(images, url)
    canonical = urls.encode(url.ref, fields, version, images.secrets[0])
    return replace(url, version=version, exact=True, canonical=canonical)


def _version(images: AppImages, url: ImageUrl) -> str | None:
    """Return the version that a page writes into *url*: of a local source, a watermark and a text, the current one."""
    sources, version = images.pipeline.sources, url.version
    with suppress(ImagesError):  # without its source, it cannot be rendered either
        extras = sources.extras(url.options)
        if not url.remote:
            return current_version(sources.here(url.ref), *extras)
        if extras and version is not None:
            return f"{version.rsplit('.', len(extras))[0]}.{current_version(*extras)}"
    return version


def label(url: ImageUrl) -> str:
    """Return a short description of *url* for a line of output: its source and its options."""
    query = (url.canonical or "").partition("?")[2]
    fields = "&".join(f"{name}={quote(value, safe='')}" for name, value in parse_qsl(query) if name not in "suv")
    format = f" as {url.options.format.name}" if url.negotiated and url.options.format else ""
    return f"{url.ref}?{fields}{format}" if fields else f"{url.ref}{format}"
