"""Originals at URLs: fetched through a guard, kept on this host as immutable versions, asked for again when old.

Beside the versions of a URL lies its record: which version is current, until when, and what went wrong last. A source
that cannot be had any more is served as it was (stale-if-error), but for one that its server says is gone.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, BinaryIO

from ..cache.disk import DiskCache
from ..cache.entry import Key
from ..errors import ImagesError, RemoteFailed, SourceNotFound
from .http import Client, Reply
from .source import Source

logger = logging.getLogger("flask_images_vips")

Check = Callable[[int, str], object]
"""Raises an `ImagesError` where the file open at a descriptor, of the URL, is no image that may be used."""

_RECORD = "record"
_LEAST_SECONDS = 1.0  # even a server that forbids caching is asked no more often
_REMEMBERED = 4096
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Record:
    """What is known of a URL, until it is asked for again at the time *until*.

    *file* is the current version, or None where there is none; *missing* whether its server says so itself.
    """

    url: str
    until: float
    file: str | None = None
    size_bytes: int = 0
    mtime_ns: int = 0
    digest: str = ""
    etag: str | None = None
    last_modified: str | None = None
    missing: bool = False
    failure: str = ""

    @classmethod
    def read(cls, data: bytes, url: str) -> _Record | None:
        """None where *data* is not the record of *url* as this version of the package writes it."""
        with suppress(ValueError, TypeError):
            record = cls(**json.loads(data))
            if record.url == url:
                return record
        return None


class RemoteSources:
    """Finds what *client* can fetch, and keeps it in *store*, a cache of its own.

    *max_age_seconds* is how long a source counts as fresh whose server does not say, and at most; after a failure
    it is not asked for again for *error_ttl_seconds*.
    """

    def __init__(self, store: DiskCache, client: Client, *, max_age_seconds: float, error_ttl_seconds: float) -> None:
        self.store = store
        self.client = client
        self.max_age_seconds = max_age_seconds
        self.error_ttl_seconds = error_ttl_seconds
        self._remembered: dict[str, _Record] = {}

    def find(self, url: str, check: Check) -> Source:
        """The source at *url*, fetched now unless a fresh version is kept.

        Raises:
            SourceNotFound: its server says that there is none.
            RemoteFailed: it cannot be had, for whatever reason.
        """
        self.client.guard.check(url)  # also of what is kept: the hosts may have been fewer since the last start
        record = self._known(url)
        if record is None or record.until <= time.time():
            record = self.store.once(_key(url), lambda: self._asked(url, check))
        if record.file is not None:
            return self._source(record)
        raise (SourceNotFound if record.missing else RemoteFailed)(url, record.failure)

    def again(self, source: Source, check: Check) -> Source:
        """*source* itself, where it still is current. As `find` otherwise."""
        record = self._remembered.get(source.ref)
        if record is not None and record.until > time.time() and record.mtime_ns == source.mtime_ns:
            return source
        found = self.find(source.ref, check)
        return source if found == source else found

    def kept(self, url: str) -> Source | None:
        """The source at *url* as far as it is on this host, fresh or not. Asks nobody."""
        record = self._known(url)
        return None if record is None or record.file is None else self._source(record)

    def purge(self, url: str) -> int:
        """Remove all that is kept of *url*, and say how many files there were."""
        self._remembered.pop(url, None)
        return self.store.purge(_key(url)[0])

    def _known(self, url: str) -> _Record | None:
        """The record of *url* where what it says can be relied on: the version that it names is there."""
        for record in (self._remembered.get(url), self._stored(url)):
            if record is not None and (record.file is None or os.path.exists(self._path(record))):
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[url] = record
                return record
        return None

    def _stored(self, url: str) -> _Record | None:
        entry = self.store.get(_key(url))
        if entry is None:
            return None
        with entry:
            return _Record.read(entry.read(), url)

    def _asked(self, url: str, check: Check) -> _Record:
        """The record of *url* after asking its server, unless somebody else just has."""
        self._remembered.pop(url, None)
        last = self._known(url)
        if last is not None and last.until > time.time():
            return last
        try:
            record = self._fetched(url, last, check)
        except SourceNotFound as error:
            record = _Record(url, self._retry_at, missing=True, failure=error.reason)
        except (ImagesError, OSError) as error:
            reason = error.reason if isinstance(error, RemoteFailed) else str(error)
            logger.warning("the remote source %r failed: %s", url, reason)
            # What could be had before is better than nothing.
            record = replace(last or _Record(url, 0), until=self._retry_at, failure=reason)
        self._remembered[url] = record
        with suppress(OSError):  # each process asks for itself then
            self.store.put(_key(url), lambda file: _write_record(file, record), in_use=True)
        if last is not None and last.file not in (None, record.file):
            with suppress(OSError):
                os.unlink(self._path(last))
        return record

    def _fetched(self, url: str, last: _Record | None, check: Check) -> _Record:
        """What the server says of *url* now; a new version is stored.

        Raises:
            SourceNotFound, RemoteFailed: there is none, or it cannot be had.
            ConfigError: nothing can be fetched at all.
            OSError: it cannot be stored.
        """
        known = last if last is not None and last.file is not None else _Record(url, 0)
        received: list[tuple[Reply, dict[str, Any]]] = []

        def write(file: BinaryIO) -> int:
            reply = self.client.get(url, file, etag=known.etag, last_modified=known.last_modified)
            digest = _digest_of(file)
            # Equal bytes stay the version that they are, though the server sent them again: its renditions still count.
            if reply.status == 304 or digest == known.digest:
                received.append((reply, {}))
                raise _Unchanged
            check(file.fileno(), url)
            mtime_ns = _mtime_ns(reply, digest)
            version = {"file": name, "size_bytes": reply.size_bytes, "mtime_ns": mtime_ns, "digest": digest}
            received.append((reply, version))
            return mtime_ns

        name = f"original-{secrets.token_hex(8)}"
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
        """For how long *reply* may be used without asking again (RFC 9111, section 4.2)."""
        directives = dict(_directives(reply.cache_control or ""))
        if {"no-cache", "no-store", "private"} & directives.keys():
            return _LEAST_SECONDS
        seconds = self.max_age_seconds
        stated = directives.get("s-maxage") or directives.get("max-age")
        if stated is not None and stated.isdecimal():
            seconds = float(stated) - (reply.age or 0)
        elif reply.expires is not None:
            expires, date = _time(reply.expires), _time(reply.date or "")
            # A date that cannot be read lies in the past (RFC 9111, section 5.3).
            seconds = 0 if expires is None else expires - (date if date is not None else time.time())
        return min(max(seconds, _LEAST_SECONDS), self.max_age_seconds)

    def _path(self, record: _Record) -> str:
        assert record.file is not None
        return self.store.path((_key(record.url)[0], record.file))

    def _source(self, record: _Record) -> Source:
        return Source(record.url, self.store.folder, self._path(record), record.size_bytes, record.mtime_ns)


class _Unchanged(Exception):
    """Ends the write of a version that is kept already: no error."""


def _key(url: str) -> Key:
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(), _RECORD


def _write_record(file: BinaryIO, record: _Record) -> int:
    file.write(json.dumps(asdict(record)).encode())
    return time.time_ns()


def _digest_of(file: BinaryIO) -> str:
    digest = blake2b(digest_size=16)
    file.seek(0)  # flushes, too
    while block := file.read(1 << 16):
        digest.update(block)
    return digest.hexdigest()


def _mtime_ns(reply: Reply, digest: str) -> int:
    """When the source was changed, as its server says, else now. The part of a second tells contents apart."""
    modified, now = _time(reply.last_modified or ""), time.time()
    # Never the future (RFC 9110, section 8.8.2.1), of which file systems know but a part.
    seconds = int(min(modified, now) if modified is not None and modified > 0 else now)
    return seconds * _NANOSECONDS + int(digest, 16) % _NANOSECONDS


def _time(text: str) -> float | None:
    """The seconds since 1970 of an HTTP date, or None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _directives(text: str) -> list[tuple[str, str | None]]:
    """The directives of a Cache-Control header, and their arguments."""
    parts = (part.strip().partition("=") for part in text.lower().split(","))
    return [(name.strip(), value.strip(' "') if equals else None) for name, equals, value in parts]
