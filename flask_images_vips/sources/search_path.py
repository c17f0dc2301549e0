"""Find originals in folders and object stores, in the order of ``IMAGES_PATH``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from ..errors import SourceNotFound
from .local import LocalSources
from .object_file import ObjectSource
from .objects import ObjectSources
from .source import Source

_MAX_REMEMBERED = 16_384

Part = LocalSources | ObjectSources


class SearchPath:
    """Finds originals in *parts*. If several have one of a name, the first one is used.

    *on_lookup* is called with each name that is new or has changed, and with its source, or None if there is none.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._last: dict[str, Source | None] = {}
        self.on_lookup: Callable[[str, Source | None], None] = lambda ref, source: None
        self.stores = tuple(part for part in parts if isinstance(part, ObjectSources))
        self.roots = tuple(chain.from_iterable(part.roots for part in parts if isinstance(part, LocalSources)))

    @property
    def places(self) -> tuple[str, ...]:
        """Where sources are looked for, for messages."""
        named = (part.roots if isinstance(part, LocalSources) else (str(part.store.location),) for part in self._parts)
        return tuple(chain.from_iterable(named))

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that sources lie in, without links."""
        return tuple(chain.from_iterable(part.folders for part in self._parts if isinstance(part, LocalSources)))

    def find(self, ref: str) -> Source:
        """Find the original *ref*. Stores are asked if what is known of it is old.

        Raises:
            SourceNotFound: If there is none.
            Busy: If that cannot be told at the moment.
        """
        return self._search(ref, lambda part: part.find(ref))

    def again(self, source: Source) -> Source:
        """Find the current version of *source*. Returns *source* itself if nothing has changed.

        Raises:
            SourceNotFound, Busy: As `find`.
        """
        found = self.find(source.ref)
        return source if (found, found.inode) == (source, source.inode) else found

    def doubted(self, source: ObjectSource) -> Source:
        """Find the current version of *source*, of which a URL names another one. Its store is asked.

        Raises:
            SourceNotFound, Busy: As `find`.
        """
        for store in self.stores:
            if store.files is source.files:
                store.doubt(source.ref)
        return self.again(source)

    def here(self, ref: str) -> Source:
        """Find the original *ref* for a page, which does not wait for news of a known one.

        Raises:
            SourceNotFound, Busy: As `find`.
        """
        try:
            return self._search(ref, lambda part: part.here(ref))
        except SourceNotFound:
            return self.find(ref)  # asks once more if it was missing a while ago

    def _search(self, ref: str, look: Callable[[Part], Source]) -> Source:
        for part in self._parts:
            if isinstance(part, LocalSources) and part.lacks(ref):
                continue
            try:
                found = look(part)
            except SourceNotFound:
                continue
            self._notice(ref, found)
            return found
        self._notice(ref, None)
        raise SourceNotFound(ref, "; ".join(dict.fromkeys(self._reasons(look))))

    def _reasons(self, look: Callable[[Part], Source]) -> Iterator[str]:
        """Yield why each part does not have what *look* looks for."""
        for part in self._parts:
            try:
                look(part)
            except SourceNotFound as error:
                yield error.reason

    def _notice(self, ref: str, found: Source | None) -> None:
        if found is None or self._last.get(ref) is not found:
            if len(self._last) >= _MAX_REMEMBERED:
                self._last.clear()
            self._last[ref] = found
            self.on_lookup(ref, found)


Originals = LocalSources | SearchPath
"""What finds the originals of ``IMAGES_PATH``. Without object stores, it is `LocalSources` alone."""
