"""Keep the files of objects on the disk of this host. A file is fetched when its pixels are needed for the first time.

Each version of an object is stored in an immutable file. The file is read as a whole, rather than in ranges: to shrink
a JPEG or PNG, libvips reads every byte (measured with all photographs of the demo, at 100 and at 400 pixels).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from .. import phases
from ..cache.disk import DiskCache
from ..cache.entry import Entry, Key
from ..errors import Busy, SourceChanged, UnreadableSource, shown
from ..hashing import digest
from ..stores.store import ObjectStore, StoreFailed
from ..system_errors import cause
from .object_record import ObjectRecord
from .source import Source


@dataclass(frozen=True, slots=True)
class ObjectSource(Source):
    """One version of one object. *files* fetches it when it is opened for the first time."""

    files: ObjectFiles = field(kw_only=True, compare=False, repr=False)

    @contextmanager
    def open(self) -> Iterator[int]:
        """Open the file and yield its descriptor. It is fetched now unless it is on this host.

        Raises:
            UnreadableSource: If the object is empty.
            SourceChanged: If it is gone, or is another version.
            Busy: If the store cannot be asked, or the file cannot be read now.
        """
        with self.files.opened(self) as descriptor:
            yield descriptor

    @property
    def url(self) -> str:
        """The URL of the object, such as ``s3://bucket/photos/cat.jpg``."""
        return f"{self.files.store.location}/{self.ref}"

    def delete(self) -> None:
        """Delete the object in its store, whatever version it has now.

        Raises:
            StoreFailed: If the store cannot be asked, or refuses this.
        """
        self.files.store.delete([self.ref])


class ObjectFiles:
    """Fetches objects of *store*, and keeps their files in *cache*, a separate cache.

    *on_change* is called with the ref of an object that turns out to be another version.
    """

    def __init__(self, store: ObjectStore, cache: DiskCache, on_change: Callable[[str], object]) -> None:
        self.store = store
        self.cache = cache
        self._on_change = on_change

    def source(self, record: ObjectRecord) -> ObjectSource:
        """Return the version of an object that *record* describes."""
        return ObjectSource(
            ref=record.ref,
            root=self.cache.folder,
            path=self.cache.path(self._key(record.ref, record.content)),
            size_bytes=record.size_bytes,
            mtime_ns=record.mtime_ns,
            content=record.content,
            files=self,
        )

    def keep(self, source: ObjectSource, data: bytes) -> None:
        """Store *data*, the whole content of *source*, if that is possible."""
        self._stored(source, lambda file: file.write(data))

    @contextmanager
    def opened(self, source: ObjectSource) -> Iterator[int]:
        """Yield a descriptor of the file of *source*, see `ObjectSource.open`."""
        if not source.size_bytes:
            raise UnreadableSource(source.ref, "the file is empty")
        with ExitStack() as stack:
            entry = self._entry(source)
            if entry is not None:
                yield stack.enter_context(entry).fileno()
            else:  # the disk is nearly full, or the cache cannot be used
                yield stack.enter_context(self._unstored(source)).fileno()

    def _entry(self, source: ObjectSource) -> Entry | None:
        """Return the file of *source*, which is fetched if it is missing, or None if it cannot be stored."""
        key = self._key(source.ref, source.content)
        found = self.cache.get(key)
        if found is not None:
            return found

        def fetch() -> bool:
            return self.cache.has(key) or self._stored(source, lambda file: self._fetch(source, file))

        return self.cache.get(key) if self.cache.once(key, fetch) else None

    def _stored(self, source: ObjectSource, write: Callable[[BinaryIO], object]) -> bool:
        """Store what *write* writes as the file of *source*. Returns False if it cannot be stored.

        Raises:
            SourceChanged, Busy: If *write* does.
        """
        bound = self.cache.bound
        if not self.cache.usable() or not (bound is None or bound.admits(source.size_bytes)):
            return False

        def fill(file: BinaryIO) -> int:
            write(file)
            return source.mtime_ns

        try:
            return self.cache.put(self._key(source.ref, source.content), fill, in_use=True) is not None
        except OSError:
            return False

    def _unstored(self, source: ObjectSource) -> BinaryIO:
        """Return the file of *source*, fetched into a temporary file without a name.

        Raises:
            SourceChanged, Busy: As `ObjectSource.open`.
        """
        try:
            with ExitStack() as stack:
                file: BinaryIO = stack.enter_context(tempfile.TemporaryFile(buffering=0))
                self._fetch(source, file)
                file.seek(0)
                stack.pop_all()
                return file
        except OSError as error:
            raise Busy(f"{shown(source.ref)} cannot be stored: {cause(error)}") from error

    def _fetch(self, source: ObjectSource, file: BinaryIO) -> None:
        """Write the content of *source* into *file*, and check that it is this version."""
        try:
            with phases.phase("fetch"):
                stated = self.store.download(source.ref, file, most_bytes=source.size_bytes)
        except ValueError:  # it has more bytes
            stated = None
        except StoreFailed as error:
            raise Busy(f"{shown(source.ref)} cannot be fetched: {error}") from None
        if stated is None or ObjectRecord.of(stated, source.ref, 0).content != source.content:
            self._on_change(source.ref)
            raise SourceChanged(source.ref, "not the version that the store has stated")

    def _key(self, ref: str, content: str | None) -> Key:
        version = digest(f"{self.store.location}\n{content}", 8)
        return digest(ref, 16), f"original-{version}"
