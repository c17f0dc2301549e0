"""Turn an image URL into the bytes of a rendition: find the source, choose the rendition, look it up or render it.

This module does not depend on Flask, and does not name a particular engine.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from .abilities import Abilities
from .cache.disk import DiskCache
from .cache.entry import Entry, Key
from .config.keys import Config
from .errors import ImagesError, InvalidOption, LimitExceeded, SourceChanged, UnreadableSource
from .facts import Facts
from .format_choice import FormatChoice
from .formats import SVG, Auto, Format, by_name
from .geometry import Size, lay_out
from .headers.read import read_header
from .options.options import Options
from .options.presets import Presets
from .producer import Producer
from .rendering.placeholders import SMALLEST
from .rendering.result import Result
from .rendition import Rendition, source_folder
from .shared_decode.attempts import SharedDecode, SharedDecodes
from .shared_decode.sets import Sides
from .sources.finder import Sources
from .sources.source import Source
from .urls import ImageUrl
from .widths import Widths

_TRIES = 3  # attempts, if the source changes during the render
_FAILURE_SECONDS = 10.0  # how long to remember that a rendition cannot be made
_MOST_COMPARED = 256  # cached sizes of one picture, whose headers are read while the host is busy


class Pipeline:
    """Turns image URLs into rendered bytes, for one application. *shared* is None if ``IMAGES_COPIES`` is off."""

    def __init__(
        self,
        config: Config,
        sources: Sources,
        cache: DiskCache,
        facts: Facts,
        abilities: Abilities,
        producer: Producer,
        shared: SharedDecodes | None,
    ) -> None:
        self.config = config
        self.formats = FormatChoice(config, abilities)
        self.presets = Presets(config, self.formats.writes)
        self.widths = Widths(config.allowed_widths, self.presets)
        self.sources = sources
        self.cache = cache
        self.facts = facts
        self.abilities = abilities
        self.producer = producer
        self.limits = producer.limits
        self.shared = shared

    def for_nobody(self, *, yields: bool) -> Pipeline:
        """Return this pipeline for renders that no visitor waits for. With *yields*, requests of visitors go first."""
        other = copy.copy(self)
        other.producer = self.producer.for_nobody(yields=yields)
        return other

    @property
    def copies(self) -> DiskCache | None:
        """The cache of reduced copies, or None if ``IMAGES_COPIES`` is off."""
        return self.shared.copies.store if self.shared is not None else None

    @property
    def caches(self) -> tuple[DiskCache, ...]:
        """All caches of this host: of renditions, of fetched files and of copies."""
        return self.cache, *self.sources.caches, *([self.copies] if self.copies is not None else [])

    def rendition(self, url: ImageUrl, source: Source) -> Rendition:
        """Return the rendition of *source* that *url* asks for.

        Raises:
            InvalidOption: If ``IMAGES_OUTPUT_FORMATS`` does not include the format, if the width is not allowed, or if
                there is no such style of text.
            SourceNotFound: If the watermark or a font is missing.
            UnreadableSource, LimitExceeded, SourceChanged, Busy: If widths are limited, and the source cannot be read.
        """
        config, options, format = self.config, url.options, self.formats.of(url.file_name, url.options)
        if format is SVG:  # all sizes are the same file
            return Rendition(source, Options(cache=options.cache), format)
        if format.name not in config.output_formats:
            expected = f"one of IMAGES_OUTPUT_FORMATS ({', '.join(config.output_formats)})"
            raise InvalidOption("format", format.name, expected=expected)
        if self.widths.restricting:
            image, trimmed = self.facts.header(source).size, self.facts.trimmed(source, options)
            self.widths.check(image, options, trimmed, default_quality=url.default_quality)
        if url.default_quality and format.lossy:
            options = replace(options, quality=config.quality_of(format.name))
        if isinstance(options.quality, Auto):
            options = replace(options, quality=config.auto_quality_of(format.name))
        return self._rendition(source, options, format)

    def _rendition(self, source: Source, options: Options, format: Format) -> Rendition:
        config = self.config
        settings, most = self.facts.settings, config.max_output_pixels
        if format.animated:  # in other formats, these limits affect only whether there is a rendition
            settings += f"\n{config.max_frames} frames, {config.max_source_pixels} pixels"
            settings += f", {most} made" if most != Config().max_output_pixels else ""
        signer = self.producer.signer
        if signer is not None and signer.signs(options, format):
            settings += f"\nsigned by {signer.digest}"
        watermark, lettering = self.sources.watermark(options), self.sources.lettering(options)
        return Rendition(source, options, format, settings, watermark, lettering)

    def entry(self, url: ImageUrl, found: Rendition | None = None, *, yields: bool = False) -> tuple[Rendition, Entry]:
        """Return the rendition that *url* asks for and its cache entry, rendering it first if necessary.

        Concurrent requests normally share one render. *found* is the rendition that *url* asks for, if the caller has
        already determined it.

        With *yields*, requests of visitors go first.

        Raises:
            Forgotten: If a source was taken down for good, also if that was done meanwhile.
            SourceNotFound, RemoteFailed, UnreadableSource, InvalidOption, LimitExceeded: If the picture cannot be
                rendered. Nothing is stored.
            SourceChanged: If the source changed during every attempt.
            Busy: If no renderer was free in time.
        """
        self.sources.check_not_forgotten(url.refs)
        try:
            rendition, entry = self._current_entry(url, found, self.producer.yielding() if yields else self.producer)
        except (ImagesError, OSError):
            self.sources.check_not_forgotten(url.refs)
            raise
        try:
            self.sources.check_not_forgotten(url.refs)
        except ImagesError:
            entry.close()
            raise
        return rendition, entry

    def _current_entry(self, url: ImageUrl, found: Rendition | None, producer: Producer) -> tuple[Rendition, Entry]:
        """Do as `entry`, and try again if the source changes during the render."""
        since = time.monotonic()
        for _ in range(_TRIES - 1):
            rendition, found = found or self.rendition(url, self.sources.find(url)), None
            with suppress(SourceChanged):
                return rendition, self._entry(rendition, since, producer)
        rendition = self.rendition(url, self.sources.find(url))
        return rendition, self._entry(rendition, since, producer)

    def nearest(self, rendition: Rendition) -> Entry | None:
        """Return a cached rendition of the same picture in a smaller size or another quality, or None.

        The largest that is not larger than asked for. It is used as a substitute when the host is too busy to render
        the requested size. A larger one could show more than the URL allows. If there are very many, some are ignored.
        """
        if rendition.format is SVG:
            return None
        folder, _ = rendition.key
        wanted = lay_out(self.facts.header_in_render(rendition.source).size, rendition.options).final
        kept = [
            (size.pixels, key)
            for key in self.cache.siblings(folder, rendition.family)[:_MOST_COMPARED]
            if (size := self._kept_size(key, rendition.source.ref)) is not None
            and size.width <= wanted.width
            and size.height <= wanted.height
        ]
        return self.cache.get(max(kept)[1]) if kept else None

    def _kept_size(self, key: Key, ref: str) -> Size | None:
        entry = self.cache.get(key)
        if entry is None:
            return None
        with entry, suppress(ImagesError):
            header = read_header(entry.fileno(), ref, auto_orient=True)
            return header.size if header is not None else None
        return None

    def placeholder(self, source: Source, kind: str, *, yields: bool = False) -> str:
        """Return the placeholder *kind* of *source*, see `placeholders`."""
        return self.placeholders(source, [kind], yields=yields)[kind]

    def placeholders(self, source: Source, kinds: Sequence[str], *, yields: bool = False) -> dict[str, str]:
        """Return the placeholders *kinds* of *source*, see `rendering.placeholders`.

        Those that are not known are made now, from one decode. With *yields*, requests of visitors go first.

        Raises:
            SourceChanged, UnreadableSource, LimitExceeded, Busy: If the source cannot be rendered.
        """
        known = self._known(source, kinds)
        missing = [kind for kind in kinds if kind not in known]
        if not missing:
            return known
        rendition = self._rendition(source, SMALLEST, by_name("webp" if "lqip" in missing else "png"))
        refusal = self.abilities.refusal(rendition.format)
        if refusal is not None:
            raise refusal
        with self.facts.finding(source, *missing):
            key = self.facts.pixels.key(source, missing[0])
            return known | self.cache.once(key, partial(self._draw, missing, rendition, yields))

    def _known(self, source: Source, kinds: Sequence[str], *, elsewhere: bool = False) -> dict[str, str]:
        found = {kind: self.facts.pixels.placeholder(source, kind, elsewhere=elsewhere) for kind in kinds}
        return {kind: placeholder for kind, placeholder in found.items() if placeholder is not None}

    def _draw(self, kinds: Sequence[str], rendition: Rendition, yields: bool) -> dict[str, str]:
        """Draw the placeholders *kinds* of the source of *rendition*, unless another process or host has done so."""
        known = self._known(rendition.source, kinds, elsewhere=True)
        missing = [kind for kind in kinds if kind not in known]
        if not missing:
            return known
        producer = self.producer.once(missing, yields=yields)
        shared = self.shared.of(rendition, producer) if self.shared is not None else None
        made = self._made_of(rendition, shared, producer, time.monotonic())
        lacking = ", ".join(kind for kind in missing if kind not in made.placeholders)
        if lacking:
            raise UnreadableSource(rendition.source.ref, f"it was rendered without its placeholder {lacking}")
        return known | {kind: made.placeholders[kind] for kind in missing}

    def offer(
        self,
        source: Source,
        options: Options,
        format: Format,
        sides: Sequence[Sides],
        qualities: Sequence[int | None] = (),
    ) -> None:
        """Announce that a page offers *source* with *options* as *format* at each of *sides*, see `Sets.offer`."""
        if self.shared is not None:
            self.shared.offer(source, options, format, sides, qualities, self.producer)

    def purge(self, ref: str) -> int:
        """Remove everything that is stored for the source *ref*, a path or a URL, and return the number of files.

        What is recorded of it is removed too.
        """
        from .recording.journal import forget  # noqa: PLC0415  (web workers seldom need it)

        forget(self.cache.folder, ref)
        return self.purge_files(ref)

    def purge_files(self, ref: str) -> int:
        """Do as `purge`, but keep what is recorded of the source."""
        removed = self.sources.purge(ref)
        if self.shared is not None:
            removed += self.shared.purge(ref)
        self.facts.pixels.forget()
        return removed + self.cache.purge(source_folder(ref))

    def erase_barred(self) -> None:
        """Erase what is stored for sources that were forgotten on another host.

        Raises:
            OSError: If something cannot be removed.
        """
        for cache in self.caches:
            cache.erase_barred()

    def drop_memory(self) -> None:
        """Drop what this process remembers of files that another process may have removed."""
        self.sources.drop_memory()
        self.facts.pixels.forget()

    def render(self, rendition: Rendition, since: float, producer: Producer) -> bytes:
        """Render *rendition* now with *producer*, without the cache. The time to wait for its turn counts from *since*.

        Raises:
            SourceNotFound, UnreadableSource, InvalidOption, LimitExceeded, SourceChanged, Busy: As `entry`.
        """
        producer = producer.once()
        with producer.telling():
            shared = self.shared.of(rendition, producer) if self.shared is not None else None
            return self._render(rendition, shared, producer, since)

    def _entry(self, rendition: Rendition, since: float, producer: Producer | None = None) -> Entry:
        key, failures = rendition.key, self.facts.failures
        failures.check(key)
        if rendition.options.cache and (entry := self.cache.get(key)) is not None:
            return entry
        self.facts.check_decodes(rendition.source, rendition.extras)
        refusal = self.abilities.refusal(rendition.format, rendition.options)
        if refusal is not None:
            raise refusal
        try:
            return self._made(rendition, since, producer or self.producer)
        except (UnreadableSource, LimitExceeded) as error:
            failures.add(key, error, _FAILURE_SECONDS)
            self.facts.add_failure(rendition.source, rendition.extras, error, self._size(rendition))
            raise

    def _made(self, rendition: Rendition, since: float, producer: Producer) -> Entry:
        """Render *rendition*, and store it unless its options say otherwise."""
        if not rendition.options.cache:
            data = self.render(rendition, since, producer)
            return Entry(len(data), rendition.mtime, data=data)
        producer = producer.once()
        with producer.telling():
            # Ask other hosts before a set or a copy is made.
            if (entry := self.cache.fetched(rendition.key, rendition.mtime_ns, since=since)) is not None:
                return entry
            shared = self.shared.of(rendition, producer) if self.shared is not None else None
            if shared is not None and (entry := shared.prepare(since)) is not None:
                return entry
            make = partial(self._render, rendition, shared, producer, since)
            return self.cache.get_or_create(rendition.key, rendition.mtime_ns, make, since=since)

    def _size(self, rendition: Rendition) -> Size:
        """Return the size of *rendition* without a trim, or no pixels at all if its source does not state its size."""
        header = self.facts.stated_header(rendition.source)
        return lay_out(header.size, rendition.options).final if header is not None else Size(0, 0)

    def _render(self, rendition: Rendition, shared: SharedDecode | None, producer: Producer, since: float) -> bytes:
        """Render *rendition*, and log it."""
        begin = time.perf_counter()
        made = self._made_of(rendition, shared, producer, since)
        producer.report(rendition, made, begin)
        return made.files[0]

    def _made_of(self, rendition: Rendition, shared: SharedDecode | None, producer: Producer, since: float) -> Result:
        """Render from a copy or, if there is none, from the source."""
        made = shared.render_from_copy(since) if shared is not None else None
        return producer.render(rendition, since) if made is None else made
