"""Store uploads in an object store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from ..errors import NotStored
from ..stores.store import ObjectStore, StoreFailed


class UploadStore:
    """The folder *parts* below the place of *store*."""

    def __init__(self, store: ObjectStore, parts: Sequence[str]) -> None:
        self._store = store
        self._parts = tuple(parts)

    def store(self, folders: Sequence[str], name: str, file: BinaryIO, media_type: str) -> None:
        """Write the bytes of *file* to a new object *name* in *folders* below this one.

        Raises:
            NotStored: If that is not possible, also if there is such an object. Nothing is left, unless the store does
                not answer any more.
        """
        file.seek(0)
        path = self._path(folders, name)
        try:
            is_new = self._store.create(path, file.read(), media_type=media_type)
        except StoreFailed as error:
            with suppress(StoreFailed):  # the store may have done it, and its answer was lost
                self._store.delete([path])
            raise NotStored(f"An upload cannot be stored: {error}. Try again once the store answers.") from error
        if not is_new:
            raise NotStored(f"An upload cannot be stored: there is already {path} in {self._store.location}.")

    def remove(self, folders: Sequence[str], name: str) -> bool:
        """Remove the object *name* in *folders*. Returns True also if there was none: stores do not tell.

        Raises:
            NotStored: If it cannot be removed.
        """
        try:
            self._store.delete([self._path(folders, name)])
        except StoreFailed as error:
            raise NotStored(f"{name} cannot be removed: {error}. Try again once the store answers.") from error
        return True

    def _path(self, folders: Sequence[str], name: str) -> str:
        return "/".join([*self._parts, *folders, name])
