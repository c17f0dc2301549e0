"""The line: from what a URL asks for to the bytes that answer it. No Flask here, and no engine by name."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from .cache.disk import DiskCache
from .cache.entry import Entry, Key
from .cache.slots import Slots
from .config.keys import Config
from .engines.engine import Engine, Header
from .errors import (
    Busy,
    ImagesError,
    InvalidOption,
    LimitExceeded,
    SourceChanged,
    SourceNotFound,
    UnreadableSource,
    UnsupportedSource,
)
from .expiring import Recent
from .facts import Metadata
from .formats import JPEG, SUFFIXES, Format, by_name, choose, negotiate
from .geometry import Box, Geometry, Size, lay_out, region, transformed
from .options.options import DEFAULTS, Options
from .options.presets import Presets
from .rendering import placeholders
from .rendition import Rendition, source_folder
from .sharing.copies import Copies, takes_copies
from .sharing.sets import Sets, Sides
from .sources.local import LocalSources
from .sources.remote import RemoteSources
from .sources.source import Source
from .urls import ImageUrl, file_name, is_remote, version_of

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_TRIES = 3
_FAILURE_SECONDS = 10.0

_LOWEST_QUALITY = 20  # where a limit of bytes asks for less, the limit gives way
_MOST_RENDERS = 6  # of one rendition, to keep within its limit: they find its quality to within 4 of 55
# Options that change no pixel where the size comes out as the source's.
_SAME_PICTURE = ("width", "height", "mode", "enlarge", "format", "quality", "max_bytes", "download", "expires", "cache")
# Formats that encode a set for less than decoding a source once more: a page's first visitor waits for all of it.
_WHOLE_SETS = (JPEG,)
_REMEMBERED_BOXES = _REMEMBERED_HEADERS = 4096
_VERSION_LETTERS = 6  # of a source's content, in its URLs: 36 bits tell the versions of one source apart


class _DecodingOnce(NamedTuple):
    """What makes several renditions from one decode of their source, and the plan of the one that is wanted."""

    copies: Copies
    sets: Sets
    engine: Engine
    header: Header
    geometry: Geometry


class Pipeline:
    """Finds, plans, renders and keeps.

    *make_engines* gives the engines, best first, at the first need of one; *recipe* is that of every `Rendition`;
    *decode* reads the pixels of a small one, for placeholders.
    """

    def __init__(
        self,
        config: Config,
        sources: LocalSources,
        remote: RemoteSources | None,
        cache: DiskCache,
        slots: Slots,
        make_engines: Callable[[], Sequence[Engine]],
        recipe: str,
        *,
        copies: Copies | None,
        decode: placeholders.Decode,
    ) -> None:
        self.config = config
        self.presets = Presets(config)
        self._negotiable = tuple(by_name(name) for name in config.formats if name in config.output_formats)
        self.sources = sources
        self.remote = remote
        self.cache = cache
        self.slots = slots
        self.copies = copies
        self.sets = None if copies is None else Sets(copies.store, config.quality_of(JPEG.name))
        self._make_engines = make_engines
        self._engines: Sequence[Engine] | None = None
        self._engines_lock = threading.Lock()
        self.recipe = recipe
        self.metadata = Metadata(cache, recipe, self._read_header, self._draw_placeholder)
        # A render asks for no stored fact: that would take a lock within a lock, and a first rendition a second file.
        self._header = lru_cache(_REMEMBERED_HEADERS)(self._read_header)
        self._headers: dict[tuple[object, ...], Header] = {}
        self._trim_box = lru_cache(_REMEMBERED_BOXES)(self._read_trim_box)
        self._decode = decode
        self._failed: Recent[Callable[[], ImagesError]] = Recent(_FAILURE_SECONDS)

    @property
    def engines(self) -> Sequence[Engine]:
        if self._engines is None:
            with self._engines_lock:
                if self._engines is None:
                    self._engines = self._make_engines()
        return self._engines

    def source(self, url: ImageUrl, last: Source | None = None) -> Source:
        """The source of *url* as it is now: *last*, what this gave before, where nothing has changed.

        Raises:
            SourceNotFound: there is no such source.
            RemoteFailed: it cannot be fetched.
        """
        if not url.remote:
            return self.sources.find(url.ref) if last is None else self.sources.again(last)
        if self.remote is None:
            raise SourceNotFound(url.ref, "remote sources are off: IMAGES_REMOTE_HOSTS is empty")
        if last is None:
            return self.remote.find(url.ref, self._check_image)
        return self.remote.again(last, self._check_image)

    def source_here(self, ref: str) -> Source:
        """The source *ref*, a path or a URL, as far as it is on this host. Fetches nothing.

        Raises:
            SourceNotFound: it is not here.
        """
        if not is_remote(ref):
            return self.sources.find(ref)
        source = self.remote.kept(ref) if self.remote is not None else None
        if source is None:
            raise SourceNotFound(ref, "not fetched yet")
        return source

    def format_for(self, url: ImageUrl, accept: str) -> Format:
        """The format of *url*, which leaves it open, for a client that sends the header *accept*."""
        return negotiate(url.file_name, accept, self._negotiable)

    def watermark(self, options: Options, last: Source | None = None) -> Source | None:
        """The source of the watermark that *options* ask for, if any, as it is now: *last* where nothing has changed.

        Raises:
            SourceNotFound: there is no such source in ``IMAGES_PATH``.
        """
        if options.watermark is None:
            return None
        try:
            return self.sources.find(options.watermark.ref) if last is None else self.sources.again(last)
        except SourceNotFound as error:
            raise SourceNotFound(error.ref, f"as a watermark: {error.reason}") from None

    def rendition(self, url: ImageUrl, source: Source) -> Rendition:
        """What *url* asks for, of *source*.

        Raises:
            InvalidOption: a format that is not among the application's.
            SourceNotFound: there is no such watermark.
        """
        options, format = url.options, choose(url.file_name, url.options.format)
        if format.name not in self.config.output_formats:
            expected = f"one of IMAGES_OUTPUT_FORMATS ({', '.join(self.config.output_formats)})"
            raise InvalidOption("format", format.name, expected=expected)
        if url.default_quality and format.lossy:
            options = replace(options, quality=self.config.quality_of(format.name))
        # Of formats that can be animated alone: it decides nothing about the pixels of the others.
        config = self.config
        frames = f"\n{config.max_frames} frames, {config.max_source_pixels} pixels" if format.animated else ""
        return Rendition(source, options, format, self.recipe + frames, self.watermark(options))

    def entry(self, url: ImageUrl, found: Rendition | None = None) -> tuple[Rendition, Entry]:
        """The rendition that *url* asks for, and its bytes: from the cache, or made now, at most once.

        *found* is that rendition, where it was looked up a moment ago.

        Raises:
            SourceNotFound, UnreadableSource, InvalidOption, LimitExceeded: it cannot be made; nothing is stored.
            SourceChanged: the source is being written at this moment.
            Busy: there is no render slot for it, and no time or room to wait for one.
        """
        since = time.monotonic()
        for _ in range(_TRIES - 1):
            rendition, found = found or self.rendition(url, self.source(url)), None
            with suppress(SourceChanged):
                return rendition, self._entry(rendition, since)
        rendition = self.rendition(url, self.source(url))
        return rendition, self._entry(rendition, since)

    def nearest(self, rendition: Rendition) -> Entry | None:
        """A kept rendition of the same picture in another size or quality: the next larger one, else the largest.

        For when there is no time to make the right one.
        """
        folder, _ = rendition.key
        wanted = lay_out(self.size(rendition.source), rendition.options).final.width
        kept = [
            (size.width < wanted, abs(size.width - wanted), key)
            for key in self.cache.siblings(folder, rendition.family)
            if (size := self._kept_size(key, rendition.source.ref)) is not None
        ]
        return self.cache.get(min(kept)[2]) if kept else None

    def _kept_size(self, key: Key, ref: str) -> Size | None:
        entry = self.cache.get(key)
        if entry is None:
            return None
        with entry, suppress(ImagesError):
            return self.engines[-1].header(entry.fileno(), ref).size
        return None

    def size(self, source: Source) -> Size:
        """The upright size of *source*, in pixels. Its header is read once per version and process."""
        return self._header(source).size

    def version(self, *sources: Source) -> str:
        """What stands for these versions of *sources*, a picture's and its watermark's, in a URL."""
        return ".".join(
            version_of(source.mtime) if source.content is None else source.content[:_VERSION_LETTERS]
            for source in sources
        )

    def trimmed(self, source: Source, options: Options) -> Box | None:
        """What a trim leaves of *source*, or None where none is asked for.

        All its pixels are looked at, once per version and process.
        """
        return self._trim_box(source, region(self.size(source), options), options.trim) if options.trim else None

    def announce(self, source: Source, options: Options, sides: Sequence[Sides]) -> None:
        """Say that a page offers *source* with *options* at each of *sides*: see `Sets.announce`.

        Raises:
            UnreadableSource, LimitExceeded: its header cannot be read.
        """
        if self.sets is not None:
            self.sets.announce(source, options, sides, partial(self.metadata.header, source))

    def purge(self, ref: str) -> int:
        """Remove all that is kept of the source *ref*, a path or a URL, and say how many renditions there were."""
        if self.remote is not None and is_remote(ref):
            self.remote.purge(ref)
        if self.copies is not None and self.sets is not None:
            self.copies.purge(ref)
            self.sets.forget()
        return self.cache.purge(source_folder(ref))

    def _entry(self, rendition: Rendition, since: float) -> Entry:
        source, key = rendition.source, rendition.key
        again = self._failed.get(key)
        if again is not None:
            raise again()
        try:
            if not rendition.options.cache:
                data = self.render(rendition, since)
                return Entry(len(data), rendition.mtime, data=data)
            if (entry := self.cache.get(key)) is not None:
                return entry
            once = self._decoding_once(rendition)
            if once is not None and (entry := self._prepare(rendition, once, since)) is not None:
                return entry
            # The slot is kept until those who wait have the result: another render would take the processors from them.
            with ExitStack() as slot:
                make = partial(self._render, rendition, once, since, slot)
                return self.cache.get_or_create(key, rendition.mtime_ns, make, since=since, landed=slot.close)
        except (UnreadableSource, LimitExceeded) as error:
            self._failed.add(key, _again(source, error))
            raise

    def render(self, rendition: Rendition, since: float) -> bytes:
        """The bytes of *rendition*, made now, for who has waited for a slot *since* then. Nothing is stored.

        Raises:
            SourceNotFound, UnreadableSource, InvalidOption, LimitExceeded, SourceChanged, Busy: as `entry`.
        """
        with ExitStack() as slot:
            return self._render(rendition, self._decoding_once(rendition), since, slot)

    def _render(self, rendition: Rendition, once: _DecodingOnce | None, since: float, slot: ExitStack) -> bytes:
        """Make the bytes of *rendition*, by the first engine that can, for who has waited *since* then.

        *slot* is left holding the render slot.
        """
        begin = time.perf_counter()
        source = rendition.source
        made = self._render_copy(rendition, once, since, slot) if once is not None else None
        if made is None:
            with self._open(source) as descriptor:

                def by(engine: Engine) -> tuple[str, Geometry, bytes]:
                    header = self._header_by(engine, descriptor, source.ref)
                    frames = self.frames(header, rendition.options, rendition.format)
                    geometry = self._planned(header, rendition, frames)
                    limit = _limit_bytes(rendition, header.size, geometry)

                    def render(rendition: Rendition) -> bytes:
                        return engine.render(descriptor, rendition, geometry, frames)

                    with self._slot(slot, header.size.pixels * frames, since):
                        return engine.name, geometry, _within(limit, rendition, render)

                made = _by_first(self._able(rendition.options, rendition.format), by)
        by_what, geometry, data = made
        milliseconds = 1000 * (time.perf_counter() - begin)
        told = (source.ref, by_what, *geometry.final, rendition.format.name, len(data), milliseconds)
        logger.info("rendered %r by %s: %d×%d %s, %d bytes, %.0f ms", *told)
        return data

    @contextmanager
    def _slot(self, kept: ExitStack, weight: int, since: float) -> Iterator[None]:
        """A render slot for the block, *kept* after it, unless it fails."""
        with ExitStack() as stack:
            stack.enter_context(self.slots.hold(weight, since))
            yield
            kept.push(stack.pop_all())

    def _decoding_once(self, rendition: Rendition) -> _DecodingOnce | None:
        """How *rendition* may share the decode of its source with others; None where it may not.

        What is wrong with the source or with what is wanted of it, the render from the source says.
        """
        if self.copies is not None and self.sets is not None and takes_copies(rendition.options):
            with suppress(SourceNotFound, UnreadableSource, LimitExceeded, InvalidOption):
                engine = self._able(rendition.options, rendition.format)[0]
                if engine.makes_copies:
                    header = self._header(rendition.source)
                    geometry = self._planned(header, rendition, frames=1)
                    return _DecodingOnce(self.copies, self.sets, engine, header, geometry)
        return None

    def _prepare(self, rendition: Rendition, once: _DecodingOnce, since: float) -> Entry | None:
        """Make *rendition* with the others of its set, and give it; or else the copies that it is best made from."""
        copies, sets, engine, header, geometry = once
        by_set = rendition.format in _WHOLE_SETS and rendition.options.max_bytes is None  # which is found by trying
        found = sets.find(rendition) if by_set else None
        if found is not None:
            self._make_set(*found, rendition, once, since)
            return self.cache.get(rendition.key)

        def is_lone() -> bool:
            kept = {*self.cache.siblings(rendition.key[0], "")} - {rendition.key}
            # Not what is known of the source, which lies there too.
            lone = not any(file.endswith(SUFFIXES) for _, file in kept)
            return lone and not sets.is_announced(rendition.source)

        def reduce(sizes: Sequence[Size]) -> Sequence[bytes]:
            with self._open(rendition.source) as descriptor:
                self._check_source(self._header_by(engine, descriptor, rendition.source.ref))
                with self.slots.hold(header.size.pixels, since):
                    return engine.reduced(descriptor, rendition, sizes, copies.format)

        copies.prepare(rendition, header, geometry.upright, is_lone, reduce)
        return None

    def _make_set(
        self, name: Key, members: Sequence[Rendition], wanted: Rendition, once: _DecodingOnce, since: float
    ) -> None:
        """Make those of *members* that are not kept, from one decode, unless *wanted* has come meanwhile.

        Once on this host: whoever wants one of them meanwhile waits. What goes wrong leaves each to be made by itself.

        Raises:
            Busy, SourceChanged: as a render does.
        """
        source, engine = wanted.source, once.engine

        def make() -> bool:
            lacking = [member for member in members if not self.cache.has(member.key)]
            if len(lacking) < 2 or wanted.key not in {member.key for member in lacking}:
                return False
            begin = time.perf_counter()
            kept = []
            with ExitStack() as slot:
                with self._open(source) as descriptor:
                    header = self._header_by(engine, descriptor, source.ref)
                    planned = [(member, self._planned(header, member, frames=1)) for member in lacking]
                    planned.sort(key=lambda member: -member[1].upright.pixels)
                    weight = header.size.pixels + sum(geometry.upright.pixels for _, geometry in planned)
                    with self._slot(slot, weight, since):
                        made = engine.render_set(descriptor, planned)
                # Not before the source is known to be what it was.
                for (member, _), data in zip(planned, made, strict=True):
                    kept.append(self.cache.put_bytes(member.key, data, member.mtime_ns))
            if None in kept:  # there is no room for it: it would be made at each request
                once.sets.failed(name)
            milliseconds = 1000 * (time.perf_counter() - begin)
            logger.info("rendered %r by %s: a set of %d, %.0f ms", source.ref, engine.name, len(made), milliseconds)
            return True

        if not self.cache.usable():
            return
        try:
            self.cache.once(name, make)
        except (Busy, SourceChanged):
            raise
        except (ImagesError, OSError) as error:
            logger.info("no set of %r is made: %s", source.ref, error)
            once.sets.failed(name)

    def _render_copy(
        self, rendition: Rendition, once: _DecodingOnce, since: float, slot: ExitStack
    ) -> tuple[str, Geometry, bytes] | None:
        """*rendition*, made from a copy of its source; None where there is none that can be read."""
        copies, _, engine, header, geometry = once
        entry = copies.find(rendition, header, geometry.upright)
        if entry is None:
            return None
        limit = _limit_bytes(rendition, header.size, geometry)
        with entry:
            descriptor = entry.fileno()

            def render(rendition: Rendition) -> bytes:
                return engine.render_copy(descriptor, rendition, geometry)

            try:
                with self._slot(slot, entry.size_bytes // 3, since):
                    data = _within(limit, rendition, render)
            except (UnreadableSource, OSError):
                copies.discard(entry)
                return None
        return f"{engine.name} from a copy", geometry, data

    def _able(self, options: Options, format: Format) -> list[Engine]:
        able = [engine for engine in self.engines if engine.supports(options, format)]
        if not able:
            asked = {"transform": options.transform, "gravity": options.gravity.smart and options.gravity}
            name, value = next((item for item in asked.items() if item[1]), ("format", format.name))
            names = " or ".join(engine.name for engine in self.engines)
            raise InvalidOption(name, str(value), expected=f"what the engine in use ({names}) can do")
        return able

    def _open(self, source: Source) -> AbstractContextManager[int]:
        _check("source's bytes", source.size_bytes, self.config.max_source_bytes, "IMAGES_MAX_SOURCE_BYTES")
        return source.open()

    def frames(self, header: Header, options: Options, format: Format) -> int:
        """How many frames of the source are read: all of them, or the first."""
        moving = format.animated and options.animated
        few = header.frames <= self.config.max_frames
        within = header.size.pixels * header.frames <= self.config.max_source_pixels
        return header.frames if moving and few and within else 1

    def _planned(self, header: Header, rendition: Rendition, frames: int) -> Geometry:
        """The geometry of *rendition*, once it has been found, with all its *frames*, within the limits."""
        config, format, options = self.config, rendition.format, rendition.options
        self._check_source(header, frames)
        mark = self._header(rendition.watermark) if rendition.watermark else None
        if mark is not None:
            self._check_source(mark)
        trimmed = self.trimmed(rendition.source, options)
        geometry = lay_out(header.size, options, trimmed=trimmed, mark=mark.size if mark else None)
        start = [transformed(header.size, options, trimmed)] if options.transform else []
        for made in {geometry.scaled, geometry.canvas, geometry.final, *start}:
            _check("output's pixels", made.pixels * frames, config.max_output_pixels, "IMAGES_MAX_OUTPUT_PIXELS")
        _check("width", geometry.final.width, config.max_width, "IMAGES_MAX_WIDTH")
        _check("height", geometry.final.height, config.max_height, "IMAGES_MAX_HEIGHT")
        _check("longest side", max(geometry.final), format.max_side, f"the format {format.name}")
        return geometry

    def _check_source(self, header: Header, frames: int = 1) -> None:
        most = self.config.max_source_pixels
        if header.whole:  # one frame at a time: they take memory one by one, but time together
            half = "IMAGES_MAX_SOURCE_PIXELS, half of it for what is decoded as a whole"
            _check("source's pixels", header.size.pixels, most // 2, half)
        _check("source's pixels", header.size.pixels * frames, most, "IMAGES_MAX_SOURCE_PIXELS")

    def _check_image(self, descriptor: int, ref: str) -> Header:
        return _by_first(self.engines, lambda engine: self._header_by(engine, descriptor, ref))

    def _header_by(self, engine: Engine, descriptor: int, ref: str) -> Header:
        """What *engine* says of the open file. Remembered, but never of what it held before: limits hang on it."""
        status = os.fstat(descriptor)
        key = engine.name, status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size
        header = self._headers.get(key)
        if header is None:
            if len(self._headers) >= _REMEMBERED_HEADERS:
                self._headers.clear()
            header = self._headers[key] = engine.header(descriptor, ref)
        return header

    def _read_header(self, source: Source) -> Header:
        with self._open(source) as descriptor:
            return self._check_image(descriptor, source.ref)

    def _draw_placeholder(self, source: Source, kind: str) -> str:
        def render(options: Options, format: Format) -> bytes:
            with self._entry(Rendition(source, options, format, self.recipe), time.monotonic()) as entry:
                return entry.read()

        return placeholders.draw(kind, render, self._decode)

    def _read_trim_box(self, source: Source, region: Box, threshold: int) -> Box:
        header = self._header(source)
        self._check_source(header)
        with self._open(source) as descriptor, self.slots.hold(header.size.pixels):
            return _by_first(self.engines, lambda engine: engine.trim_box(descriptor, source.ref, region, threshold))


def _limit_bytes(rendition: Rendition, size: Size, geometry: Geometry) -> int | None:
    """How large the file may be: as large as the options say, and as the source, where that is the same picture.

    The source itself is never sent: it may hold metadata, and other things than a picture.
    """
    options, source = rendition.options, rendition.source
    limits = [] if options.max_bytes is None else [options.max_bytes]
    if (
        size == geometry.scaled == geometry.final
        and replace(options, **{name: DEFAULTS[name] for name in _SAME_PICTURE}) == Options()
        and rendition.format is choose(file_name(source.ref, remote=is_remote(source.ref)), None)
    ):
        limits.append(source.size_bytes)
    return min(limits, default=None)


def _within(limit: int | None, rendition: Rendition, render: Callable[[Rendition], bytes]) -> bytes:
    """What *render* makes of *rendition*, at the best quality found that keeps it within *limit*, or else the fewest
    bytes.
    """

    def at(quality: int) -> bytes:
        return render(replace(rendition, options=replace(rendition.options, quality=quality)))

    low, high = _LOWEST_QUALITY, rendition.options.quality
    data = render(rendition)
    if limit is None or len(data) <= limit:
        return data
    if rendition.format.lossy and low < high:
        too_large, data = data, at(low)
        if len(data) <= limit:
            for _ in range(_MOST_RENDERS - 2):
                middle = (low + high) // 2
                if middle == low:
                    break
                tried = at(middle)
                if len(tried) <= limit:
                    low, data = middle, tried
                else:
                    high = middle
            return data
        data = min(data, too_large, key=len)
    ref, name = rendition.source.ref, rendition.format.name
    logger.warning("%r takes %d bytes as %s, not the %d wanted, at the lowest quality", ref, len(data), name, limit)
    return data


def _again(source: Source, error: UnreadableSource | LimitExceeded) -> Callable[[], ImagesError]:
    """What makes the like of *error*, which itself holds the frames, and the images, that it came through."""
    if isinstance(error, LimitExceeded):
        return partial(LimitExceeded, error.what, error.value, error.limit, set_by=error.set_by)
    return partial(UnreadableSource, source.ref, f"failed a moment ago: {error}")


def _by_first(engines: Sequence[Engine], work: Callable[[Engine], T]) -> T:
    """What *work* gives with the first of *engines* that can load the source at all."""
    for engine in engines[:-1]:
        with suppress(UnsupportedSource):
            return work(engine)
    return work(engines[-1])


def _check(what: str, value: int, limit: int, set_by: str) -> None:
    if value > limit:
        raise LimitExceeded(what, value, limit, set_by=set_by)
