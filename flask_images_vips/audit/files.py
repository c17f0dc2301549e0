"""Find the file behind a URL in a page: a rendition of this application, or a static file. Nothing is rendered.

A URL of another host, or of another view of the application, has no file here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter, RequestRedirect
from werkzeug.security import safe_join

from ..errors import Busy, ImagesError, reason_of
from ..formats import SVG
from ..geometry import Size
from ..headers.read import read_header
from ..pipeline import Pipeline
from ..rendition import Rendition
from ..serving.hit import Hit, verify
from ..state import AppImages
from ..urls import ImageUrl

if TYPE_CHECKING:
    from flask import Flask

_ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # of current browsers


@dataclass(frozen=True, slots=True)
class File:
    """The file behind a URL.

    *name* is the path of the source, or that of the URL. *size* is in pixels, None if it is not known. *problem* says
    why there is no image. *hit* is set for renditions, and *target* is the path and query of the URL within this
    application. *path* is that of a static file on disk, or that of a rendition in the cache, where it may not be yet.
    """

    name: str
    size: Size | None = None
    problem: str = ""
    hit: Hit | None = None
    target: str = ""
    path: str = ""


class Files:
    """Finds the files of one page of *images*. *page* is its URL, and *root* the path the application is mounted at."""

    def __init__(self, images: AppImages, page: str, root: str) -> None:
        self._images = images
        self._page = page
        self._root = root.rstrip("/")
        self._found: dict[str, File | None] = {}
        self._adapter: MapAdapter | None = None

    def find(self, url: str) -> File | None:
        """Return the file behind *url*, or None if it is not known here."""
        if url not in self._found:
            self._found[url] = self._find(url)
        return self._found[url]

    def _find(self, url: str) -> File | None:
        try:
            parts, page = urlsplit(urljoin(self._page, url.strip())), urlsplit(self._page)
        except ValueError as error:
            return File(url, problem=f"the URL is invalid ({error})")
        base = self._images.pipeline.config.base_url
        hosts = {page.netloc, *([urlsplit(base).netloc] if base else [])}
        if parts.scheme not in ("http", "https") or parts.netloc not in hosts:
            return None
        path = unquote(parts.path)
        if not path.startswith(f"{self._root}/"):
            return None
        path = path.removeprefix(self._root)
        target = parts.path.removeprefix(quote(self._root)) + (f"?{parts.query}" if parts.query else "")
        if path.startswith(f"{self._images.url}/"):
            return self._rendition(path.removeprefix(f"{self._images.url}/"), parts.query, target)
        return self._other(path, target)

    def _rendition(self, path: str, query: str, target: str) -> File:
        try:
            verified = verify(self._images, path, query.encode(), _ACCEPT)
        except ImagesError as error:
            return File(path, problem=reason_of(error, path), target=target)
        url = verified.url
        if url.remote:  # it may not be fetched yet
            return File(url.ref, target=target)
        try:
            hit = verified.hit()
            return File(
                url.ref, _size(self._images.pipeline, url, hit.rendition), hit=hit, target=target, path=hit.path or ""
            )
        except Busy:
            return File(url.ref, target=target)
        except ImagesError as error:
            return File(url.ref, problem=reason_of(error, url.ref), target=target)

    def _other(self, path: str, target: str) -> File | None:
        """Return the static file at *path*, or None if another view answers it."""
        app = self._images.app
        if self._adapter is None:
            self._adapter = app.url_map.bind(urlsplit(self._page).netloc, url_scheme=urlsplit(self._page).scheme)
        try:
            endpoint, arguments = self._adapter.match(path, "GET")
        except (RequestRedirect, MethodNotAllowed):
            return None
        except NotFound:
            return File(path, problem="the application has no such URL", target=target)
        file_name = arguments.get("filename")
        folder = _static_folder(app, endpoint)
        if folder is None or not isinstance(file_name, str):
            return File(path, target=target)
        full = safe_join(folder, file_name)
        if full is None or not os.path.isfile(full):
            return File(path, problem=f"there is no such file in {folder}", target=target)
        return File(path, _stated_size(full), target=target, path=full)


def _size(pipeline: Pipeline, url: ImageUrl, rendition: Rendition) -> Size | None:
    """Return the size of *rendition* in pixels, or None if it depends on pixels that nobody has looked at yet.

    Raises:
        ImagesError: If it cannot be rendered, as far as that is known without rendering it.
    """
    facts, options = pipeline.facts, rendition.options
    facts.check_decodes(rendition.source, rendition.watermark)
    if rendition.format is SVG:
        facts.drawing(rendition.source)
        return None  # it has no pixels, so it is neither too large nor too small
    header = facts.header(rendition.source)
    trimmed = facts.pixels.trim(rendition.source, options) if options.trim else None
    refusal = pipeline.abilities.refusal(rendition.format, url.options)
    if refusal is not None:
        raise refusal
    geometry = pipeline.limits.plan(rendition, header, trimmed=trimmed, mark=None)
    return None if options.trim and trimmed is None else geometry.final


def _static_folder(app: Flask, endpoint: str) -> str | None:
    """Return the folder of the static files that *endpoint* serves, or None if it is another view."""
    blueprint, _, name = endpoint.rpartition(".")
    if name != "static":
        return None
    owner = app.blueprints.get(blueprint) if blueprint else app
    return owner.static_folder if owner is not None else None


def _stated_size(path: str) -> Size | None:
    with suppress(OSError, ImagesError):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            header = read_header(descriptor, path, auto_orient=True)
            return None if header is None else header.size
        finally:
            os.close(descriptor)
    return None
