"""Read and write objects in a store, through obstore.

All requests end within a timeout. If a store does not answer, it counts as away for a while: requests then fail at
once, so that nobody waits for it again and again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

from ..breaker import Breaker
from .connecting import connect, module_for
from .failures import panics_as_errors, reason, refusal
from .fork_safety import forked_after_use, note_use
from .location import Location

logger = logging.getLogger("flask_images_vips")

T = TypeVar("T")

AWAY_SECONDS = 5.0
"""How long a store that did not answer is not asked again."""

_BATCH = 1000  # objects that are listed by one request
_PART_BYTES = 8 << 20  # of a large object, so that each request ends within the timeout
_OUT_OF_RANGE = "416"


class StoreFailed(Exception):
    """A store did not answer, or refused a request. It says nothing about whether an object exists."""


class StoreRefused(StoreFailed):
    """A store answered with the HTTP *status* of a refusal, for example because the credentials do not allow this."""

    def __init__(self, reason: str, status: str = "") -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Stated:
    """What a store states about an object. *mtime_ns* is in nanoseconds since 1970."""

    path: str
    size_bytes: int
    mtime_ns: int
    etag: str | None


@dataclass(frozen=True, slots=True)
class Object:
    """An object, or its beginning, and the metadata that was stored with it."""

    stated: Stated
    data: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore:
    """The objects below *location*. All paths are relative to it.

    *options* are those of obstore's stores, such as ``endpoint`` and ``region``. What they leave out comes from the
    environment. A request takes at most *timeout* seconds. Nothing is sent before the first request.

    Methods raise `StoreFailed` if the store cannot be asked, and `ConfigError` if obstore is missing or *options* are
    invalid.
    """

    def __init__(self, location: Location, options: Mapping[str, Any], *, timeout: float) -> None:
        self.location = location
        self._options = dict(options)
        self._timeout = timeout
        self._store: Any = None
        self._breaker = Breaker()

    def check(self) -> None:
        """Check the options of the store. Nothing is sent, and the process may fork after that.

        Raises:
            ConfigError: If obstore is missing or an option is invalid.
        """
        self._made_store()

    def get(self, path: str, *, most_bytes: int | None = None, unless: str | None = None) -> Object | None:
        """Return the object at *path*, or None if there is none.

        Only its first *most_bytes* are read. The size in ``stated`` is that of the whole object. *unless* is an ETag:
        if the object has it, the data is empty.
        """
        options: dict[str, Any] = {} if unless is None else {"if_none_match": unless}
        if most_bytes is None:
            return self._asked(lambda: self._read(path, options))
        try:
            return self._asked(lambda: self._read(path, options | {"range": (0, most_bytes)}))
        except StoreRefused as error:
            stated = self.head(path) if error.status == _OUT_OF_RANGE else None
            if stated is None or stated.size_bytes:
                raise
            return Object(stated, b"")  # no range lies within an empty object

    def _read(self, path: str, options: Mapping[str, Any]) -> Object | None:
        try:
            result = self._module().get(self._made_store(), path, options=options)
            data = bytes(result.bytes())
        except FileNotFoundError:
            return None
        except self._module().exceptions.NotModifiedError:
            return Object(Stated(path, 0, 0, options["if_none_match"]), b"")
        stated = _stated(result.meta)
        first, end = options.get("range", (0, stated.size_bytes))
        if len(data) != min(end, stated.size_bytes) - first:
            raise OSError(f"{len(data):,} bytes were sent, which is not what was asked for")
        metadata = {str(name).lower(): str(value) for name, value in result.attributes.items()}
        return Object(stated, data, metadata)

    def download(self, path: str, file: BinaryIO, *, most_bytes: int) -> Stated | None:
        """Write the object at *path* into *file*, and return what the store states about it.

        Returns None if there is none, or if it changes meanwhile. A large object takes several requests.

        Raises:
            ValueError: If it has more than *most_bytes*. Not all of it was written.
        """
        part = self.get(path, most_bytes=_PART_BYTES)
        if part is None:
            return None
        stated, count = part.stated, len(part.data)
        if stated.size_bytes > most_bytes:
            raise ValueError(f"the object has {stated.size_bytes:,} bytes")
        file.write(part.data)
        while count < stated.size_bytes:
            options = {"range": (count, min(count + _PART_BYTES, stated.size_bytes))}
            part = self._asked(partial(self._read, path, options))
            if part is None or part.stated != stated:
                return None
            file.write(part.data)
            count += len(part.data)
        return stated

    def head(self, path: str) -> Stated | None:
        """Return what the store states about the object at *path*, or None if there is none."""

        def request() -> Stated | None:
            try:
                return _stated(self._module().head(self._made_store(), path))
            except FileNotFoundError:
                return None

        return self._asked(request)

    def create(
        self, path: str, data: bytes, *, media_type: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Store *data* at *path* unless there is an object. Returns False if there is one, which stays as it is."""

        def create() -> bool:
            attributes = _attributes(media_type, metadata)
            try:
                self._module().put(self._made_store(), path, data, attributes=attributes, mode="create")
            except self._module().exceptions.AlreadyExistsError:
                return False
            return True

        return self._asked(create)

    def put(
        self, path: str, data: bytes, *, media_type: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store *data* at *path*, in place of the object that may be there."""
        attributes = _attributes(media_type, metadata)
        self._asked(lambda: self._module().put(self._made_store(), path, data, attributes=attributes))

    def delete(self, paths: Sequence[str]) -> None:
        """Delete the objects at *paths*. Those that are missing are ignored."""

        def delete() -> None:
            try:
                self._module().delete(self._made_store(), list(paths))
            except FileNotFoundError:
                # Some stores report a missing object, and skip the rest.
                for path in paths:
                    try:
                        self._module().delete(self._made_store(), path)
                    except FileNotFoundError:
                        continue

        if paths:
            self._asked(delete)

    def list(self, prefix: str = "") -> Iterator[Stated]:
        """Yield what the store states about each object below the folder *prefix*."""
        batches = self._asked(lambda: self._module().list(self._made_store(), prefix or None, chunk_size=_BATCH))
        while (batch := self._asked(lambda: next(batches, None))) is not None:
            for meta in batch:
                yield _stated(meta)

    @property
    def is_away(self) -> bool:
        """Whether the last request failed, and the next one is not sent yet."""
        return self._breaker.is_away

    def _asked(self, request: Callable[[], T]) -> T:
        """Return the result of *request*, and note whether the store has answered."""
        if forked_after_use():
            raise StoreFailed(f"{self.location} cannot be used in a process that was forked after a store was used")
        if self.is_away:
            raise StoreFailed(f"{self.location} has failed within the last {AWAY_SECONDS:g} s")
        if self._breaker.has_failed:  # one thread tries again, and the others do not wait for it
            self._breaker.leave_alone(AWAY_SECONDS)
        errors = self._module().exceptions.BaseError, OSError
        note_use()
        try:
            with panics_as_errors():
                result = _outside_of_greenlets(request)
        except ValueError as error:  # obstore takes no such path
            raise StoreRefused(f"{self.location}: {reason(error)}") from None
        except errors as error:
            if (status := refusal(error)) is None:
                self._note_failure(error)
                raise StoreFailed(f"{self.location}: {reason(error)}") from None
            self._note_answer()
            raise StoreRefused(f"{self.location} refuses this: {reason(error)}", status) from None
        self._note_answer()
        return result

    def _note_answer(self) -> None:
        if self._breaker.has_failed and self._breaker.note_answer():
            logger.info("The object store %s answers again.", self.location)

    def _note_failure(self, error: Exception) -> None:
        if self._breaker.note_failure(AWAY_SECONDS):
            logger.warning(
                "The object store %s cannot be used: %s. It is tried again every %g s. This is logged once.",
                *(self.location, reason(error), AWAY_SECONDS),
            )

    def _made_store(self) -> Any:
        if self._store is None:
            self._store = connect(self.location, self._options, self._timeout)
        return self._store

    def _module(self) -> Any:
        return module_for(self.location)


def _stated(meta: Mapping[str, Any]) -> Stated:
    mtime_ns = int(meta["last_modified"].timestamp() * 1000) * 1_000_000
    return Stated(meta["path"], int(meta["size"]), mtime_ns, meta["e_tag"])


def _attributes(media_type: str | None, metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    attributes = dict(metadata or {})
    if media_type is not None:
        attributes["Content-Type"] = media_type
    return attributes or None


def _outside_of_greenlets(request: Callable[[], T]) -> T:
    """Return the result of *request*. Under gevent, it runs in a thread, so that other greenlets go on meanwhile."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return request()
    import gevent  # noqa: PLC0415

    def caught() -> tuple[T | None, Exception | None]:
        try:
            return request(), None
        except Exception as error:  # gevent would print an error that leaves its thread
            return None, error

    result, error = gevent.get_hub().threadpool.apply(caught)
    if error is not None:
        raise error
    return cast(T, result)
