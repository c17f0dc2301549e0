"""Judge the images of a page: which are missing, larger than they are shown, without dimensions, or wrongly lazy.

The styles of the page are not read. What a tag states in ``width``, ``height`` and ``sizes`` is taken as its box, and
no box is wider than the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..geometry import Size
from .files import File, Files
from .lengths import breakpoints, matches, slot
from .markup import Candidate, Choice, Element, Page, read_page

KINDS = {
    "missing": "a URL that is not answered with an image",
    "dimensions": "no `width` and `height`, so the page moves when the image is loaded",
    "shape": "`width` and `height` in another ratio than that of the file, so the image is distorted",
    "large": "many more pixels than `width` and `height` show",
    "box": "many more pixels than its box in a narrower or wider window has",
    "lazy": '`loading="lazy"` for an image that the visitor sees first',
}
"""The kinds of findings."""

_WINDOWS = (320, 360, 390, 414, 480, 600, 768, 1023, 1024, 1280, 1440, 1920, 2560)
"""Widths of the windows of phones, tablets and screens, in CSS pixels."""
_NARROW = 1024  # screens of narrower windows are those of phones and tablets, which are dense
_DENSITIES = {True: (2.0, 3.0), False: (1.0, 2.0)}
_FEW_PIXELS = 20_000  # that may be too many: the bytes of an icon do not matter
_ROUNDING = 2  # pixels that a side may differ by
_MAIN_SIDE = 300  # CSS pixels: the first image so wide is likely to be the largest of the first screen
_FIRST_TEXT = 1000  # characters that may stand before it


class Rules(NamedTuple):
    """What is too much.

    *most* is the number of pixels per side that an image may have for each pixel of the screen. *eager* is the number
    of large images at the beginning of the page that must not be lazy.
    """

    most: float = 2.0
    eager: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an image. *kind* is one of `KINDS`, *line* that of the HTML."""

    kind: str
    line: int
    name: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.name}: {self.message}"


class Image(NamedTuple):
    """An image of the page: its *element*, and the files that are known, by URL."""

    element: Element
    files: Mapping[str, File]

    @property
    def name(self) -> str:
        """The path of its source, or its URL."""
        return next((file.name for file in self.files.values()), _shortened(next(self.element.urls, "")))

    def file(self, candidate: Candidate) -> File | None:
        return self.files.get(candidate.url)


class Report(NamedTuple):
    """What was found in a page."""

    images: list[Image]
    findings: list[Finding]

    def of(self, image: Image) -> list[Finding]:
        """The findings about *image*."""
        return [each for each in self.findings if (each.line, each.name) == (image.element.line, image.name)]


def examine(html: str, files: Files, rules: Rules | None = None) -> Report:
    """Return what is wrong with the images of the page *html*."""
    page, chosen = read_page(html), rules or Rules()
    images = []
    for element in page.elements:
        found = {url: file for url in element.urls if (file := files.find(url)) is not None}
        images.append(Image(element, found))
    findings = [
        Finding(kind, image.element.line, image.name, message)
        for image in images
        for kind, message in _judge(image, chosen)
    ]
    findings += _lazy(images, page, chosen.eager)
    return Report(images, sorted({*findings}, key=lambda each: (each.line, each.name, each.kind)))


