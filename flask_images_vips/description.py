"""Tell what is known of a picture: its size, format, colours, placeholders and the position of its subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .formats import by_name
from .pipeline import Pipeline
from .rendering.placeholders import KINDS, PALETTE
from .sources.finder import current_version
from .urls import ImageUrl

FocalPoint = Callable[[str], tuple[float, float] | None]
"""A function that returns the position of the subject of a source, as fractions of its width and height, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What is known of the picture *ref*.

    *width* and *height* are in pixels, upright. *format* is that of its content, such as ``jpeg``. *frames* is more
    than 1 for an animated GIF or WebP. *alpha* is true if it may have transparent pixels. *size_bytes* is the size of
    its file, *modified* the time of its last change, in seconds since 1970, and *version* stands for both in URLs.

    *palette* has up to six colours as ``#rrggbb``, the most frequent one first. *placeholders* maps the kinds of
    `resized_img_placeholder` to placeholders. *focal_point* is the point that
    the function of `Images.focal_point` returns, or None.
    """

    ref: str
    width: int
    height: int
    format: str
    frames: int
    alpha: bool
    size_bytes: int
    modified: int
    version: str
    palette: tuple[str, ...]
    placeholders: dict[str, str]
    focal_point: tuple[float, float] | None = None

    @property
    def dominant(self) -> str:
        """The most frequent colour, as ``#rrggbb``."""
        return self.palette[0]

    def to_json(self) -> dict[str, Any]:
        """Return this as an object for JSON."""
        return {**asdict(self), "dominant": self.dominant}


def describe(url: ImageUrl, pipeline: Pipeline, find_focal_point: FocalPoint | None) -> Info:
    """Return what is known of the source of *url*. What needs its pixels is found now, and cached.

    Raises:
        Forgotten: If it was taken down for good, also if that was done meanwhile.
        SourceNotFound, RemoteFailed, UnreadableSource, LimitExceeded, SourceChanged, Busy: As `Pipeline.entry`.
    """
    try:
        return _described(url, pipeline, find_focal_point)
    finally:  # an error must not tell either what there was
        pipeline.sources.check_not_forgotten(url.refs)


def _described(url: ImageUrl, pipeline: Pipeline, find_focal_point: FocalPoint | None) -> Info:
    source = pipeline.sources.find(url)
    header = pipeline.facts.header(source)
    lacking = () if pipeline.abilities.writes(by_name("webp")) else ("lqip",)
    kinds = [kind for kind in (*KINDS, PALETTE) if kind not in lacking]
    found = pipeline.placeholders(source, kinds)
    return Info(
        ref=source.ref,
        width=header.size.width,
        height=header.size.height,
        format=header.format,
        frames=header.frames,
        alpha=header.alpha,
        size_bytes=source.size_bytes,
        modified=source.mtime,
        version=current_version(source),
        palette=tuple(found.pop(PALETTE).split(" ")),
        placeholders=found,
        focal_point=find_focal_point(source.ref) if find_focal_point is not None else None,
    )
