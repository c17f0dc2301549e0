"""Show one call of a helper: its code, its URL and its size, and what the rendition costs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urljoin

from flask import current_app, request
from werkzeug.test import TestResponse

from .. import resized_img_size, resized_img_src, resized_img_tag
from ..cache.removal import Kept
from ..errors import ImagesError, InvalidOption
from ..events import Events, Rendered
from ..options.options import Options, write_query
from ..page.size import ImageSize
from ..serving.hit import Hit, verify
from ..serving.views import status_of
from ..state import current_images
from ..urls import ImageUrl
from .photos import PHOTOS

_MOST_REMEMBERED = 4000  # renditions, with their engines
_PHASE = re.compile(r"(\w+);dur=([\d.]+)")
ENGINES = {"vips": "libvips", "pillow": "Pillow"}
"""The engines, with the names that pages show."""
_tried: ContextVar[bool] = ContextVar("flask_images_vips_demo_tried", default=False)
"""Whether the options at hand are what a visitor tries, rather than what the playground's own templates name."""
ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8"
"""What browsers accept, for ``format='auto'``."""


@dataclass(slots=True)
class Rendering:
    """What one request for a picture has returned.

    *ms* is the time of the request as the extension measures it (``Server-Timing``), and *phases* are its parts.
    *engine* is empty if the picture was rendered by an earlier process. *problem* says why there is no picture, and
    *option* names the option that is the reason, or is empty.
    """

    status: int = 0
    size_bytes: int = 0
    format: str = ""
    ms: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    engine: str = ""
    cached: bool = False
    problem: str = ""
    option: str = ""


_current: ContextVar[Rendering | None] = ContextVar("flask_images_vips_demo_rendering", default=None)


@dataclass(frozen=True, slots=True)
class Sample:
    """One call of a helper. The code, the URL and the size come from the same options, so they always match.

    *photo* is the name of a photograph of the playground, or the path of an upload.
    """

    photo: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        known = PHOTOS.get(self.photo)
        return known.path if known is not None else self.photo

    @property
    def alt(self) -> str:
        known = PHOTOS.get(self.photo)
        return known.alt if known is not None else "Your picture"

    @property
    def call(self) -> str:
        """The code for the URL of this picture, in a template or in Python."""
        return f"resized_img_src({self.path!r}{_keywords(self.options)})"

    @property
    def jinja(self) -> str:
        """The code for the whole tag, as it is written into a template."""
        return f"{{{{ resized_img_tag({self.path!r}{_keywords(self.options)}, alt={self.alt!r}) }}}}"

    @property
    def url_for(self) -> str:
        """The same URL by Flask's own ``url_for``."""
        mode, options = self.options.get("mode"), dict(self.options)
        endpoint = "images" if mode is None or self.problem else f"images.{options.pop('mode')}"
        return f"url_for({endpoint!r}, filename={self.path!r}{_keywords(options)})"

    @property
    def url(self) -> str:
        with _unlogged():
            return resized_img_src(self.path, **self.options)

    @property
    def absolute_url(self) -> str:
        return urljoin(request.host_url, self.url)

    @property
    def tag(self) -> str:
        """The HTML that `jinja` becomes."""
        with _unlogged():
            return str(resized_img_tag(self.path, alt=self.alt, **self.options))

    @property
    def size(self) -> ImageSize | None:
        """The size of the rendition, or None if an option is invalid."""
        with _unlogged():
            return resized_img_size(self.path, **self.options)

    @property
    def problem(self) -> str:
        """What is wrong with the first invalid option. Empty if all options are valid."""
        error = self._error()
        return str(error) if error is not None else ""

    def _error(self) -> InvalidOption | None:
        try:
            Options.parse(write_query(self.options))
        except InvalidOption as error:
            return error
        return None

    def answer(self, outcome: Rendering) -> TestResponse:
        """Request the picture from this app, which fills *outcome*. The rendition is then cached for the browser."""
        path, client = self.url.removeprefix(request.script_root), current_app.test_client(use_cookies=False)
        # In an empty context, because the phases of a request within another one would be added to those of the other.
        apart = Context()
        apart.run(_current.set, outcome)
        apart.run(_tried.set, True)
        return apart.run(client.get, path, headers={"Accept": ACCEPT})

    def render(self, *, fresh: bool = False) -> Rendering:
        """Request the picture, and return what that cost. With *fresh*, it is rendered anew."""
        error = self._error()
        if error is not None:
            return Rendering(status=400, problem=sentence(error), option=error.name)
        if fresh:
            _forget(self)
        outcome = Rendering()
        response = self.answer(outcome)
        outcome.status = response.status_code
        if response.status_code == 200 and not outcome.problem:
            outcome.size_bytes = len(response.data)
            outcome.format = (response.mimetype or "").removeprefix("image/")
        elif not outcome.problem:
            outcome.problem = response.text.strip()
        outcome.ms, outcome.phases = timing_of(response)
        return outcome


def timing_of(response: TestResponse) -> tuple[float, dict[str, float]]:
    """Return what ``Server-Timing`` says: the milliseconds of the whole, and of its phases."""
    phases = {name: float(ms) for name, ms in _PHASE.findall(response.headers.get("Server-Timing", ""))}
    return phases.pop("total", 0.0), phases


def sentence(error: ImagesError) -> str:
    """Return what is wrong, for a person who has moved a control."""
    if isinstance(error, InvalidOption):
        return f"{error.name} expects {error.expected}."
    text = str(error)
    return text if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."


@contextmanager
def _unlogged() -> Iterator[None]:
    """Log no warnings meanwhile: they are about the values of a visitor, who is told on the page."""
    token = _tried.set(True)
    try:
        yield
    finally:
        _tried.reset(token)


def _is_logged(record: logging.LogRecord) -> bool:
    return record.levelno != logging.WARNING or not _tried.get()


def listen(events: Events) -> None:
    """From now on, note what becomes of the pictures that `Sample.render` requests, and log no warnings about them."""
    logging.getLogger("flask_images_vips").addFilter(_is_logged)
    engines: dict[tuple[str, str], str] = {}

    def rendered(event: Rendered) -> None:
        if len(engines) > _MOST_REMEMBERED:
            engines.pop(next(iter(engines)))
        engines[event.rendition.key] = event.engine

    def served(hit: Hit, _: object, cached: bool) -> None:
        outcome = _current.get()
        if outcome is not None:
            outcome.cached = cached
            outcome.engine = engines.get(hit.rendition.key, "")

    def failed(_: str, url: ImageUrl | None, status: int, error: ImagesError) -> None:
        outcome = _current.get()
        if outcome is not None:
            outcome.problem = sentence(error) if status in (400, 410, 422) else status_of(error)[2]
            outcome.option = error.name if isinstance(error, InvalidOption) else ""

    events.rendered.append(rendered)
    events.served.append(served)
    events.failed.append(failed)


def _forget(sample: Sample) -> None:
    """Remove the rendition of *sample*, and the reduced copies of its source, so that it is made from the source."""
    images = current_images()
    path, _, query = sample.url.removeprefix(f"{request.script_root}{images.url}/").partition("?")
    with suppress(ImagesError):
        hit = verify(images, unquote(path), query.encode(), ACCEPT).hit()
        if hit.path is not None:
            list(images.pipeline.cache.remove([Kept(0, 0, hit.path)]))
        if images.pipeline.shared is not None:
            images.pipeline.shared.purge(hit.rendition.source.ref)


def _keywords(options: Mapping[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())
