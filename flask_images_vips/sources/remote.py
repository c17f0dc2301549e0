"""Find sources at URLs: fetch them through a guard, keep them on this host, and revalidate them when they are old.

Each version of a remote file is stored in an immutable file. A record beside it holds the current version, the time
until which it is fresh, and the last error. If a source can no longer be fetched, its last version is served
(stale-if-error), unless the server answers that it does not exist.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, BinaryIO

from .. import phases
from ..cache.disk import DiskCache
from ..cache.entry import Key
from ..cache.stored import json_object, parsed
from ..errors import Busy, ImagesError, RemoteFailed, SourceNotFound, shown
from ..hashing import digest
from ..log_fields import fields
from ..system_errors import busy, is_shortage
from .http import Client, Reply
from .record import Record, new_file_name
from .source import Source
from .spelling import plain_ref

logger = logging.getLogger("flask_images_vips")

Check = Callable[[int, str], object]
"""A function of an open descriptor and the URL. It raises an `ImagesError` if the file may not be used as an image."""

_RECORD = "record"
_SHORTEST_SECONDS = 1.0  # the minimum time between two requests for a URL, even if its server forbids caching
_MAX_REMEMBERED = 4096
_LONGEST_REASON = 300  # characters of a failure; it may quote what the server sent
_NANOSECONDS = 1_000_000_000


class RemoteSources:
    """Fetches sources with *client* and keeps them in *store*, a separate cache.

    A source is fresh for as long as its server states, but at most for *max_age_seconds*. If the server states nothing,
    it is fresh for *max_age_seconds*. After a failure, the source is not requested again for *error_ttl_seconds*.
    All spellings of a URL are one source, see `plain_ref`.
    *on_lookup* is called with each URL that is looked up because it is new or no longer fresh, and with its source, or
    None if there is none.
    """

    def __init__(self, store: DiskCache, client: Client, *, max_age_seconds: float, error_ttl_seconds: float) -> None:
        self.store = store
        self.client = client
        self.max_age_seconds = max_age_seconds
        self.error_ttl_seconds = error_ttl_seconds
        self.on_lookup: Callable[[str, Source | None], None] = lambda url, source: None
        self._remembered: dict[str, Record] = {}

    def find(self, url: str, check: Check) -> Source:
        """Find the source at *url*. It is fetched now unless a fresh version is stored.

        If an old version is stored, and another thread or process is already asking the server, the old one is
        returned at once.

        Raises:
            SourceNotFound: If the server answers that it does not exist.
            RemoteFailed: If it cannot be fetched for any other reason.
            Busy: If this host lacks something at the moment. That is not remembered.
        """
        url = plain_ref(url)
        # Check even if the source is stored: its host may have been removed from the configuration.
        self.client.guard.check(url)
        record = self._known(url)
        if record is None or not self._is_fresh(record):
            record = self._asked(url, record, check)
        source = self._source(record) if record.file is not None else None
        self.on_lookup(url, source)
        if source is not None:
            return source
        raise (SourceNotFound if record.missing else RemoteFailed)(url, record.failure)

    def again(self, source: Source, check: Check) -> Source:
        """Find the current version of *source*. Returns *source* itself if it is still current.

        Raises:
            SourceNotFound, RemoteFailed, Busy: As in `find`.
        """
        record = self._remembered.get(source.ref)
        if record is not None and self._is_fresh(record) and record.mtime_ns == source.mtime_ns:
            return source
        found = self.find(source.ref, check)
        return source if found == source else found

    def kept(self, url: str) -> Source | None:
        """Return the source at *url* if it is on this host, fresh or not. Nothing is fetched."""
        record = self._known(plain_ref(url))
        return None if record is None or record.file is None else self._source(record)

    def urls(self) -> Iterator[str]:
        """Yield the URLs of which something is stored."""
        for kept in self.store.oldest_first():
            if os.path.basename(kept.path) == _RECORD and (entry := self.store.at(kept.path)) is not None:
                with entry:
                    fields = parsed(entry, json_object)
                if fields is not None and isinstance(url := fields.get("url"), str):
                    yield url

    def drop_memory(self) -> None:
        """Drop what this process remembers, so that it looks at the disk again."""
        self._remembered.clear()

    def purge(self, url: str) -> int:
        """Remove everything that is stored for *url* and return the number of files."""
        url = plain_ref(url)
        self._remembered.pop(url, None)
        return self.store.purge(_key(url)[0])

    def _is_fresh(self, record: Record) -> bool:
        """Return whether *record* holds now. One that holds for longer than any may was made by a wrong clock."""
        longest = max(self.max_age_seconds, self.error_ttl_seconds, _SHORTEST_SECONDS)
        return 0 < record.until - time.time() <= longest

    def _known(self, url: str) -> Record | None:
        """Return the record of *url*, or None if there is none, or if the version in it has been evicted."""
        for record in (self._remembered.get(url), self._stored(url)):
            if record is not None and (record.file is None or os.path.exists(self._path(record))):
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[url] = record
                return record
        return None

    def _stored(self, url: str) -> Record | None:
        entry = self.store.get(_key(url))
        if entry is None:
            return None
        with entry:
            return parsed(entry, lambda data: Record.read(data, url))

    def _asked(self, url: str, old: Record | None, check: Check) -> Record:
        def ask() -> Record:
            return self._ask(url, check)

        if old is None or old.file is None:
            return self.store.once(_key(url), ask)
        return self.store.attempt(_key(url), ask) or old

    def _ask(self, url: str, check: Check) -> Record:
        """Request *url*, unless another process has just done so, and return the new record."""
        self._remembered.pop(url, None)
        last = self._known(url)
        if last is not None and self._is_fresh(last):
            return last
        try:
            with phases.phase("fetch"):
                record = self._fetch(url, last, check)
        except SourceNotFound as error:
            record = Record(url, self._retry_at, missing=True, failure=error.reason)
        except (ImagesError, OSError) as error:
            if isinstance(error, OSError) and is_shortage(error):
                error = busy(url, error)
            if isinstance(error, Busy):  # it says nothing about the source
                if last is None or last.file is None:
                    raise error from None
                return last
            reason = (error.reason if isinstance(error, RemoteFailed) else str(error))[:_LONGEST_REASON]
            extra = fields("not fetched", url, reason=reason)
            logger.warning("fetching the remote source %s failed: %s", shown(url), reason, extra=extra)
            # The last version, if there is one, stays in use.
            record = replace(last or Record(url, 0), until=self._retry_at, failure=reason)
        self._remembered[url] = record
        with suppress(OSError):  # if the record is not stored, each process fetches the source by itself
            self.store.put(_key(url), record.write, in_use=True)
        if last is not None and last.file not in (None, record.file):
            with suppress(OSError):
                os.unlink(self._path(last))
        return record

    def _fetch(self, url: str, last: Record | None, check: Check) -> Record:
        """Fetch *url*, store it if it is a new version, and return the new record.

        Raises:
            SourceNotFound: If the server answers that it does not exist.
            RemoteFailed: If it cannot be fetched for any other reason.
            ImagesError: If *check* refuses it.
            ConfigError: If urllib3 is missing or bypasses the guard.
            OSError: If it cannot be stored.
        """
        known = last if last is not None and last.file is not None else Record(url, 0)
        received: list[tuple[Reply, dict[str, Any]]] = []

        def write(file: BinaryIO) -> int:
            reply = self.client.get(url, file, etag=known.etag, last_modified=known.last_modified)
            content_digest = _digest_of(file)
            # If the server sends the same bytes again, the version stays, so that its renditions remain valid.
            if reply.status == 304 or content_digest == known.digest:
                received.append((reply, {}))
                raise _Unchanged
            check(file.fileno(), url)
            mtime_ns = _mtime_ns(reply, content_digest)
            version = {"file": name, "size_bytes": reply.size_bytes, "mtime_ns": mtime_ns, "digest": content_digest}
            received.append((reply, version))
            return mtime_ns

        name = new_file_name()
        try:
            path = self.store.put((_key(url)[0], name), write, in_use=True)
            if path is None:
                raise RemoteFailed(url, "too large for IMAGES_REMOTE_CACHE_SHARE, or the disk is nearly full")
        except _Unchanged:
            pass
        ((reply, version),) = received
        return replace(
            known,
            until=time.time() + self._fresh_seconds(reply),
            etag=reply.etag if version else reply.etag or known.etag,
            last_modified=reply.last_modified if version else reply.last_modified or known.last_modified,
            missing=False,
            failure="",
            **version,
        )

    @property
    def _retry_at(self) -> float:
        return time.time() + self.error_ttl_seconds

    def _fresh_seconds(self, reply: Reply) -> float:
        """Return how long *reply* is fresh (RFC 9111, section 4.2)."""
        directives = dict(_directives(reply.cache_control or ""))
        if {"no-cache", "no-store", "private"} & directives.keys():
            return _SHORTEST_SECONDS
        seconds = self.max_age_seconds
        stated = directives.get("s-maxage") or directives.get("max-age")
        if stated is not None and stated.isdecimal():
            seconds = float(stated) - (reply.age or 0)
        elif reply.expires is not None:
            expires, date = _time(reply.expires), _time(reply.date or "")
            # An invalid date means that the response has expired (RFC 9111, section 5.3).
            seconds = 0 if expires is None else expires - (date if date is not None else time.time())
        return min(max(seconds, _SHORTEST_SECONDS), self.max_age_seconds)

    def _path(self, record: Record) -> str:
        assert record.file is not None
        return self.store.path((_key(record.url)[0], record.file))

    def _source(self, record: Record) -> Source:
        return Source(record.url, self.store.folder, self._path(record), record.size_bytes, record.mtime_ns)


class _Unchanged(Exception):
    """Raised to stop writing a version that is already stored. This is not an error."""


def _key(url: str) -> Key:
    return digest(url, 16), _RECORD


def _digest_of(file: BinaryIO) -> str:
    """Return the digest of the whole content, as 32 hexadecimal digits."""
    content = blake2b(digest_size=16)
    file.seek(0)  # this also flushes
    while block := file.read(1 << 16):
        content.update(block)
    return content.hexdigest()


def _mtime_ns(reply: Reply, content_digest: str) -> int:
    """Return the modification time that the server states, or else the current time, in nanoseconds since 1970.

    The fraction of the second is taken from *content_digest*, so that different contents have different times.
    """
    modified, now = _time(reply.last_modified or ""), time.time()
    # Times in the future count as now (RFC 9110, section 8.8.2.1). File systems cannot store all of them either.
    seconds = int(min(modified, now) if modified is not None and modified > 0 else now)
    return seconds * _NANOSECONDS + int(content_digest, 16) % _NANOSECONDS


def _time(text: str) -> float | None:
    """Parse an HTTP date into seconds since 1970. Returns None if it is not valid."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _directives(text: str) -> list[tuple[str, str | None]]:
    """Parse a Cache-Control header into its directives and their arguments."""
    parts = (part.strip().partition("=") for part in text.lower().split(","))
    return [(name.strip(), value.strip(' "') if equals else None) for name, equals, value in parts]
