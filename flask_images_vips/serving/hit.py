"""Resolve an image URL to its rendition and to the response headers that do not depend on the request.

Verifying a URL and composing its headers costs more than the rest of a request for a cached image, so the result is
remembered. This result is called a hit, even if the rendition itself is not cached yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from .. import urls
from ..access import Privacy
from ..cache.entry import OWNER, Entry
from ..cache_tags import can_nginx_tag, tag_headers
from ..config.keys import Config
from ..errors import Expired, ImagesError
from ..formats import AUTO, AVIF, JXL, Format
from ..nginx.front_door import FrontDoor
from ..pipeline import Pipeline
from ..rendition import Rendition
from ..smaller_jxl import Pair, SmallerJxl
from ..sources.finder import current_version
from ..state import AppImages
from ..urls import ImageUrl
from .headers import VARY, Freshness, Pairs, common_headers, disposition

_REMEMBERED_URLS = 4096
_EITHER = "avif or jxl"
_ETAG_LETTERS = 16  # hexadecimal digits of the digest in a key
_SECRET_SETTINGS = ("IMAGES_SECRET_KEY", "SECRET_KEY", "SECRET_KEY_FALLBACKS")


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A verified URL, with its rendition for one version of the source.

    All other fields are derived from *url*, *rendition* and *images* (the state of the application), and do not depend
    on the request.

    *headers* are the headers that do not depend on the request, and *freshness* determines Cache-Control. *path* is the
    file of the rendition in the cache, or None if the URL forbids caching. *link* is the path of the link that lets
    nginx serve this URL, or None if there must not be one. *count_answer* counts the responses for what is made of
    renditions in the background, if anything is. *quoted_path* is the path of the URL without the common prefix, in its
    canonical spelling. *etag_suffix* is the end of the ETag, which no other rendition has, nor this one of another
    version of the source. *dated* is false if another version of the picture may have the same date.
    """

    url: ImageUrl
    rendition: Rendition
    images: AppImages
    headers: Pairs
    freshness: Freshness
    path: str | None
    link: str | None
    count_answer: Callable[[], None] | None
    quoted_path: str
    etag_suffix: str
    dated: bool

    def entry(self) -> Entry | None:
        """Open the rendition in the cache. Returns None if it is not cached."""
        return None if self.path is None else self.images.pipeline.cache.at(self.path)

    def showing(self, other: Entry) -> Hit:
        """Return this hit with the validators of *other*, another rendition from the cache, which is sent instead."""
        assert other.path is not None
        return replace(self, etag_suffix=_etag_suffix(os.path.basename(other.path)), dated=False, link=None)

    def is_still_public(self) -> bool:
        """Look again whether the sources are what they were and every visitor may see the image. Nothing is fetched."""
        sources = self.images.pipeline.sources
        with suppress(ImagesError):
            sources.check_not_forgotten(self.url.refs)
            unchanged = all(sources.here(source.ref) == source for source in self.rendition.sources)
            return unchanged and self.images.permit(self.url) == "public"
        return False


class VerifiedUrl:
    """A URL whose signature and options are valid. *last* is the hit of the last request, or None."""

    __slots__ = ("_by_format", "_images", "last", "url")

    def __init__(self, url: ImageUrl, images: AppImages) -> None:
        self.url = url
        self.last: Hit | None = None
        self._images = images
        self._by_format: dict[str, VerifiedUrl] = {}

    def hit(self) -> Hit:
        """Return the hit for the current source. It is `last` if the source and the watermark have not changed.

        Raises:
            SourceNotFound, RemoteFailed: If there is no such source, or it cannot be fetched.
            InvalidOption: If ``IMAGES_OUTPUT_FORMATS`` does not include the format.
            Expired: If the URL has expired.
        """
        url, last, pipeline = self.url, self.last, self._images.pipeline
        expires = url.options.expires
        if expires is not None and time.time() >= expires:
            raise Expired(f"the URL expired on {time.strftime('%Y-%m-%d at %H:%M:%S UTC', time.gmtime(expires))}")
        source = pipeline.sources.find(url, None if last is None else last.rendition.source)
        if (
            last is not None
            and last.rendition.source is source
            and pipeline.sources.watermark(url.options, last.rendition.watermark) is last.rendition.watermark
            and pipeline.sources.lettering(url.options, last.rendition.lettering) is last.rendition.lettering
        ):
            return last
        return self.renewed(pipeline.rendition(url, source))

    def renewed(self, rendition: Rendition) -> Hit:
        """Create the hit of *rendition*, remember it as `last`, and return it."""
        hit = self.last = _hit(self.url, rendition, self._images)
        return hit

    def to_render(self, hit: Hit) -> Hit:
        """Return the hit to render in place of *hit*, a hit of this URL that is not cached."""
        return hit

    def in_avif_or_jxl(self) -> VerifiedUrl:
        """Return the same URL for a client that gets a JPEG XL if there is one, and else an AVIF."""
        chosen = self._by_format.get(_EITHER)
        if chosen is None:
            chosen = self._by_format.setdefault(_EITHER, UrlInEither(self.in_format(AVIF), self._images))
        return chosen

    def in_format(self, format: Format) -> VerifiedUrl:
        """Return the same URL with *format*, which was chosen for one client. Each format has its own hits."""
        chosen = self._by_format.get(format.name)
        if chosen is None:
            url = replace(self.url, options=replace(self.url.options, format=format), negotiated=True)
            chosen = self._by_format.setdefault(format.name, VerifiedUrl(url, self._images))
        return chosen


