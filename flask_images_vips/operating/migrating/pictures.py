"""Find the pictures of a site that this package shows in another way than Flask-Images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from ...errors import ImagesError, reason_of
from ...formats import EXTENSIONS, JPEG, choose
from ...geometry import Size
from ...headers.read import read_header
from ...pipeline import Pipeline
from ...sources.source import Source
from ...svg.choice import is_drawing
from ...urls import checked_path

_JPEG_NAMES = {*JPEG.aliases, JPEG.name}

KINDS = {
    "turned": "are turned upright by their EXIF orientation, which Flask-Images ignored. IMAGES_AUTO_ORIENT = False "
    "ignores it too",
    "animated": "are animations, and stay so in GIF and WebP. Flask-Images showed their first frame, as animated=False "
    "does",
    "to JPEG": "become JPEG unless the URL names a format. Flask-Images kept their format",
    "passed": "are drawings, and are sent as SVG (IMAGES_SVG = 'pass'). Flask-Images could not show them",
    "refused": "cannot be shown",
}
"""The kinds of pictures that differ, each with what a list of them says."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the site. *size* is its own size in pixels, upright if it is turned, None if it is refused.

    *kind* is one of `KINDS`, or empty if it is shown as by Flask-Images. *detail* says why.
    """

    source: Source
    size: Size | None = None
    kind: str = ""
    detail: str = ""


def pictures(pipeline: Pipeline, root_path: str, most: int) -> Iterator[Picture]:
    """Yield the pictures in ``IMAGES_PATH``, but at most *most* of them."""
    for ref in islice(_refs(pipeline.config.path, root_path), most):
        try:
            source = pipeline.sources.here(ref)
        except ImagesError:
            continue  # a link that leads elsewhere, or a name that no URL can have
        if source is not None:
            yield _looked_at(source, pipeline)


def _refs(folders: Sequence[str], root_path: str) -> Iterator[str]:
    """Yield the paths of all pictures below *folders*, relative to them."""
    seen = set()
    for each in folders:
        top = os.path.join(root_path, each)
        for folder, inner, names in os.walk(top):
            inner.sort()
            for name in sorted(names):
                ref = os.path.relpath(os.path.join(folder, name), top).replace(os.sep, "/")
                if _extension(name) in EXTENSIONS and ref not in seen:
                    seen.add(ref)
                    yield ref


def _looked_at(source: Source, pipeline: Pipeline) -> Picture:
    try:
        checked_path(source.ref)
        if is_drawing(pipeline.config, source.ref):
            return Picture(source, pipeline.facts.drawing(source).size, "passed", "SVG")
        header = pipeline.facts.header(source)
        pipeline.limits.check_source(header)
    except ImagesError as error:
        return Picture(source, kind="refused", detail=reason_of(error, source.ref))
    stored = _stored_size(source) or header.size
    if header.size != stored:
        sides = "×".join(map(str, stored)), "×".join(map(str, header.size))
        return Picture(source, header.size, "turned", " becomes ".join(sides))
    if header.frames > 1:
        return Picture(source, stored, "animated", f"{header.frames} frames")
    if choose(source.ref, None) is JPEG and _extension(source.ref) not in _JPEG_NAMES:
        return Picture(source, stored, "to JPEG", _extension(source.ref))
    return Picture(source, stored)


def _stored_size(source: Source) -> Size | None:
    """Return the size before the EXIF orientation is applied, or None if the file does not state it."""
    with suppress(ImagesError), source.open() as descriptor:
        stated = read_header(descriptor, source.ref, auto_orient=False)
        return None if stated is None else stated.size
    return None


def _extension(name: str) -> str:
    return os.path.splitext(name)[1][1:].lower()
