"""Let several renditions of one source share a decode.

There are two ways. If a page has announced a set of JPEGs, one picture in several sizes (see `sets`), all of its
members are rendered from one decode. Otherwise, copies, which are reduced versions of a large source (see `copies`),
are made if that pays off, and the rendition is made from a copy. If any of this fails, nothing is lost: in the end,
`Producer.render` renders from the source.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from ..cache.disk import DiskCache
from ..cache.entry import Entry, Key
from ..engines.engine import Header
from ..errors import Busy, ImagesError, SourceChanged, UnreadableSource, shown
from ..formats import SUFFIXES, Format
from ..geometry import Geometry, Size, lay_out
from ..options.options import Options
from ..producer import Producer
from ..rendering.result import Result
from ..rendition import Rendition
from ..sources.source import Source
from .copies import Copies, takes_copies
from .prices import pays
from .sets import Set, Sets, Sides

logger = logging.getLogger("flask_images_vips")

_FAILURE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SharedDecodes:
    """Shares decodes between the renditions of one application.

    *cache* holds the renditions. *copies* and *sets* have another store.
    """

    copies: Copies
    sets: Sets
    cache: DiskCache

    def of(self, rendition: Rendition, producer: Producer) -> SharedDecode | None:
        """Return an object that renders *rendition* with a shared decode, or None if it cannot share one.

        Raises:
            SourceNotFound, UnreadableSource, LimitExceeded: Rendering from the source would fail in the same way.
        """
        if not takes_copies(rendition.options) or not producer.shares_decodes(rendition.options, rendition.format):
            return None
        header = producer.facts.header_in_render(rendition.source)
        return SharedDecode(self, producer, rendition, header, producer.plan(rendition, header))

    def offer(
        self,
        source: Source,
        options: Options,
        format: Format,
        sides: Sequence[Sides],
        qualities: Sequence[int | None],
        producer: Producer,
    ) -> None:
        """See `Sets.offer`."""
        self.sets.offer(source, options, format, sides, partial(producer.facts.header, source), qualities)

    def purge(self, ref: str) -> int:
        """Remove copies and announced sets of the source *ref*. Returns the number of copies removed."""
        self.sets.forget()
        return self.copies.purge(ref)


@dataclass(frozen=True, slots=True)
class SharedDecode:
    """Renders *rendition*, sharing its decode with other renditions. *header* describes its source."""

    all: SharedDecodes
    producer: Producer
    rendition: Rendition
    header: Header
    geometry: Geometry

    def prepare(self, since: float) -> Entry | None:
        """Make the rendition together with its set or with copies, if that pays off, and return its entry.

        Other threads and processes that need the same set or copies wait meanwhile. Returns None if the rendition is
        still to be made.

        Call this before taking the lock of the rendition. Sets and renditions use the same lock files, so two threads
        could deadlock if each held one lock while it waited for the other's.

        Raises:
            Busy, SourceChanged: As in `Producer.render`.
        """
        cache, rendition, sets = self.all.cache, self.rendition, self.all.sets.find(self.rendition)
        for key, members in self._made_at_once(sets):
            if cache.usable():
                with self._ignoring_errors("set", key):
                    cache.once(key, partial(self._make_set, key, members, since), since=since)
            return cache.get(rendition.key)
        return cache.get(rendition.key) if self._make_copies(sets, since) else None

    def render_from_copy(self, since: float) -> Result | None:
        """Render from a copy, or return None if there is no readable one.

        Raises:
            LimitExceeded, Busy: As in `Producer.render`.
        """
        copies = self.all.copies
        entry = copies.find(self.rendition.source, self.header, self.geometry.upright)
        if entry is None:
            return None
        with entry:
            try:
                return self.producer.render_copy(self.rendition, self.header, entry.fileno(), since)
            except (UnreadableSource, OSError):
                copies.discard(entry)
                return None

    def _made_at_once(self, sets: Sequence[Set]) -> list[Set]:
        """Return those of *sets* whose members are all made now."""
        rendition, failures = self.rendition, self.producer.facts.failures
        if rendition.options.max_bytes is not None or not self.all.sets.are_made_at_once(sets):
            return []
        if self.all.copies.has(rendition.source, self.header, self.geometry.upright):
            return []
        return [(key, members) for key, members in sets if ("set", key) not in failures]

    def _make_set(self, key: Key, members: Sequence[Rendition], since: float) -> bool:
        """Render those *members* that are not cached yet. Returns whether any were rendered.

        Nothing is rendered if the wanted member is cached by now, or if fewer than two are missing.
        """
        wanted = self.rendition
        with self.all.cache.making(key, wanted.key, wanted.mtime_ns, since=since) as made:
            return not made and self._make_members(key, members, since)

    def _make_members(self, key: Key, members: Sequence[Rendition], since: float) -> bool:
        cache, wanted = self.all.cache, self.rendition
        lacking = [member for member in members if not cache.has(member.key)]
        if len(lacking) < 2 or wanted.key not in {member.key for member in lacking}:
            return False
        begin = time.perf_counter()
        made = self.producer.render_set(lacking, since)
        # Store only once the source is known to be unchanged.
        kept = [cache.put_bytes(member.key, data, member.mtime_ns) for member, data in made]
        if None in kept:  # remember this, or the set would be made again at each request
            self._failed("set", key, OSError("the cache has no room for it"))
        self.producer.report_set(made, begin)
        return True

    def _make_copies(self, sets: Sequence[Set], since: float) -> bool:
        """Make the rendition and copies, if that pays off. Returns whether it was tried.

        The copies suit all members of *sets*, to which the rendition belongs.
        """
        copies, source = self.all.copies, self.rendition.source
        others = [lay_out(self.header.size, each.options).upright for _, members in sets for each in members]
        missing = copies.missing(source, self.header, self.geometry.upright, others)
        if not missing or ("copies", missing[0][0]) in self.producer.facts.failures:
            return False
        sizes = [size for _, size in missing]
        announced = self.all.sets.is_announced(source)
        headroom = self.producer.config.headroom
        if not announced and not pays(self.header, self.geometry.upright, sizes, headroom, lone=self._is_lone()):
            return False
        with self._ignoring_errors("copies", missing[0][0]):
            copies.make(missing, source, partial(self._reduce, sizes, since), since)
        return True

    def _reduce(self, sizes: Sequence[Size], since: float) -> Sequence[bytes]:
        """Render and store the rendition. Returns the files of the copies, which are made from the same decode.

        Returns none if another host has made the rendition meanwhile.
        """
        cache, rendition = self.all.cache, self.rendition
        with cache.making(rendition.key, rendition.key, rendition.mtime_ns, since=since) as is_made:
            if is_made:
                return ()
            begin = time.perf_counter()
            made = self.producer.reduce(rendition, sizes, self.all.copies.format, since)
            data, *copies = made.files
            self.producer.report(rendition, made, begin)
            with suppress(OSError):  # it is rendered again, from a copy
                cache.put_bytes(rendition.key, data, rendition.mtime_ns)
            return copies

    def _is_lone(self) -> bool:
        """Return whether no other rendition of the source is cached."""
        cache, rendition = self.all.cache, self.rendition
        kept = {*cache.siblings(rendition.key[0], "")} - {rendition.key}
        # The same folder holds facts about the source, whose names have other suffixes.
        return not any(file.endswith(SUFFIXES) for _, file in kept)

    @contextmanager
    def _ignoring_errors(self, what: str, key: Hashable) -> Iterator[None]:
        """Ignore errors of the block, which makes *what*, and do not try it again for a while.

        Raises:
            Busy, SourceChanged: If the block raises them. Rendering from the source would fail in the same way.
        """
        try:
            yield
        except (Busy, SourceChanged):
            raise
        except (ImagesError, OSError) as error:
            logger.info("could not make the %s of %s: %s", what, shown(self.rendition.source.ref), error)
            self._failed(what, key, error)

    def _failed(self, what: str, key: Hashable, error: Exception) -> None:
        self.producer.facts.failures.add((what, key), error, _FAILURE_SECONDS)
