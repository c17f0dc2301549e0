"""Find the images in the HTML of a page: elements with their attributes, and what each offers the browser.

This module does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_BACKGROUND = re.compile(r"""url\(\s*["']?([^"')]+)""")
_DESCRIPTOR = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([wx])")
_SPACES = " \t\n\f\r"
_SOCIAL = {"og:image", "og:image:url", "og:image:secure_url", "twitter:image"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One URL that the browser may choose, with the width in pixels or the density that the page states for it."""

    url: str
    width: float | None = None
    density: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates of an ``<img>`` or of a ``<source>``, for windows that match *media*."""

    candidates: tuple[Candidate, ...]
    sizes: str = ""
    media: str = ""
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """An image in a page.

    *name* is that of the element, or ``background`` for a URL in its style. *line* counts from 1. *choices* are in the
    order in which the browser looks at them. *before* is the number of characters of text before it in the page.
    """

    name: str
    line: int
    attributes: dict[str, str]
    choices: tuple[Choice, ...]
    before: int = 0

    @property
    def urls(self) -> Iterator[str]:
        """All URLs that the element offers, without repetitions."""
        offered = [candidate.url for choice in self.choices for candidate in choice.candidates]
        own = self.attributes.get("src", "") if self.name == "img" else ""
        yield from dict.fromkeys([*offered, *([own] if own else [])])

    def side(self, name: str) -> int | None:
        """The attribute *name* in CSS pixels, or None."""
        return whole(self.attributes.get(name))

    @property
    def is_hidden(self) -> bool:
        """Whether it takes no room in the page, as far as the element itself says."""
        return "hidden" in self.attributes or "display:none" in self.style

    @property
    def style(self) -> str:
        return self.attributes.get("style", "").lower().replace(" ", "")


@dataclass(slots=True)
class Page:
    """The images of a page, and the URLs that it preloads."""

    elements: list[Element] = field(default_factory=list)
    preloaded: set[str] = field(default_factory=set)


def read_page(html: str) -> Page:
    """Return the images of a page in the order of its text. What is within ``<template>`` is omitted."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def whole(text: str | None) -> int | None:
    """Return the number that the HTML attribute *text* begins with, or None."""
    digits = (text or "").strip().removesuffix("px")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 7 else None


def read_srcset(text: str) -> Iterator[Candidate]:
    """Yield the candidates of a ``srcset``. URLs may contain commas, but not end with one."""
    end, length = 0, len(text)
    while end < length:
        while end < length and text[end] in _SPACES + ",":
            end += 1
        begin = end
        while end < length and text[end] not in _SPACES:
            end += 1
        url = text[begin:end]
        if not url:
            return
        if url.endswith(","):
            yield Candidate(url.rstrip(","))
            continue
        begin = end
        while end < length and text[end] != ",":
            end += 1
        yield _described(url, text[begin:end])


def _described(url: str, descriptors: str) -> Candidate:
    width = density = None
    for word in descriptors.split():
        if (found := _DESCRIPTOR.fullmatch(word)) is not None:
            if found[2] == "w":
                width = float(found[1])
            else:
                density = float(found[1])
    return Candidate(url, width, density)


class _Reader(HTMLParser):
    """Collects the images of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._sources: list[Choice] = []
        self._in_picture = False
        self._templates = 0
        self._silent = 0  # how deep within elements whose text is not shown
        self._before = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in reversed(attrs)}
        if tag == "template":
            self._templates += 1
        if tag in ("script", "style", "title", "noscript"):
            self._silent += 1
        if self._templates:
            return
        if tag == "picture":
            self._in_picture, self._sources = True, []
        elif tag == "source" and self._in_picture:
            self._sources.append(_choice(attributes.get("srcset", ""), attributes))
        elif tag == "img":
            self._add(tag, attributes, (*self._sources, _image(attributes)))
            self._sources = []
        else:
            self._add_other(tag, attributes)
        if "url(" in attributes.get("style", ""):
            for url in _BACKGROUND.findall(attributes["style"]):
                self._add("background", {}, (Choice((Candidate(url.strip()),)),))

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._templates = max(0, self._templates - 1)
        if tag in ("script", "style", "title", "noscript"):
            self._silent = max(0, self._silent - 1)
        if tag == "picture":
            self._in_picture, self._sources = False, []

    def handle_data(self, data: str) -> None:
        if not self._silent and not self._templates:
            self._before += len(" ".join(data.split()))

    def _add_other(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "link" and attributes.get("rel") == "preload" and attributes.get("as") == "image":
            choice = _choice(attributes.get("imagesrcset", ""), attributes, attributes.get("href", ""))
            self.page.preloaded.update(candidate.url for candidate in choice.candidates)
            self._add(tag, attributes, (choice,))
        one = {
            ("video", "poster"): True,
            ("input", "src"): attributes.get("type", "").lower() == "image",
            ("meta", "content"): attributes.get("property", attributes.get("name")) in _SOCIAL,
            ("link", "href"): "icon" in attributes.get("rel", "").lower().split(),
        }
        for (name, attribute), is_image in one.items():
            if tag == name and is_image and attributes.get(attribute):
                self._add(tag, attributes, (Choice((Candidate(attributes[attribute]),)),))

    def _add(self, name: str, attributes: dict[str, str], choices: tuple[Choice, ...]) -> None:
        self.page.elements.append(Element(name, self.getpos()[0], attributes, choices, self._before))


def _image(attributes: dict[str, str]) -> Choice:
    return _choice(attributes.get("srcset", ""), attributes, attributes.get("src", ""))


def _choice(srcset: str, attributes: dict[str, str], src: str = "") -> Choice:
    """Return the candidates of *srcset* and, if none has a width, *src* at density 1 unless one has that."""
    found = list(read_srcset(srcset))
    plain = [each for each in found if each.density in (None, 1.0)]
    if src and not plain:
        found.insert(0, Candidate(src, density=1.0))
    sizes = attributes.get("sizes", attributes.get("imagesizes", ""))
    return Choice(tuple(found), sizes, attributes.get("media", ""), whole(attributes.get("width")))