class UrlInEither(VerifiedUrl):
    """A URL for a client that reads AVIF and JPEG XL. It gets the JPEG XL if there is one, which is then smaller."""

    __slots__ = ("_avif", "_pair")

    def __init__(self, avif: VerifiedUrl, images: AppImages) -> None:
        super().__init__(avif.url, images)
        self._avif = avif
        self._pair: tuple[Hit, Hit] | None = None

    def hit(self) -> Hit:
        """Return the hit of the JPEG XL if that is cached, else that of the AVIF."""
        avif = self._avif.hit()
        pair = self._pair
        if pair is None or pair[0] is not avif:
            pair = self._pair = avif, jxl_of(avif)
        jxl = pair[1]
        self.last = jxl if jxl.path is not None and os.path.exists(jxl.path) else avif
        return self.last

    def renewed(self, rendition: Rendition) -> Hit:
        self.last = self._avif.renewed(rendition)
        return self.last

    def to_render(self, hit: Hit) -> Hit:
        return self._avif.hit()


class VerifiedUrls:
    """The verified URLs of one application. They are remembered until a secret key changes."""

    def __init__(self, images: AppImages) -> None:
        self._images = images
        self._settings: list[object] | None = None
        self._remembered: Callable[[str, bytes], VerifiedUrl] | None = None

    def find(self, path: str, query_string: bytes, accept: str) -> VerifiedUrl:
        """Verify and parse the URL of *path* and *query_string*.

        With ``format=auto``, the format is negotiated with *accept*, the client's Accept header.

        Raises:
            BadSignature, InvalidOption: As `urls.decode` and `Presets.check`. Such URLs are not remembered.
        """
        config = self._images.app.config
        settings = [tuple(v) if isinstance(v := config.get(name), list) else v for name in _SECRET_SETTINGS]
        if self._remembered is None or settings != self._settings:
            if self._remembered is not None:
                self._images.parts.renew_links()
            self._remembered = self._remembering()
            # After the function, so that no thread uses the old function with the new settings.
            self._settings = settings
        found = self._remembered(path, query_string)
        if found.url.options.format is AUTO:
            pipeline = self._images.pipeline
            format = pipeline.formats.negotiated(found.url, accept)
            if format is AVIF and pipeline.formats.may_be_jxl(found.url, accept):
                return found.in_avif_or_jxl()
            return found.in_format(format)
        return found

    def _remembering(self) -> Callable[[str, bytes], VerifiedUrl]:
        """Return a function that verifies URLs with the current secret keys, and remembers them."""
        images = self._images
        secrets, pipeline = images.secrets, images.pipeline

        @lru_cache(_REMEMBERED_URLS)
        def verify(path: str, query_string: bytes) -> VerifiedUrl:
            url = urls.decode(path, query_string, secrets, legacy=pipeline.config.legacy_signatures)
            pipeline.presets.check(url.options, default_quality=url.default_quality)
            return VerifiedUrl(url, images)

        return verify


def verify(images: AppImages, path: str, query_string: bytes, accept: str) -> VerifiedUrl:
    """Verify and parse one URL of *images*, and negotiate its format: see `VerifiedUrls.find`."""
    return images.instance(VerifiedUrls).find(path, query_string, accept)


def jxl_of(avif: Hit) -> Hit:
    """Return the hit of the JPEG XL that is sent in place of *avif*, if it is smaller."""
    rendition = avif.images.pipeline.formats.in_place_of_avif(avif.rendition, default_quality=avif.url.default_quality)
    url = replace(avif.url, options=replace(avif.url.options, format=JXL))
    return _hit(url, rendition, avif.images, is_smaller=True)


