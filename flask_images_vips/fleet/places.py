"""Keep small named values where all hosts reach them: in an object store, or in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..stores.store import ObjectStore, StoreFailed
from .connection import RedisConnection


class StorePlace:
    """The objects of *store* below the folder *folder*: a `Place`."""

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self._store = store
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        with as_os_errors():
            found = self._store.get(f"{self._folder}/{name}")
        return None if found is None else found.data

    def create(self, name: str, value: bytes) -> bool:
        with as_os_errors():
            return self._store.create(f"{self._folder}/{name}", value)

    def names(self) -> Iterable[str]:
        with as_os_errors():
            return [each.path.rpartition("/")[2] for each in self._store.list(self._folder)]

    def delete(self, name: str) -> None:
        with as_os_errors():
            self._store.delete([f"{self._folder}/{name}"])


class RedisPlace:
    """The fields of a hash in Redis: a `Place`. If Redis is away, its methods raise `RedisFailed`."""

    def __init__(self, connection: RedisConnection, key: str) -> None:
        self._connection = connection
        self._key = connection.key(key)

    def get(self, name: str) -> bytes | None:
        found: bytes | None = self._connection.run(lambda client: client.hget(self._key, name))
        return found

    def create(self, name: str, value: bytes) -> bool:
        return bool(self._connection.run(lambda client: client.hsetnx(self._key, name, value)))

    def names(self) -> Iterable[str]:
        return [
            name.decode("ascii", "replace") for name in self._connection.run(lambda client: client.hkeys(self._key))
        ]

    def delete(self, name: str) -> None:
        self._connection.run(lambda client: client.hdel(self._key, name))


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise an `OSError` if a store fails in the block, for callers that know only files."""
    try:
        yield
    except StoreFailed as error:
        raise OSError(str(error)) from None
