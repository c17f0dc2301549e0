"""Choose the renditions of a picture that a page offers the browser, and the ``sizes`` attribute, by layout.

Sizes come from `geometry.plan`, so the widths in a ``srcset`` match the files. This module does no I/O.
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
"""Widths of phones, tablets and screens, in device pixels."""

_REMEMBERED = 4096
_TRIES = 4  # enough, because rounding changes a side by less than two pixels


class Layout(StrEnum):
    """The width of a picture in the page."""

    CONSTRAINED = "constrained"
    """The requested width, or the width of the container if that is smaller."""
    FIXED = "fixed"
    """Always the requested width."""
    FULL = "full"
    """The width of the container."""


class Limits(NamedTuple):
    """The maximum width and height of a rendition in pixels, and the maximum of their product."""

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
    """A rendition to offer: the width and height in its URL, and its size in pixels."""

    width: int | None
    height: int | None
    size: Size


def widths(layout: Layout, width: int) -> list[int]:
    """Return the widths to offer for a picture that is *width* CSS pixels wide in the page."""
    if layout is Layout.FULL:
        return list(LADDER)
    narrower = [step for step in LADDER if step < 2 * width] if layout is Layout.CONSTRAINED else []
    return [width, 2 * width, *narrower]


def sizes(layout: Layout, width: int) -> str:
    """Return the ``sizes`` attribute for a picture whose layout width is *width* CSS pixels."""
    if layout is Layout.FIXED:
        return f"{width}px"
    return "100vw" if layout is Layout.FULL else f"(min-width: {width}px) {width}px, 100vw"


@lru_cache(_REMEMBERED)
def fitted(image: Size, options: Options) -> tuple[Options, Size]:
    """Return ``within_source(image, options)``, and the size of that rendition in pixels."""
    options = within_source(image, options)
    return options, plan(image, options).final


def within_source(image: Size, options: Options) -> Options:
    """Return equivalent options without ``aspect``, whose width and height do not exceed what the source provides.

    `plan` returns the same geometry for *options* and for the result. *image* is the size of the upright, transformed
    source. With ``pad`` or ``enlarge``, the width and height may exceed the source and are not reduced.
    """
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
    """Return renditions at the *wanted* widths, narrow ones first, all in the shape of *options*.

    *image* is the size of the upright, transformed source, and *options* must be the result of `within_source`. Widths
    that would need enlarging are reduced to the largest possible one, unless ``options.enlarge`` is set. Renditions
    that exceed the *limits* are omitted.
    """
    base = plan(image, options)
    if base.final != base.canvas:  # padding and border do not scale, so the shape would change
        return (Candidate(options.width, options.height, base.final),) if limits.allow(base) else ()
    if options.mode is Mode.PAD and not options.enlarge and needs_enlarging(image, options):
        # At any other width, the picture would fill a larger or smaller share of the canvas.
        wanted, most = (base.canvas.width,), base.canvas.width
    else:
        room = min(image.width / base.scaled.width, image.height / base.scaled.height)
        most = int(base.canvas.width * room)
    found: dict[int, Candidate] = {}
    for width in sorted({max(1, width if options.enlarge else min(width, most)) for width in wanted}):
        sides = _at_width(image, options, base.canvas, width)
        geometry = plan(image, sides)
        if limits.allow(geometry):
            found[geometry.canvas.width] = Candidate(sides.width, sides.height, geometry.canvas)
    return tuple(found[width] for width in sorted(found))


def _at_width(image: Size, options: Options, canvas: Size, width: int) -> Options:
    """Return *options* with the sides for *width*, or slightly narrower if rounding would exceed the source."""
    sides = _scaled(options, canvas, width)
    if options.mode is not Mode.PAD and not options.enlarge:
        for narrower in range(width - 1, max(0, width - _TRIES), -1):
            if not needs_enlarging(image, sides):
                break
            sides = _scaled(options, canvas, narrower)
    return sides


def _scaled(options: Options, canvas: Size, width: int) -> Options:
    """Return *options* with both sides multiplied by the factor that scales *canvas* to *width*."""
    if options.height is None:
        return replace(options, width=width)
    height = max(1, round(options.height * width / canvas.width))
    return replace(options, width=options.width and max(1, round(options.width * width / canvas.width)), height=height)