def jxl_pair(avif: Hit) -> Pair | None:
    """Return what makes the JPEG XL that is sent in place of *avif*, if it is smaller. None if none may be sent."""
    is_negotiated_avif = avif.rendition.format is AVIF and avif.url.negotiated
    if not is_negotiated_avif or avif.path is None or not avif.images.pipeline.formats.may_be_jxl(avif.url):
        return None
    jxl = jxl_of(avif)

    def link(path: str) -> None:
        """Let nginx send the JPEG XL. It has a link to the AVIF, so it may never ask for the other one."""
        if jxl.images.authorizer is None:  # that needs a request
            offer_to_nginx(jxl, path, "public", settled=jxl.freshness.is_settled(int(time.time())))

    return Pair(avif.rendition, jxl.rendition, link)


def _hit(url: ImageUrl, rendition: Rendition, images: AppImages, *, is_smaller: bool = False) -> Hit:
    """Return the hit of *rendition*. *is_smaller* is set for a JPEG XL that is smaller than the AVIF."""
    pipeline, door, recompressor = images.pipeline, images.front_door, images.recompressor
    current = _is_current(url, rendition, pipeline)
    if rendition.format is JXL and url.negotiated and not is_smaller and pipeline.formats.prefers_jxl_to_avif:
        door = None  # at its place is the link to the smaller one
    hit = Hit(
        url=url,
        rendition=rendition,
        images=images,
        headers=[
            ("Content-Type", rendition.format.media_type),
            ("Content-Disposition", disposition(url, rendition.format)),
            ("Accept-Ranges", "bytes"),
            *([VARY] if url.negotiated else []),
            *tag_headers(pipeline.config, url.refs),
            *common_headers(pipeline.config),
        ],
        freshness=Freshness(url, rendition.mtime, pipeline.config, current=current),
        path=pipeline.cache.path(rendition.key) if url.options.cache else None,
        link=None if door is None else _link_path(url, rendition, door, pipeline.config, current=current),
        count_answer=None if recompressor is None else recompressor.counter(rendition),
        quoted_path="/" + urls.quoted(urls.REMOTE if url.remote else url.ref),
        etag_suffix=_etag_suffix(rendition.key[1]),
        # A version in the URL tells versions apart. Otherwise, only the time of the one file does. The AVIF that was
        # sent before a smaller JPEG XL has the same date.
        dated=not is_smaller and (current or (rendition.source.content is None and not rendition.extras)),
    )
    return hit if images.smaller_jxl is None else _counting_for_jxl(hit, images.smaller_jxl)


def _counting_for_jxl(hit: Hit, maker: SmallerJxl) -> Hit:
    """Return *hit* so that its first response lets *maker* make a JPEG XL, if one may be sent in its place."""
    pair, other = jxl_pair(hit), hit.count_answer
    if pair is None:
        return hit
    count_for_jxl = maker.counter(pair)

    def count_answer() -> None:
        if other is not None:
            other()
        count_for_jxl()

    return replace(hit, count_answer=count_answer)


def offer_to_nginx(hit: Hit, path: str | None, privacy: Privacy, *, settled: bool) -> None:
    """Make a link by which nginx sends *path*, the file of *hit*, if there may be one: see `FrontDoor.link`."""
    images, public = hit.images, privacy == "public"
    if path is not None and public:
        images.pipeline.cache.open_up(path)
    if hit.link is not None and (door := images.front_door) is not None:
        sources, confirm = hit.rendition.sources, hit.is_still_public
        door.link(hit.link, path, sources, public=public, settled=settled, confirm=confirm)


def _link_path(url: ImageUrl, rendition: Rendition, door: FrontDoor, config: Config, *, current: bool) -> str | None:
    return door.link_path(url, rendition.format.suffix, current=current) if can_nginx_tag(url, config) else None


def _etag_suffix(file_name: str) -> str:
    """Return the end of the ETag of the rendition that is stored as *file_name*: a part of its digest."""
    return f"-{file_name.partition('.')[0].partition(OWNER)[0][-_ETAG_LETTERS:]}"


def _is_current(url: ImageUrl, rendition: Rendition, pipeline: Pipeline) -> bool:
    """Return whether the version in *url* is the version of the sources of *rendition*."""
    if url.version is None:
        return False
    if not url.remote:
        return url.version == rendition.version
    # The site chooses the version of a remote source, so only the versions of what is drawn over it can be compared.
    extras = rendition.extras
    return not extras or url.version.endswith(f".{current_version(*extras)}")
