"""Turn the image calls of all templates into the URLs that their pages will contain.

A call whose arguments are constant is made here, by the same function that the page calls. The others are reported.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from jinja2 import nodes

from ...errors import ImagesError
from ...page import links
from ...page.arguments import is_attribute
from ...page.helpers import HELPERS, resized_img_placeholder, resized_img_size
from ...state import images_of
from .expressions import Picks, possibilities
from .frames import Call
from .scope import NotKnown, Unknown, check_known
from .templates import Templates
from .walk import Walk
from .wanted import Placeholder, Problem, Wanted, url_of, urls_in

logger = logging.getLogger("flask_images_vips")

_OF_THE_LINK = frozenset({"external", "_external", "scheme", "_scheme"})
"""Keywords that change what a URL begins with, but not the picture."""

_MOST_CALLS = 20_000  # with different arguments; making the URL of one takes up to a millisecond

_WITHOUT_URL = (resized_img_size,)


@dataclass(frozen=True, slots=True)
class NotKnownCall:
    """A call whose arguments are known only when the page is rendered. *place* is ``file:line``, *source* the line."""

    place: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Site:
    """The place of a call in a template."""

    template: str
    node: int


class TemplateCalls:
    """The image calls in the templates of *app*.

    *wanted* are the URLs of those that are known, and *placeholders* those that they show. *unknown* are the others.
    *count* is the number of places with a call. The functions are called without a request, in a context of *app*.

    Raises:
        TypeError: If the templates of *app* cannot be listed.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._images = images_of(app)
        self.templates = Templates(app)
        self.wanted: dict[Wanted, None] = {}
        self.placeholders: dict[Placeholder, None] = {}
        self._unknown: dict[NotKnownCall, None] = {}
        self._done: set[tuple[_Site, str]] = set()
        self._sites: set[_Site] = set()
        self._settled: set[_Site] = set()
        functions = {name: function for name, function in app.jinja_env.globals.items() if _is_helper(function)}
        functions |= {name: app.jinja_env.globals[name] for name in ("url_for",) if name in app.jinja_env.globals}
        # Others may be templates of something else than Jinja.
        broken = [each for each in self.templates.broken if any(name in each.source for name in functions)]
        self.problems = [Problem(each.place, each.reason) for each in broken]
        self._walk = Walk(self.templates, functions, self._found)
        with app.app_context(), _silent():
            self._follow()

    @property
    def unknown(self) -> list[NotKnownCall]:
        return sorted(self._unknown, key=lambda call: (call.place.rpartition(":")[0], _line_of(call.place)))

    @property
    def count(self) -> int:
        return len(self._sites)

    def _follow(self) -> None:
        """Follow the templates of pages, then what no page has led to: each of the others as a page of its own."""
        pages = self.templates.pages()
        for template in pages:
            self._walk.follow(template)
        for template in self.templates:
            if template not in pages:
                self._settled |= self._sites
                self._walk.follow(template)
        for template in self.templates:
            self._settled |= self._sites
            for call in self._walk.rest(template):
                self._found(call)
        for template in self._walk.too_deep:
            reason = "its loops, macros and includes lead too deep to be followed, so calls may be missing"
            self.problems.append(Problem(template.file, reason))
        if self._walk.is_over:
            reason = "the loops and macros of these templates are too much to follow, so calls may be missing"
            self.problems.append(Problem("templates", reason))

    def _found(self, call: Call) -> None:
        """Make the *call* for each possible combination of its arguments."""
        site = _Site(call.frame.template.name, id(call.node))
        if site in self._settled or call.function in _WITHOUT_URL:
            return
        for given in possibilities(lambda picks: self._arguments(call, picks)):
            if isinstance(given, NotKnown):
                self._sites.add(site)
                self._report(call, str(given))
            elif given is not None:
                self._sites.add(site)
                arguments, keywords = given
                key = repr((arguments, sorted(keywords.items())))
                if (site, key) not in self._done:
                    if len(self._done) >= _MOST_CALLS:
                        self._walk.stop()
                        return
                    self._done.add((site, key))
                    self._make(call, arguments, keywords)

    def _arguments(self, call: Call, picks: Picks) -> tuple[list[Any], dict[str, Any]] | None:
        """Return the arguments of *call*, or None if it is no image call after all.

        Raises:
            NotKnown: If they are not known, as far as they affect the picture.
        """
        evaluator = self._walk.evaluator(call.frame, call.scope, picks)
        try:
            arguments, keywords = evaluator.given(call.node)
        except NotKnown:
            if _is_helper(call.function):
                raise
            return None
        if isinstance(call.node, nodes.Filter) and call.node.node is not None:
            arguments = [evaluator.perhaps(call.node.node), *arguments]
        if not _is_helper(call.function) and not self._is_endpoint(arguments):
            return None
        keywords = {name: _neutral(name, value) for name, value in keywords.items() if name not in _OF_THE_LINK}
        check_known([arguments, keywords])
        return arguments, keywords

    def _is_endpoint(self, arguments: list[Any]) -> bool:
        """Return whether ``url_for`` with these *arguments* may be the URL of an image."""
        name = self._images.name
        endpoint = arguments[0] if arguments else None
        return isinstance(endpoint, str) and (endpoint == name or endpoint.startswith(f"{name}."))

    def _make(self, call: Call, arguments: list[Any], keywords: dict[str, Any]) -> None:
        origin = f"{call.frame.template.file}:{call.node.lineno}"
        try:
            if call.function is resized_img_placeholder:
                given = inspect.signature(resized_img_placeholder).bind(*arguments, **keywords).arguments
                self._add_placeholder(given["filename"], given.get("kind", "lqip"), origin)
                return
            self._add_placeholder(_first(arguments, keywords), keywords.get("placeholder"), origin)
            if keywords.get("placeholder"):
                # It is made with the renditions. Without it, the tag must still ask for a layout.
                keywords = {"priority": False, **keywords, "placeholder": None}
            text = str(self._function(call)(*arguments, **keywords))
            for path, query in urls_in(text, self._images.url):
                self.wanted.setdefault(Wanted(url_of(self._images, path, query), origin))
        except (ImagesError, TypeError, ValueError, RuntimeError) as error:
            self.problems.append(Problem(origin, str(error)))
        except Exception as error:  # of code of the site, such as a value that cannot be compared
            self.problems.append(Problem(origin, f"the call fails: {type(error).__name__}: {error}"))

    def _function(self, call: Call) -> Callable[..., object]:
        if _is_helper(call.function):
            function: Callable[..., object] = call.function  # type: ignore[assignment]
            return function
        return lambda endpoint, **values: links.url_for(endpoint, values) or ""

    def _add_placeholder(self, filename: object, kind: object, origin: str) -> None:
        if isinstance(kind, str) and kind:
            self.placeholders.setdefault(Placeholder(links.ref_of(filename), kind, origin))

    def _report(self, call: Call, reason: str) -> None:
        template, via = call.frame.template, call.frame.via
        if via:
            reason = f"{reason} (called in {' from '.join(reversed(via))})"
        line = call.node.lineno
        self._unknown.setdefault(NotKnownCall(f"{template.file}:{line}", template.line(line), reason))


def _is_helper(function: object) -> bool:
    return any(function is helper for helper in HELPERS)


def _neutral(name: str, value: object) -> object:
    """Return the *value* of the keyword *name*, or another that gives the same picture if it is not known."""
    if isinstance(value, Unknown):
        if is_attribute(name):
            return ""
        if name == "priority":
            return False
    return value


def _first(arguments: list[Any], keywords: dict[str, Any]) -> object:
    return arguments[0] if arguments else keywords.get("filename", keywords.get("path"))


def _line_of(place: str) -> int:
    return int(place.rpartition(":")[2])


@contextmanager
def _silent() -> Iterator[None]:
    """Log no warnings about the calls: they would name a line of this module. Pages log them when they are rendered."""

    def refuse(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)
