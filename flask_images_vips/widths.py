"""Decide which widths renditions may have, and choose other sides for a URL whose rendition has none of them.

What counts is the width that comes out, however a URL asks for it. A picture that comes out narrower only because its
source has no more pixels is allowed. This module does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .errors import InvalidOption
from .geometry import Box, Geometry, Size, lay_out
from .options.options import Options, write_query
from .options.presets import Presets
from .options.values import Mode

IN_PIXELS = frozenset({"padding", "border", "radius", "watermark"})
"""Options, besides the sides, that are in pixels of the rendition."""

_UNKNOWN = Size(10_000, 10_000)  # stands for a source whose size is not known


class Widths:
    """The *allowed* widths of one application, besides those of its *presets*. If *allowed* is empty, all are."""

    def __init__(self, allowed: Sequence[int], presets: Presets) -> None:
        self._allowed = sorted({*allowed, *presets.widths}) if allowed else []
        self._presets = presets

    @property
    def restricting(self) -> bool:
        """Whether any width is refused."""
        return bool(self._allowed)

    def nearest(self, widths: Iterable[int]) -> list[int]:
        """Return the allowed width for each of *widths*: itself, the next larger one, or the largest."""
        return [next(self._from(width)) for width in widths] if self._allowed else list(widths)

    def check(self, image: Size, options: Options, trimmed: Box | None, *, default_quality: bool) -> None:
        """Refuse a rendition of an upright source of size *image* whose width is not allowed.

        *trimmed* is as in `lay_out`. *default_quality* is true if the URL has no quality.

        Raises:
            InvalidOption: If the rendition has another width.
        """
        if not self._allowed or self._presets.include(options, default_quality=default_quality):
            return
        width = _enlarged(image, options, trimmed).final.width
        if width not in self._allowed:
            raise InvalidOption("width", width, expected=f"a picture of one of the widths {self._listed}")

    def fitted(
        self,
        keywords: Mapping[str, Any],
        options: Options,
        image: Size | None,
        trimmed: Box | None,
        *,
        default_quality: bool,
    ) -> dict[str, Any]:
        """Return *keywords* with other sides, if the rendition would have a width that is not allowed.

        It becomes the next larger allowed width, or the largest, in the same shape. *options* are those of *keywords*.
        If *image*, the size of the source, is not known, the result does not depend on it.

        Raises:
            InvalidOption: If no allowed width is possible, or if the region extends beyond the source.
        """
        if not self._allowed or self._presets.include(options, default_quality=default_quality):
            return dict(keywords)
        layout = _enlarged(image or _UNKNOWN, options, trimmed)
        settled, width = options.settled(), layout.final.width
        given = settled.width is not None and settled.mode is not Mode.FIT
        if width in self._allowed and (image is not None or given):
            return dict(keywords)
        for target in self._from(width):
            other = _at_width(keywords, settled, layout, target, dpr=options.dpr)
            with suppress(InvalidOption):
                parsed = Options.parse(write_query(other))
                if _enlarged(image or _UNKNOWN, parsed, trimmed).final.width == target:
                    return other
        raise InvalidOption("width", width, expected=f"options that can give one of the widths {self._listed}")

    @property
    def _listed(self) -> str:
        return f"of IMAGES_ALLOWED_WIDTHS and the presets ({', '.join(map(str, self._allowed))})"

    def _from(self, width: int) -> Iterator[int]:
        """Yield the allowed widths from *width* on, then the smaller ones, the largest of them first."""
        yield from (each for each in self._allowed if each >= width)
        yield from (each for each in reversed(self._allowed) if each < width)


def _enlarged(image: Size, options: Options, trimmed: Box | None) -> Geometry:
    """Return the layout for a source with enough pixels."""
    return lay_out(image, replace(options, enlarge=True), trimmed=trimmed)


def _at_width(
    keywords: Mapping[str, Any], settled: Options, layout: Geometry, target: int, *, dpr: float
) -> dict[str, Any]:
    """Return *keywords* with sides for a picture that is *target* pixels wide with its padding and border."""
    edges = layout.final.width - layout.canvas.width
    scale = max(1, target - edges) / layout.canvas.width
    other = {name: value for name, value in keywords.items() if name not in ("width", "height")}
    # Other options in pixels must be multiplied as before. Without them, the sides alone can be multiplied.
    if not keywords.keys() & IN_PIXELS:
        other.pop("dpr", None)
        dpr = 1.0
    other["width"] = max(1, round((target - edges) / dpr))
    if settled.mode is Mode.FIT:
        other.pop("aspect", None)  # the picture has its own shape
    elif settled.width and settled.height:
        other.pop("aspect", None)
        other["height"] = max(1, round(settled.height * scale / dpr))
    return other
