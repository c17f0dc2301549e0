"""Keep renditions in an object store, for all hosts of a site.

An object has the name of the file on a host's disk: ``<2 digits>/<key's folder>/<key's file>``. A digest of its name
and content is stored with it, so an object that is cut off, swapped or not ours counts as missing. An object is only
made if there is none yet, so a host that is late overwrites nothing. It never changes after that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b

from ..cache.entry import Key
from ..cache.per_process import Said
from ..cache.shared import HostLocks
from ..formats import FORMATS
from ..stores.store import Object, ObjectStore, StoreFailed

logger = logging.getLogger("flask_images_vips")

_DIGEST = "digest"
_DIGEST_BYTES = 16
_MEDIA_TYPES = {format.suffix: format.media_type for format in FORMATS}


class ObjectCache:
    """The cache in *store*, a `SharedCache`. *locks* are those of all hosts, or None if there are none."""

    def __init__(self, store: ObjectStore, locks: HostLocks | None = None) -> None:
        self.store = store
        self._locks = locks

    def fetch(self, key: Key) -> bytes | None:
        path = _path(key)
        try:
            found = self.store.get(path)
        except StoreFailed:
            return None
        return found.data if found is not None and _is_whole(path, found) else None

    def offer(self, key: Key, data: bytes) -> bytes | None:
        try:
            return self._offer(_path(key), data)
        except StoreFailed:
            return None

    def alone(
        self, key: Key, *, since: float, timeout: float, needless: Callable[[], bool]
    ) -> AbstractContextManager[bool]:
        if self._locks is None:
            return nullcontext(False)
        return self._locks.hold("/".join(key), since=since, timeout=timeout, needless=needless)

    def _offer(self, path: str, data: bytes) -> bytes | None:
        media_type = _MEDIA_TYPES.get(os.path.splitext(path)[1])
        metadata = {_DIGEST: _digest(path, data)}
        if not data or self.store.create(path, data, media_type=media_type, metadata=metadata):
            return None
        found = self.store.get(path)
        if found is not None and _is_whole(path, found):
            return found.data
        if _said.add(str(self.store.location)):
            logger.warning(
                "The object %s in %s is broken, or not of this package. It is replaced. This is logged once.",
                *(path, self.store.location),
            )
        self.store.put(path, data, media_type=media_type, metadata=metadata)
        return None


def _path(key: Key) -> str:
    folder, file = key
    return f"{folder[:2]}/{folder}/{file}"


def _is_whole(path: str, found: Object) -> bool:
    return bool(found.data) and found.metadata.get(_DIGEST) == _digest(path, found.data)


def _digest(path: str, data: bytes) -> str:
    return blake2b(path.encode() + b"\n" + data, digest_size=_DIGEST_BYTES).hexdigest()


_said = Said()
