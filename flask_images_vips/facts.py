"""Cache facts about sources, and recent errors.

A fact is a source's header, a digest of its bytes, or one of those in `pixel_facts`. Facts are cached per version of a
source: in the memory of every process, and in the disk cache, beside the source's renditions, so that all processes of
the host share them.
"""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache, partial
from hashlib import blake2b
from math import inf
from typing import Any, TypeVar

from .cache.disk import DiskCache
from .cache.entry import Key
from .cache.stored import json_object, parsed, text
from .engines.engine import Header
from .errors import CrashedDecoder, ImagesError, LimitExceeded, UnreadableSource
from .failures import Failures
from .geometry import Box, Size, region
from .hashing import digest
from .headers.bounded import Beginning, BoundedFile, NotKnown
from .headers.kinds import SVG, kind_of
from .headers.read import read_beginning, read_header
from .options.options import Options
from .pixel_facts import PixelFacts, trim_of
from .pool.outcome import Budget
from .pool.renderers import Renderers, excused_files_are_busy
from .rendering.limits import Limits
from .rendering.request import Request, Work, header_from_json, settings_of
from .rendering.result import Result
from .rendition import source_folder
from .sources.source import Source
from .svg.choice import is_drawing
from .urls import name_of
from .waiting import waiting_since

REVISION = 1
"""Increment this when the stored form of any fact changes."""

_REMEMBERED = 16_384
_REMEMBERED_HEADERS = 4096
# How long to remember an exceeded limit: a render that timed out may succeed when the host is less busy.
_LIMIT_SECONDS = 60.0
_HEADER_SECONDS = 1.0  # a page waits for headers, so a file whose header takes longer is refused
# A rendition of so many pixels is encoded in little time and memory, so it is the decoder that exceeded a limit.
_SMALL_PIXELS = 1_000_000
_READ_BYTES = 1 << 20
_DIGEST_BYTES = 18  # a multiple of 3: Base64 needs no padding
_DIGEST = re.compile(r"[A-Za-z0-9_-]{24}")
_TRIES = 2  # to store a fact, if the stored one is damaged

T = TypeVar("T")
Extras = tuple[Hashable, ...]