def _judge(image: Image, rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield the kind and the message of each finding about *image* alone."""
    problems = [file.problem for file in image.files.values() if file.problem]
    if problems:
        more = f" (and {len(problems) - 1} of its other sizes)" if len(problems) > 1 else ""
        yield "missing", f"{problems[0]}{more}"
        return
    element = image.element
    if element.name != "img" or element.is_hidden or next(element.urls, "data:").startswith("data:"):
        return
    if (message := _dimensions(element)) is not None:
        yield "dimensions", message
    elif (message := _shape(image)) is not None:
        yield "shape", message
    if (message := _large(image, rules.most)) is not None:
        yield "large", message
    elif (message := _boxed(image, rules.most)) is not None:
        yield "box", message


def _dimensions(element: Element) -> str | None:
    """Return what is missing, if the browser cannot know the shape of the image before it is loaded."""
    style = element.style
    if "aspect-ratio:" in style or ("width:" in style and "height:" in style):
        return None
    lacks = [name for name in ("width", "height") if not element.side(name)]
    if not lacks:
        return None
    return f"has no {' and '.join(lacks)}, so the page moves when it is loaded: resized_img_tag writes both"


def _shape(image: Image) -> str | None:
    element = image.element
    width, height = element.side("width") or 0, element.side("height") or 0
    file = image.files.get(element.attributes.get("src", ""))
    if file is None or file.size is None or "object-fit:" in element.style or not width or not height:
        return None
    own = file.size
    # At the width of the tag, the height must be that of the file, but for rounding.
    if abs(own.height * width / own.width - height) <= max(_ROUNDING, 0.01 * height):
        return None
    return f"has {_sides(own)} pixels, but its tag says {width}×{height}, so it is distorted"


def _large(image: Image, most: float) -> str | None:
    """Return a message if the one file of the image has many more pixels than its tag shows."""
    element, choice = image.element, image.element.choices[-1]
    width = element.side("width")
    if width is None or len(element.choices) > 1 or len(choice.candidates) != 1 or choice.candidates[0].width:
        return None
    size = _size_of(image, choice.candidates[0])
    if size is None or not _is_too_large(size, width, most):
        return None
    return (
        f"has {_sides(size)} pixels, but is shown {width} wide: pass width={width} to resized_img_tag, and hidpi=2 for "
        "dense screens"
    )


def _boxed(image: Image, most: float) -> str | None:
    """Return a message about the window in which the image is most too large for its box, or None."""
    worst: tuple[float, str] = (0.0, "")
    named = [number for choice in image.element.choices for number in breakpoints(f"{choice.media} {choice.sizes}")]
    edges = {edge for number in named for edge in (number - 1, number, number + 1)}
    for window in sorted({*_WINDOWS, *(edge for edge in edges if _WINDOWS[0] <= edge <= _WINDOWS[-1])}):
        choice = _choice_in(image.element, window)
        box = None if choice is None else _box(image, choice, window)
        if choice is None or box is None or box <= 0:
            continue
        if box > window + 1 and choice.sizes:
            return (
                f"sizes={choice.sizes!r} says {box:g} px in a window of {window} px, so phones load too much: write "
                f"sizes='(min-width: {box:g}px) {box:g}px, 100vw'"
            )
        box = min(box, window)
        for density in _DENSITIES[window < _NARROW]:
            size = _size_of(image, taken(choice, box, density))
            if size is not None and _is_too_large(size, box * density, most):
                message = (
                    f"a browser with a window of {window} px at density {density:g} loads {size.width} pixels across "
                    f"for a box of {box:g} px: {_cure(choice)}"
                )
                worst = max(worst, (size.width / box / density, message))
    return worst[1] or None


def _choice_in(element: Element, window: int) -> Choice | None:
    """Return the candidates that a browser chooses from in a window of this width. None if that is not known."""
    for choice in element.choices:
        applies = matches(choice.media, window) if choice.media else True
        if applies is None:
            return None
        if applies and choice.candidates:
            return choice
    return None


def _box(image: Image, choice: Choice, window: int) -> float | None:
    """Return the width of the image in CSS pixels in a *window* of this width, or None if it is not known."""
    if any(candidate.width for candidate in choice.candidates):
        return slot(choice.sizes or "100vw", window)
    return choice.width or image.element.side("width")


def taken(choice: Choice, box: float, density: float) -> Candidate:
    """Return the candidate with enough pixels for a *box* in CSS pixels, or else the largest.

    Browsers may take a smaller one, such as Chrome if it comes closer.
    """
    offered = [(c.width / box if c.width else c.density or 1.0, index) for index, c in enumerate(choice.candidates)]
    enough = [each for each in offered if each[0] >= density - 0.01]
    return choice.candidates[min(enough)[1] if enough else max(offered)[1]]


def _size_of(image: Image, candidate: Candidate) -> Size | None:
    file = image.file(candidate)
    return None if file is None else file.size


def _is_too_large(size: Size, shown: float, most: float) -> bool:
    needed = size.pixels * (shown / size.width) ** 2
    return size.width > most * shown + _ROUNDING and size.pixels - needed > _FEW_PIXELS


def _cure(choice: Choice) -> str:
    if len(choice.candidates) == 1:
        return "let it choose, with layout='constrained'"
    if any(candidate.width for candidate in choice.candidates):
        return "offer smaller ones with widths=[…]"
    return "offer widths instead of densities, with layout='constrained'"


def _lazy(images: list[Image], page: Page, eager: int) -> Iterator[Finding]:
    """Yield a finding for each image that is lazy although the visitor sees it first."""
    shown = [image for image in images if image.element.name == "img"]
    large = [image for image in shown if (image.element.side("width") or 0) >= _MAIN_SIDE]
    first = [image for image in large[:eager] if image.element.before <= _FIRST_TEXT]
    for image in shown:
        element = image.element
        if element.attributes.get("loading", "").lower() != "lazy":
            continue
        reason = ""
        if element.attributes.get("fetchpriority") == "high":
            reason = 'has fetchpriority="high" and loading="lazy", which contradict each other: remove one'
        elif page.preloaded.intersection(element.urls):
            reason = "is preloaded, but lazy: pass priority=True to resized_img_tag"
        elif image in first:
            reason = "is the first large image of the page, but lazy, so it appears late: pass priority=True"
        if reason:
            yield Finding("lazy", element.line, image.name, reason)


def counted(number: int, what: str) -> str:
    """Return *number* and *what*, in the plural unless it is 1."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _sides(size: Size) -> str:
    return f"{size.width}×{size.height}"


def _shortened(url: str) -> str:
    return url if len(url) <= 80 else f"{url[:79]}…"
