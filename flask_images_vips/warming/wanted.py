"""Define what a site will be asked for: image URLs, as today's code and configuration would write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, quote, unquote

from .. import urls
from ..errors import BadSignature, ImagesError
from ..sources.finder import current_version
from ..state import AppImages
from ..urls import ImageUrl

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
    count: int = 1


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
    secrets, pipeline = images.secrets, images.pipeline
    url = urls.decode(path, query, secrets, legacy=legacy or pipeline.config.legacy_signatures)
    fields = dict(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True))
    version = url.version
    if version is not None:
        with suppress(ImagesError):  # without its source, it cannot be rendered either
            mark = pipeline.sources.watermark(url.options)
            marks = [] if mark is None else [mark]
            if not url.remote:
                version = current_version(pipeline.sources.here(url.ref), *marks)
            elif marks and "." in version:
                version = f"{version.rpartition('.')[0]}.{current_version(*marks)}"
    fields.pop("v", None)
    path, _, text = urls.encode(url.ref, fields, version, secrets[0]).partition("?")
    return urls.decode(unquote(path), text.encode(), secrets, legacy=False)


def renewed(images: AppImages, url: ImageUrl) -> ImageUrl:
    """Return *url*, which may come from an earlier release of the site, as a page of today would contain it."""
    if url.canonical is not None:
        path, _, query = url.canonical.partition("?")
        with suppress(BadSignature):  # the secret key has changed: it is rendered, but nginx gets no link to it
            return url_of(images, unquote(path), query.encode())
    return url


def label(url: ImageUrl) -> str:
    """Return a short description of *url* for a line of output: its source and its options."""
    query = (url.canonical or "").partition("?")[2]
    fields = "&".join(f"{name}={quote(value, safe='')}" for name, value in parse_qsl(query) if name not in "suv")
    format = f" as {url.options.format.name}" if url.negotiated and url.options.format else ""
    return f"{url.ref}?{fields}{format}" if fields else f"{url.ref}{format}"