class Facts:
    """The facts about one application's sources.

    *settings* is the same string as in `Rendition.settings`. Facts that require a decoder are found by the *renderers*.
    """

    def __init__(self, cache: DiskCache, settings: str, limits: Limits, renderers: Renderers) -> None:
        self.cache = cache
        self.settings = settings
        self.limits = limits
        self._renderers = renderers
        self._settings_of_requests = settings_of(limits.config)
        self.failures = Failures()
        self.pixels = PixelFacts(cache, self._key)
        self._known = lru_cache(_REMEMBERED)(self._find)
        self._headers: dict[tuple[object, ...], Header] = {}
        self._begun: dict[Source, Header] = {}
        self._drawings: dict[Source, Header] = {}

    def header(self, source: Source) -> Header:
        """Return the header of *source*: its size, format and so on.

        Raises:
            UnreadableSource: If the source is not an image, or is broken.
            LimitExceeded: If reading its header would cost too much.
        """
        header: Header = self._known("header", source)
        return header

    def header_in_render(self, source: Source) -> Header:
        """Like `header`, but does not use the disk cache.

        A render holds the lock of its rendition, and must not wait for the lock of a stored fact.
        """
        header: Header = self._known("header in a render", source)
        return header

    def stated_header(self, source: Source) -> Header | None:
        """Return the header that the file of *source* itself states, or None if only an engine can tell, or none."""
        with suppress(ImagesError), self.limits.open(source) as descriptor:
            return self._stated_header(descriptor, source.ref)
        return None

    def read_beginning(self, source: Source, data: bytes) -> None:
        """Keep the header of *source*, whose file begins with *data*, if that is enough to tell.

        So a page need not fetch the whole file from an object store.
        """
        config, size = self.limits.config, source.size_bytes
        if is_drawing(config, name_of(source.ref)):
            with suppress(ImagesError):
                self._drawings[source] = _read_drawing(Beginning(data, size, source.ref))
                self.drawing(source)  # stores it
            self._drawings.pop(source, None)
        with suppress(ImagesError):  # it is raised when the whole file is read
            stated = read_beginning(data, size, source.ref, auto_orient=config.auto_orient, inputs=config.input_formats)
            header = Header.stated(stated, config.engine)
            if header is not None:
                if len(self._begun) >= _REMEMBERED_HEADERS:
                    self._begun.clear()
                self._begun[source] = header
                self.header(source)  # stores it

    def drawing(self, source: Source) -> Header:
        """Return the header of *source*, an SVG that is passed through. Its size is the one that a browser gives to it.

        Raises:
            UnreadableSource: If it is not an SVG.
        """
        header: Header = self._known("drawing", source)
        return header

    def check_fetched(self, descriptor: int, ref: str) -> Header:
        """Do as `check_image`, but accept what is passed through without an engine.

        Raises:
            UnreadableSource: If the file is neither an image nor such an SVG.
        """
        if self.limits.config.svg == "pass" and kind_of(descriptor) == SVG:
            return _read_drawing(BoundedFile(descriptor, ref))
        return self.check_image(descriptor, ref)

    def check_image(self, descriptor: int, ref: str) -> Header:
        """Return the header of the open file.

        It is cached by the file's inode, size and timestamps, so that a changed file is never checked against the
        limits with its old header.

        Raises:
            UnreadableSource: If the file is not an image.
        """
        status = os.fstat(descriptor)
        key = status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size
        header = self._headers.get(key)
        if header is None:
            if len(self._headers) >= _REMEMBERED_HEADERS:
                self._headers.clear()
            header = self._headers[key] = self._stated_header(descriptor, ref) or self._decoded_header(descriptor, ref)
        return header

    def _stated_header(self, descriptor: int, ref: str) -> Header | None:
        """Return the header that the file itself states, or None if only an engine can tell."""
        config = self.limits.config
        with excused_files_are_busy([ref], [descriptor]):
            stated = read_header(descriptor, ref, auto_orient=config.auto_orient, inputs=config.input_formats)
        return Header.stated(stated, config.engine)

    def _decoded_header(self, descriptor: int, ref: str) -> Header:
        request = Request(work=Work.HEADER, settings=self._settings_of_requests)
        limit = min(_HEADER_SECONDS, self.limits.config.render_timeout)
        try:
            header = self._run(request, descriptor, ref, limit).header
        except LimitExceeded as error:
            if error.set_by != "IMAGES_RENDER_TIMEOUT":
                raise
            what = "reading its header took {:,} seconds"
            raise LimitExceeded(what, error.value, limit, set_by="this package") from None
        assert header is not None
        return header

    def trimmed(self, source: Source, options: Options, *, yields: bool = False) -> Box | None:
        """Return the box of *source* that remains after the trim of *options*, in pixels, or None without a trim.

        To find it, the whole source is decoded, unless it is known. With *yields*, requests of visitors go first.

        Raises:
            UnreadableSource, LimitExceeded: If the source cannot be decoded.
            Busy: If no renderer is free in time.
        """
        if not options.trim:
            return None
        box = self.pixels.trim(source, options, elsewhere=True)
        if box is None:
            whole = region(self.header_in_render(source).size, options)
            with self.finding(source, *trim_of(options)):
                box = self._read_trim_box(source, whole, options.trim, yields)
            self.pixels.add_trim(source, options, box)
        return box

    def focus(self, source: Source) -> tuple[float, float] | None:
        """Return the point of the faces of *source*, as fractions of its upright sides, or None if there are none.

        Raises:
            UnreadableSource, LimitExceeded: If the source cannot be decoded.
            Busy: If no renderer is free in time.
        """
        point = self.pixels.focus(source, elsewhere=True)
        if point is None:
            self.limits.check_source(self.header_in_render(source))
            with self.finding(source, Work.FOCUS):
                point = self._read_focus(source)
            self.pixels.add_focus(source, point)
        return (point[0], point[1]) if point else None

    def _read_focus(self, source: Source) -> Sequence[float]:
        request = Request(work=Work.FOCUS, settings=self._settings_of_requests)
        with self.limits.open(source) as descriptor:
            point = self._run(request, descriptor, source.ref, self.limits.config.render_timeout).focus
        assert point is not None
        return point

    def content_digest(self, source: Source, change_time: int) -> str:
        """Return a string that identifies the bytes of *source*, which are read once per version of the file.

        The file changed last at *change_time*, in nanoseconds since 1970.

        For a file above ``IMAGES_MAX_SOURCE_BYTES``, the string is derived from its path, size and modification time
        instead.
        """
        text: str = self._known("digest", source, change_time)
        return text

    @contextmanager
    def finding(self, source: Source, *details: Hashable) -> Iterator[None]:
        """Remember the error if the block, which decodes *source*, cannot find the fact that *details* name.

        Raises:
            UnreadableSource, LimitExceeded: As `check_finding`, or if the block raises them. A broken file may pass
                `header`, and fail only when it is decoded.
        """
        self.check_finding(source, *details)
        try:
            with self._remembering((source, *details)):
                yield
        except (UnreadableSource, LimitExceeded) as error:
            self.add_failure(source, (), error, Size(1, 1))
            raise

    def check_finding(self, source: Source, *details: Hashable) -> None:
        """Raise the error of the last attempt to find the fact that *details* name, or to decode *source*, if any."""
        self.failures.check((source, *details))
        self.check_decodes(source)

    def check_decodes(self, source: Source, extras: Extras = ()) -> None:
        """Raise the error with which *source*, or it together with *extras*, failed lately, if any."""
        self.failures.check(("decoding", source, ()))
        if extras:
            self.failures.check(("decoding", source, extras))

    def add_failure(self, source: Source, extras: Extras, error: ImagesError, made: Size) -> None:
        """Remember that *source* with *extras*, see `Rendition.extras`, cannot be rendered, if *error* means that.

        *made* is the size of the rendition that failed, no pixels if the source does not state its size. If this were
        not remembered, each other rendition would crash a decoder again, or take as long again.
        """
        limits = isinstance(error, LimitExceeded) and error.set_by in ("IMAGES_RENDER_TIMEOUT", "IMAGES_RENDER_MEMORY")
        decoding = isinstance(error, CrashedDecoder) or (limits and made.pixels <= _SMALL_PIXELS)
        if decoding:
            self.failures.add(("decoding", source, extras), error, _LIMIT_SECONDS)
        own = isinstance(error, LimitExceeded) and error.set_by == "this package"
        if not extras and not made.pixels and (decoding or own):
            # Perhaps its header has failed. A page would wait for it, and its picture is not shown meanwhile anyway.
            self.failures.add(("header", source, ()), error, _LIMIT_SECONDS)

    def _find(self, fact: str, source: Source, *details: Any) -> Any:
        find: dict[str, Callable[..., Any]] = {
            "header": self._stored_header,
            "header in a render": self._read_header,
            "digest": self._stored_digest,
            "drawing": self._stored_drawing,
        }
        failed = fact.removesuffix(" in a render"), source, details  # both ways to read a header fail alike
        self.failures.check(failed)
        with self._remembering(failed):
            return find[fact](source, *details)

    @contextmanager
    def _remembering(self, failed: Hashable) -> Iterator[None]:
        """Remember the error of the block under the key *failed*."""
        try:
            yield
        except UnreadableSource as error:
            self.failures.add(failed, error, inf)  # forever: a repaired file is a new version with another key
            raise
        except LimitExceeded as error:
            self.failures.add(failed, error, _LIMIT_SECONDS)
            raise

    def _read_header(self, source: Source) -> Header:
        if (begun := self._begun.get(source)) is not None:
            return begun
        with self.limits.open(source) as descriptor:
            return self.check_image(descriptor, source.ref)

    def _stored_header(self, source: Source) -> Header:
        def make() -> bytes:
            return json.dumps(asdict(self._read_header(source))).encode()

        return self._stored(self._key(source, "header"), source, make, _header_from)

    def _stored_drawing(self, source: Source) -> Header:
        def make() -> bytes:
            if (begun := self._drawings.get(source)) is not None:
                return json.dumps(asdict(begun)).encode()
            with self.limits.open(source) as descriptor:
                return json.dumps(asdict(_read_drawing(BoundedFile(descriptor, source.ref)))).encode()

        return self._stored(_key(source, "drawing", source.identity), source, make, _header_from)

    def _read_trim_box(self, source: Source, whole: Box, threshold: int, yields: bool) -> Box:
        self.limits.check_source(self.header_in_render(source))
        request = Request(work=Work.TRIM, settings=self._settings_of_requests, region=whole, threshold=threshold)
        with self.limits.open(source) as descriptor:
            box = self._run(request, descriptor, source.ref, self.limits.config.render_timeout, yields=yields).box
        assert box is not None
        return box

    def _run(self, request: Request, descriptor: int, ref: str, seconds: float, *, yields: bool = False) -> Result:
        since, budget = waiting_since(), Budget(seconds)
        return self._renderers.run(request, [descriptor], [ref], since=since, budget=budget, yields=yields).result

    def _stored_digest(self, source: Source, change_time: int) -> str:
        def make() -> bytes:
            content = blake2b(digest_size=_DIGEST_BYTES)
            if source.size_bytes > self.limits.config.max_source_bytes:
                content.update(source.identity.encode("utf-8", "surrogatepass"))
                return urlsafe_b64encode(content.digest())
            with source.open() as descriptor:
                while data := os.read(descriptor, _READ_BYTES):
                    content.update(data)
            return urlsafe_b64encode(content.digest())

        version = f"{source.path}\n{source.size_bytes}\n{source.mtime_ns}\n{change_time}"
        return self._stored(_key(source, "content", version), source, make, partial(text, valid=_is_digest))

    def _key(self, source: Source, kind: str) -> Key:
        return _key(source, kind, f"{self.settings}\n{source.identity}")

    def _stored(self, key: Key, source: Source, make: Callable[[], bytes], parse: Callable[[bytes], T]) -> T:
        """Return the fact of *key*, which *parse* reads. If it is not stored, or damaged, *make* it."""
        for _ in range(_TRIES):
            with self.cache.get_or_create(key, source.mtime_ns, make, since=waiting_since(), shared=False) as entry:
                fact = parsed(entry, parse)
            if fact is not None:
                return fact
        return parse(make())  # the damaged file cannot be removed


def _read_drawing(file: BoundedFile) -> Header:
    from .headers import svg  # noqa: PLC0415  (only sites that pass SVGs through need a parser of XML)

    try:
        stated = svg.read(file)
    except NotKnown:
        raise file.broken("its header cannot be read within the limits") from None
    return Header(stated.size, stated.format, alpha=True)


def _header_from(data: bytes) -> Header:
    fields = json_object(data)
    fields.pop("orientation", None)  # written by version 0.1.0
    return header_from_json(fields)


def _is_digest(found: str) -> bool:
    return _DIGEST.fullmatch(found) is not None


def _key(source: Source, kind: str, version: str) -> Key:
    """Return the cache key of the fact *kind* for a *version* of *source*.

    File names of facts begin with their kind and end in ``.txt``, so they never clash with those of renditions.
    """
    name = digest(f"{REVISION}\n{version}", 16)
    return source_folder(source.ref), f"{kind}-{name}.txt"
