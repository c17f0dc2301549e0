"""Find originals in an object store. What the store states about one is used for a while before it is asked again.

A record of each object is kept on the disk of this host, beside the facts about its picture. So a page that shows known
pictures sends no request to the store, also after a restart. A new picture takes one request, which reads the beginning
of its object: that states the version, and nearly always the size of the picture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from .. import phases
from ..cache.disk import DiskCache
from ..cache.entry import Key
from ..cache.stored import parsed
from ..errors import Busy, ImagesError, SourceNotFound, shown
from ..expiring import Expiring
from ..hashing import digest
from ..stores.store import ObjectStore, StoreFailed, StoreRefused
from .local import climbs
from .object_file import ObjectFiles, ObjectSource
from .object_record import ObjectRecord

# Holds the header of 97 percent of 392 JPEGs of all kinds of cameras, with their thumbnails and profiles. Twice as much
# holds that of one percent more.
_BEGINNING_BYTES = 1 << 16
# How long a missing object is not asked for again: at least, and at most.
_FEWEST_MISSING_SECONDS, _MOST_MISSING_SECONDS = 1.0, 10.0
_TRUSTED_SECONDS = 2.0  # how long an answer is believed although a URL names another version
_PAUSE_SECONDS = 5.0  # until a store that has failed is asked again about an object
_LONGEST_NAME = 1024  # bytes, in all object stores
_MAX_REMEMBERED = 16_384

Stamp = tuple[int, int] | None
"""The inode and the modification time of the file of a record, or None if there is no file."""


class _Known(NamedTuple):
    """What is known of an object. *source* is None if it is missing. *path* is where its record is stored."""

    record: ObjectRecord
    source: ObjectSource | None
    path: str
    stamp: Stamp


class ObjectSources:
    """Finds objects of *store*. Their records are kept in *records*, their files in *files*, a separate cache.

    *look* is called with a new version of an object, and with the bytes that it begins with. *revalidate_later* is
    called with the ref of an object whose record is old, if nobody should wait for the store: it calls `revalidate` in
    the background.
    """

    def __init__(
        self,
        store: ObjectStore,
        records: DiskCache,
        files: DiskCache,
        look: Callable[[ObjectSource, bytes], object],
        *,
        max_age_seconds: float,
    ) -> None:
        self.store = store
        self.files = ObjectFiles(store, files, self._expire)
        self.max_age_seconds = max_age_seconds
        self.revalidate_later: Callable[[str], object] = lambda ref: None
        self._records = records
        self._look = look
        self._remembered: dict[str, _Known] = {}
        self._refused: Expiring[str] = Expiring()
        self._suffix = digest(str(store.location), 8)

    def find(self, ref: str) -> ObjectSource:
        """Find the object *ref*. The store is asked unless its answer is known and still fresh.

        If an old version is known, and another thread or process is already asking the store, the old one is returned
        at once. It is also returned if the store cannot be asked.

        Raises:
            SourceNotFound: If there is no such object, or its name is not a plain path.
            Busy: If the store cannot be asked, and nothing is known.
        """
        known = self._known(ref)
        if known is None or not self._is_fresh(known.record):
            known = self._asked(ref, known)
        return self._found(ref, known)

    def again(self, source: ObjectSource) -> ObjectSource:
        """Find the current version of *source*. Returns *source* itself if nothing has changed."""
        found = self.find(source.ref)
        return source if found == source else found

    def here(self, ref: str) -> ObjectSource:
        """Find the object *ref* as this host knows it. The store is asked only about an object that is new here.

        Raises:
            SourceNotFound, Busy: As `find`.
        """
        known = self._known(ref)
        if known is None:
            known = self._asked(ref, None)
        elif not self._is_fresh(known.record):
            self.revalidate_later(ref)
        return self._found(ref, known)

    def doubt(self, ref: str) -> None:
        """Let the store be asked again about *ref*, because a URL names another version, unless it was asked just now.

        Another host may have found a newer version. An old URL must not ask the store each time.
        """
        known = self._remembered.get(ref)
        if known is not None and not self.store.is_away:
            asked = known.record.until - self.max_age_seconds
            if time.time() - asked > _TRUSTED_SECONDS:
                self._expire(ref)

    def revalidate(self, ref: str) -> None:
        """Ask the store about *ref* if its record is old. Call this in the background."""
        with suppress(ImagesError):
            self.find(ref)

    def refs(self, folder: str = "") -> Iterator[str]:
        """Yield the refs of all objects below *folder*.

        Raises:
            Busy: If the store cannot be asked, or does not allow this.
        """
        try:
            for stated in self.store.list(folder):
                yield stated.path
        except StoreFailed as error:
            raise Busy(f"the pictures in {self.store.location} cannot be listed: {error}") from None

    def drop_memory(self) -> None:
        """Drop what this process remembers, so that it looks at the disk again."""
        self._remembered.clear()
        self._refused.clear()

    def purge(self, ref: str) -> int:
        """Forget what is known of *ref* in this process, and remove its files. Returns their number."""
        self._remembered.pop(ref, None)
        return self.files.cache.purge(digest(ref, 16))

    def _found(self, ref: str, known: _Known) -> ObjectSource:
        if known.source is None:
            raise SourceNotFound(ref, f"no such object in {self.store.location}")
        return known.source

    def _is_fresh(self, record: ObjectRecord) -> bool:
        """Return whether *record* holds now. One that holds for longer than any may was made by a wrong clock."""
        return 0 < record.until - time.time() <= max(self.max_age_seconds, _MOST_MISSING_SECONDS)

    def _known(self, ref: str) -> _Known | None:
        """Return what this host knows of *ref*, or None.

        If it is remembered, this costs a single ``stat``, which shows whether another process knows more, or has purged
        the object.
        """
        known = self._remembered.get(ref)
        if known is not None and known.stamp == _stamp(known.path):
            return known
        if not self._is_plain(ref):
            raise SourceNotFound(ref, "not a path inside IMAGES_PATH")
        self._remembered.pop(ref, None)
        entry = self._records.get(self._key(ref))
        if entry is None:
            return None
        with entry:
            status = os.fstat(entry.fileno())
            record = parsed(entry, lambda data: ObjectRecord.read(data, ref))
        return None if record is None else self._remember(record, known, (status.st_ino, status.st_mtime_ns))

    def _remember(self, record: ObjectRecord, last: _Known | None, stamp: Stamp) -> _Known:
        source = None if record.missing else self.files.source(record)
        if last is not None and last.source == source:
            source = last.source  # its callers compare the objects
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        known = _Known(record, source, self._records.path(self._key(record.ref)), stamp)
        self._remembered[record.ref] = known
        return known

    def _asked(self, ref: str, old: _Known | None) -> _Known:
        ask = partial(self._ask, ref, old)
        if old is None or old.source is None:
            if (refusal := self._refused.get(ref)) is not None:
                raise Busy(refusal)
            return self._records.once(self._key(ref), ask)
        return self._records.attempt(self._key(ref), ask) or old

    def _ask(self, ref: str, old: _Known | None) -> _Known:
        """Ask the store about *ref*, unless another process has just done so, and keep the answer.

        Raises:
            Busy: If that is not possible, and nothing is known.
        """
        last = self._known(ref)
        if last is not None and self._is_fresh(last.record):
            return last
        last = last or old
        try:
            with phases.phase("fetch"):
                record = self._stated(ref, last)
        except StoreFailed as error:
            if last is None or last.source is None:
                reason = f"whether there is {shown(ref)} cannot be told: {error}"
                if isinstance(error, StoreRefused):  # the store itself goes on being asked
                    self._refused.add(ref, reason, _PAUSE_SECONDS)
                raise Busy(reason) from None
            return self._remember(replace(last.record, until=time.time() + _PAUSE_SECONDS), last, last.stamp)
        return self._keep(record, last)

    def _keep(self, record: ObjectRecord, last: _Known | None) -> _Known:
        """Store *record*, so that all processes of this host know it. If that fails, this one does."""
        key = self._key(record.ref)
        with suppress(OSError):
            self._records.put(key, record.write, in_use=True)
        # If it is not stored, an older record may be there, which this process need not read again.
        return self._remember(record, last, _stamp(self._records.path(key)))

    def _stated(self, ref: str, last: _Known | None) -> ObjectRecord:
        """Return what the store states about *ref* now.

        Raises:
            StoreFailed: If it cannot be asked.
        """
        etag = last.record.etag if last is not None and last.source is not None else None
        try:
            found = self.store.get(ref, most_bytes=_BEGINNING_BYTES, unless=etag)
        except StoreRefused as error:
            if error.status:
                raise
            found = None  # no store has an object of that name
        now = time.time()
        if found is None:
            seconds = max(_FEWEST_MISSING_SECONDS, min(self.max_age_seconds, _MOST_MISSING_SECONDS))
            return ObjectRecord(ref, now + seconds, missing=True)
        if last is not None and etag is not None and not found.data and found.stated.etag == etag:
            return replace(last.record, until=now + self.max_age_seconds)
        record = ObjectRecord.of(found.stated, ref, now + self.max_age_seconds)
        if last is None or last.source is None or last.source.content != record.content:
            self._look_at(self.files.source(record), found.data)
        return record

    def _look_at(self, source: ObjectSource, data: bytes) -> None:
        self._look(source, data)
        if data and len(data) == source.size_bytes:  # a small object has been read already
            self.files.keep(source, data)

    def _expire(self, ref: str) -> None:
        """Let the store be asked again about *ref*, because it has another version now."""
        last = self._remembered.get(ref)
        if last is not None:
            self._keep(replace(last.record, until=0), last)

    def _is_plain(self, ref: str) -> bool:
        """Return whether *ref* is the one spelling of a name that an object may have."""
        parts = ref.split("/")
        name = f"{self.store.location.prefix}/{ref}".encode("utf-8", "surrogatepass")
        return not (climbs(ref) or "" in parts or "." in parts) and len(name) <= _LONGEST_NAME

    def _key(self, ref: str) -> Key:
        return digest(ref, 16), f"object-{self._suffix}.txt"


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
