"""Look up what a page needs to know about the pixels of its sources, without waiting for them.

If a fact is not known yet, the page leaves it out, and the next render of the source, or `LateFacts`, finds it. Outside
of a request, such as in a command or an e-mail, no visitor waits, so facts are found at once.
"""

from __future__ import annotations

from functools import partial

from flask import has_request_context

from ..engines.engine import Header
from ..geometry import Box
from ..options.options import Options
from ..pixel_facts import trim_of
from ..sources.source import Source
from ..state import current_images
from ..urls import name_of
from ..waiting import without_waiting


def placeholder(source: Source, kind: str) -> str | None:
    """Return the placeholder *kind* of *source*, or None if it is not known yet.

    Raises:
        ImagesError: If it cannot be made.
    """
    images = current_images()
    pipeline, facts = images.pipeline, images.pipeline.facts
    if not has_request_context():
        return pipeline.placeholder(source, kind)
    known = facts.pixels.placeholder(source, kind)
    if known is None:
        facts.check_finding(source, kind)
        facts.pixels.ask(source, kind)
        images.find_later((source, kind), partial(pipeline.placeholder, source, kind, yields=True))
    return known


def measured(source: Source, options: Options) -> tuple[Header, Box | None] | None:
    """Return the header of *source*, and the box that remains after the trim of *options*, if they have one.

    Returns None if the box is not known yet. Almost all headers are read here, in less than a millisecond. Those of
    drawings and unusual files are read by a renderer, if one is free at once. A drawing that is passed through has the
    size that a browser gives to it.

    Raises:
        ImagesError: If the source is broken, or if its header needs a renderer, and none is free.
    """
    images = current_images()
    facts = images.pipeline.facts
    if images.pipeline.formats.passes(name_of(source.ref), options):
        return facts.drawing(source), None
    if not has_request_context():
        return facts.header(source), facts.trimmed(source, options)
    with without_waiting():
        header = facts.header(source)
    box = facts.pixels.trim(source, options)
    if options.trim and box is None:
        facts.check_finding(source, *trim_of(options))
        images.find_later((source, trim_of(options)), partial(facts.trimmed, source, options, yields=True))
        return None
    return header, box
