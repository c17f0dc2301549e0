"""The gallery: a page of 60 pictures, as a site would write it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import NamedTuple

from flask import Flask, render_template
from flask.typing import ResponseReturnValue

from .photos import LARGE, Photo, Region
from .templates_shown import template_source
from .tiny import make_placeholders

_WIDEST = 1.75
"""The largest ratio of width to height. Very wide pictures leave rows of the page uneven."""


class Picture(NamedTuple):
    """A photograph, or the *region* of it. *ratio* is its width for a height of 1."""

    path: str
    region: tuple[float, float, float, float]
    caption: str
    alt: str
    ratio: float

    @property
    def sizes(self) -> str:
        """The width in the page, for the pictures that do not wait until they are laid out."""
        return f"(min-width: 48em) {15 * self.ratio:.3g}rem, {11 * self.ratio:.3g}rem"


def add_to(app: Flask) -> None:
    app.add_url_rule("/gallery", "gallery", page)


def page() -> ResponseReturnValue:
    make_placeholders(LARGE)
    return render_template(
        "gallery.html",
        title="Gallery",
        pictures=PICTURES,
        originals=len(LARGE),
        original_bytes=sum(photo.size_bytes for photo in LARGE),
        original_megapixels=round(sum(photo.size[0] * photo.size[1] for photo in LARGE) / 1e6),
        code=template_source("gallery_pictures.html"),
    )


def _pictures(photo: Photo) -> Iterator[Picture]:
    name = photo.file.partition(".")[0].capitalize()
    for region in (Region(name, (0, 0, 1, 1)), *photo.regions):
        left, top, width, height = region.box
        ratio = photo.size[0] * width / (photo.size[1] * height)
        narrower = round(width * min(1, _WIDEST / ratio), 4)
        box = (round(left + (width - narrower) / 2, 4), top, narrower, height)
        alt = photo.alt if region.caption == name else f"{name}: {region.caption}"
        yield Picture(photo.path, box, region.caption, alt, min(ratio, _WIDEST))


PICTURES = [picture for picture in chain(*zip_longest(*map(_pictures, LARGE))) if picture is not None]
"""The pictures of the page, in turn from each photograph."""
