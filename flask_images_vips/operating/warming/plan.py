"""Decide what is to be made: the renditions that are wanted and not cached, in the order in which to make them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ...errors import ImagesError
from ...formats import AUTO, AVIF, JXL, Format, choose
from ...nginx.links import leads_to
from ...serving.hit import VerifiedUrl, jxl_pair
from ...state import AppImages
from ...urls import ImageUrl
from .wanted import Placeholder, Problem, Wanted


@dataclass(frozen=True, slots=True, eq=False)
class Rendition:
    """A rendition to make. *origin* is as in `Wanted`."""

    verified: VerifiedUrl
    origin: str

    @property
    def ref(self) -> str:
        return self.verified.url.ref


@dataclass(slots=True)
class Plan:
    """What is to be made. *linkless* are cached renditions that nginx has no link to.

    *cached* counts what is made already, and *skipped* the URLs that are not cached at all, by an option of theirs.
    """

    missing: list[Rendition] = field(default_factory=list)
    linkless: list[Rendition] = field(default_factory=list)
    placeholders: list[Placeholder] = field(default_factory=list)
    cached: int = 0
    skipped: int = 0
    problems: dict[Problem, None] = field(default_factory=dict)

    def limit(self, most: int) -> None:
        """Leave out all missing renditions after the first *most*."""
        del self.missing[most:]


def plan(
    images: AppImages, wanted: Iterable[Wanted], placeholders: Iterable[Placeholder], formats: Sequence[Format]
) -> Plan:
    """Compare what is *wanted* with what is cached. The most wanted comes first.

    A URL with ``format=auto`` stands for a rendition in each of *formats* that its clients may get. Nothing is rendered
    or fetched.
    """
    made, seen = Plan(), set[Hashable]()
    for each in sorted(wanted, key=lambda one: -one.count):
        url = each.url
        if not url.options.cache or url.options.expires is not None:
            made.skipped += 1
            continue
        try:
            images.pipeline.presets.check(url.options, default_quality=url.default_quality)
            for verified in _negotiated(images, url, formats):
                _place(images, Rendition(verified, each.origin), seen, made)
        except ImagesError as error:
            made.problems.setdefault(Problem(each.origin, str(error)))
    facts = images.pipeline.facts
    for placeholder in placeholders:
        with suppress(ImagesError):  # its rendition reports it
            source = images.pipeline.sources.here(placeholder.ref)
            if facts.pixels.placeholder(source, placeholder.kind) is None:
                made.placeholders.append(placeholder)
    return made


def _negotiated(images: AppImages, url: ImageUrl, formats: Sequence[Format]) -> Iterator[VerifiedUrl]:
    verified, pipeline = VerifiedUrl(url, images), images.pipeline
    if url.negotiated and url.options.format is JXL and pipeline.formats.negotiated(url, AVIF.media_type) is AVIF:
        yield verified.in_format(AVIF)  # a JPEG XL that was sent in its place is made with it
        return
    if url.options.format is not AUTO:
        yield verified
        return
    own = choose(url.file_name, None)
    chosen = [pipeline.formats.negotiated(url, format.media_type) for format in formats]
    for format in dict.fromkeys([each for each in chosen if each is not own] or [own]):
        yield verified.in_format(format)


def _place(images: AppImages, task: Rendition, seen: set[Hashable], made: Plan) -> None:
    """Put *task* where it belongs in the plan *made*, unless the same is there already."""
    pipeline, url = images.pipeline, task.verified.url
    if url.remote:
        try:
            pipeline.sources.here(url.ref)
        except ImagesError:  # it is fetched when it is made
            name = url.ref, url.options
            if name not in seen:
                seen.add(name)
                made.missing.append(task)
            return
    hit = task.verified.hit()
    if (hit.rendition.key, hit.link) in seen:
        return
    is_first = hit.rendition.key not in seen
    seen.update({hit.rendition.key, (hit.rendition.key, hit.link)})
    maker, pair = images.smaller_jxl, jxl_pair(hit)
    lacks_jxl = maker is not None and pair is not None and maker.lacks(pair)
    if lacks_jxl or not pipeline.cache.has(hit.rendition.key):
        made.missing.append(task)
        return
    made.cached += is_first
    if hit.link is not None and hit.path is not None and not leads_to(hit.link, hit.path):
        made.linkless.append(task)
