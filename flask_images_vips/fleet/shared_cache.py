"""Keep renditions in an object store, for all hosts of a site.

An object has the name of the file on a host's disk: ``<2 digits>/<key's folder>/<key's file>``. A digest of its name
and content is stored with it, so an object that is cut off, swapped or not ours counts as missing. An object is only
made if there is none yet, so a host that is late overwrites nothing. It never changes after that.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from itertools import chain, islice
from typing import TypeVar

from ..cache.entry import Key, owners_of
from ..cache.folder import DEPENDENTS
from ..cache.per_process import Said
from ..cache.removal import Kept, Removed
from ..cache.shared import HostLocks
from ..formats import STORED, Format
from ..stores.store import Object, ObjectStore, Stated, StoreFailed, StoreRefused
from .places import as_os_errors

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

_DIGEST = "digest"
_DIGEST_BYTES = 16
_FORMATS = {format.suffix: format for format in STORED}
_ENTRY = re.compile(r"[0-9a-f]{2}/[0-9a-f]+/[^/]+")
_BATCH = 1000  # objects that are deleted by one request


class ObjectCache:
    """The cache in *store*, a `SharedCache`.

    *locks* are those of all hosts, or None if there are none. *bars* returns whether nothing may be stored that depends
    on a folder. *on_fetch* is called with the name of the format and the size of each rendition that is fetched.
    """

    def __init__(
        self,
        store: ObjectStore,
        locks: HostLocks | None = None,
        bars: Callable[[str], bool] = lambda folder: False,
        on_fetch: Callable[[str, int], object] = lambda format, size_bytes: None,
    ) -> None:
        self.store = store
        self._locks = locks
        self._bars = bars
        self._on_fetch = on_fetch

    def fetch(self, key: Key) -> bytes | None:
        path = _path(key)
        with self._failing():
            found = self.store.get(path)
            if found is not None and _is_whole(path, found):
                if (format := _format_of(path)) is not None:
                    self._on_fetch(format.name, len(found.data))
                return found.data
        return None

    def offer(self, key: Key, data: bytes) -> bytes | None:
        path = _path(key)
        if not data or self._is_barred(path):
            return None
        with self._failing():
            found = self._create(path, data)
            # It may have been barred, and its folder erased, just before it was stored.
            if found is None and self._is_barred(path):
                self.store.delete([*_markers(path), path])
            return found
        return None

    def alone(
        self, key: Key, *, since: float, timeout: float, needless: Callable[[], bool]
    ) -> AbstractContextManager[bool]:
        if self._locks is None:
            return nullcontext(False)
        return self._locks.hold("/".join(key), since=since, timeout=timeout, needless=needless)

    def erase(self, folder: str) -> Removed:
        """Remove the entries in *folder*, and those that depend on it. The latter do not count in the size."""
        own = list(self._listed(_place(folder)))
        markers = [each.path for each in self._listed(f"{DEPENDENTS}/{folder}")]
        others = [_path((own_folder, file)) for own_folder, file in (path.split("/")[-2:] for path in markers)]
        paths = [each.path for each in own] + others
        for batch in _batches(chain(paths, (marker for path in paths for marker in _markers(path)))):
            self._delete(batch)
        names = [os.path.basename(path) for path in paths]
        return Removed(
            tuple(names[: len(own)]), tuple(names[len(own) :]), size_bytes=sum(each.size_bytes for each in own)
        )

    def purge_all(self) -> int:
        return sum(1 for _ in self.remove(self.kept()))

    def kept(self, folders: Iterable[str] | None = None) -> Iterator[Kept]:
        """Yield all entries, or those in *folders*. A store does not know when they were read, but when they were made.

        Raises:
            OSError: If the store cannot be asked.
        """
        for place in [""] if folders is None else map(_place, folders):
            for each in self._listed(place):
                if _ENTRY.fullmatch(each.path):
                    yield Kept(each.mtime_ns / 1e9, each.size_bytes, each.path)

    def oldest_first(self, folders: Iterable[str] | None = None) -> list[Kept]:
        """Return all entries, or those in *folders*, in the order in which they were made. See `kept`."""
        return sorted(self.kept(folders))

    def remove(self, entries: Iterable[Kept]) -> Iterator[Kept]:
        """Remove *entries*, and yield each that is removed.

        Raises:
            OSError: If the store cannot be asked.
        """
        for batch in _batches(entries):
            self._delete(path for each in batch for path in (each.path, *_markers(each.path)))
            yield from batch

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Ignore that the store fails in the block. `ObjectStore` logs that it is away, and this that it refuses."""
        try:
            yield
        except StoreRefused as error:
            if _said.add(f"{error.status} of {self.store.location}"):
                logger.warning(
                    "%s refuses requests (%s), so images are not shared with other hosts. Run: flask images check. "
                    "This is logged once.",
                    *(self.store.location, f"status {error.status}" if error.status else error),
                )
        except StoreFailed:
            pass

    def _listed(self, place: str) -> Iterator[Stated]:
        """Yield what is below *place*.

        Raises:
            OSError: If the store cannot be asked.
        """
        with as_os_errors():
            yield from self.store.list(place)

    def _delete(self, paths: Iterable[str]) -> None:
        """Delete the objects at *paths*.

        Raises:
            OSError: If the store cannot be asked.
        """
        with as_os_errors():
            self.store.delete(list(paths))

    def _is_barred(self, path: str) -> bool:
        return any(map(self._bars, owners_of(path)))

    def _create(self, path: str, data: bytes) -> bytes | None:
        """Make the object at *path*. Returns the content that it has already, or None."""
        for marker in _markers(path):
            self.store.put(marker, b"")
        format = _format_of(path)
        media_type = None if format is None else format.media_type
        metadata = {_DIGEST: _digest(path, data)}
        if self.store.create(path, data, media_type=media_type, metadata=metadata):
            return None
        found = self.store.get(path)
        if found is None:  # removed since then, or another host is just making it
            return None
        if _is_whole(path, found):
            return found.data
        if _said.add(f"broken in {self.store.location}"):
            logger.warning(
                "The object %s in %s is broken, or not of this package. It is replaced. This is logged once.",
                *(path, self.store.location),
            )
        self.store.put(path, data, media_type=media_type, metadata=metadata)
        return None


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _path(key: Key) -> str:
    folder, file = key
    return f"{_place(folder)}/{file}"


def _place(folder: str) -> str:
    return f"{folder[:2]}/{folder}"


def _format_of(path: str) -> Format | None:
    """Return the format of the rendition at *path*, or None if it is a fact."""
    return _FORMATS.get(os.path.splitext(path)[1])


def _markers(path: str) -> list[str]:
    """Return the paths of the empty objects that name the entry at *path*, one for each other folder it depends on."""
    own, *others = owners_of(path)
    return [f"{DEPENDENTS}/{other}/{own}/{os.path.basename(path)}" for other in others]


def _is_whole(path: str, found: Object) -> bool:
    return bool(found.data) and found.metadata.get(_DIGEST) == _digest(path, found.data)


def _digest(path: str, data: bytes) -> str:
    return blake2b(path.encode() + b"\n" + data, digest_size=_DIGEST_BYTES).hexdigest()


_said = Said()
