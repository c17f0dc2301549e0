"""Which renditions of one picture does a page offer to the browser? Widths, densities and ``sizes``, by layout.

The sides of each come from `geometry.plan`, so that a ``srcset`` says how wide its files are. This module does no I/O.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from ..geometry import Geometry, Size, needs_enlarging, plan
from ..options.options import Options
from ..options.values import Mode

LADDER = (640, 750, 828, 960, 1080, 1280, 1668, 1920, 2048, 2560, 3200, 3840, 4480, 5120, 6016)
"""Widths in pixels of telephones, tablets and screens, at their densities."""

_REMEMBERED = 4096
_TRIES = 4  # a side rounds by less than two pixels


class Layout(StrEnum):
    """How wide a picture is in the page."""

    CONSTRAINED = "constrained"
    """As wide as asked for, and narrower where there is less room."""
    FIXED = "fixed"
    """As wide as asked for, always."""
    FULL = "full"
    """As wide as its container."""


class Limits(NamedTuple):
    """How large a rendition may be: its sides, and its pixels."""

    width: int
    height: int
    pixels: int

    def allow(self, geometry: Geometry) -> bool:
        final = geometry.final
        return (
            final.width <= self.width
            and final.height <= self.height
            and max(geometry.scaled.pixels, final.pixels) <= self.pixels
        )


class Candidate(NamedTuple):
    """A rendition that is offered: the sides to ask for, and the size that comes of them."""

    width: int | None
    height: int | None
    size: Size


def widths(layout: Layout, width: int) -> list[int]:
    """The widths to offer for a picture that the page shows at *width* pixels."""
    if layout is Layout.FULL:
        return list(LADDER)
    narrower = [step for step in LADDER if step < 2 * width] if layout is Layout.CONSTRAINED else []
    return [width, 2 * width, *narrower]


def sizes(layout: Layout, width: int) -> str:
    """How wide the picture will be, for a browser that has not laid out the page yet."""
    if layout is Layout.FIXED:
        return f"{width}px"
    return "100vw" if layout is Layout.FULL else f"(min-width: {width}px) {width}px, 100vw"


@lru_cache(_REMEMBERED)
def settled(image: Size, options: Options) -> Options:
    """*options* with the sides that *image*, upright and transformed, can have: `plan` gives the same of both."""
    options = options.settled()
    if options.aspect:
        width, height = plan(image, options).canvas
        return replace(options, aspect=None, width=width, height=height)
    if options.width is None and options.height is None:
        return replace(options, width=image.width)
    if options.enlarge or not needs_enlarging(image, options) or options.mode is Mode.PAD:
        return options
    canvas = plan(image, options).canvas
    return replace(options, width=options.width and canvas.width, height=options.height and canvas.height)


@lru_cache(_REMEMBERED)
def candidates(image: Size, options: Options, wanted: tuple[int, ...], limits: Limits) -> tuple[Candidate, ...]:
    """Renditions of *image*, in the shape of *options*, `settled`, as wide as *wanted*: narrow ones first.

    None is larger than the picture itself, unless ``options.enlarge``: its largest takes the place of those. Left out
    are those beyond the *limits*.
    """
    at_once = plan(image, options)
    if at_once.final != at_once.canvas:  # what lies around it has a size of its own, so the shape would change
        return (Candidate(options.width, options.height, at_once.final),) if limits.allow(at_once) else ()
    if options.mode is Mode.PAD and not options.enlarge and needs_enlarging(image, options):
        # At any other width it would lie smaller or larger.
        wanted, most = (at_once.canvas.width,), at_once.canvas.width
    else:
        room = min(image.width / at_once.scaled.width, image.height / at_once.scaled.height)
        most = int(at_once.canvas.width * room)
    found: dict[int, Candidate] = {}
    for width in sorted({max(1, width if options.enlarge else min(width, most)) for width in wanted}):
        sides = _within(image, options, at_once.canvas, width)
        geometry = plan(image, sides)
        if limits.allow(geometry):
            found[geometry.canvas.width] = Candidate(sides.width, sides.height, geometry.canvas)
    return tuple(found[width] for width in sorted(found))


def _within(image: Size, options: Options, canvas: Size, width: int) -> Options:
    """*options* with the sides for *width*, or a little less where rounding would ask for more than there is."""
    sides = _scaled(options, canvas, width)
    if options.mode is not Mode.PAD and not options.enlarge:
        for narrower in range(width - 1, max(0, width - _TRIES), -1):
            if not needs_enlarging(image, sides):
                break
            sides = _scaled(options, canvas, narrower)
    return sides


def _scaled(options: Options, canvas: Size, width: int) -> Options:
    """*options* with their sides in the proportion that makes *canvas* as wide as *width*."""
    if options.height is None:
        return replace(options, width=width)
    height = max(1, round(options.height * width / canvas.width))
    return replace(options, width=options.width and max(1, round(options.width * width / canvas.width)), height=height)
