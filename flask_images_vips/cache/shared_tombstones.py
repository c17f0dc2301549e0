"""Share tombstones with other hosts, also with those that come later.

They lie in a place that all hosts reach, with the key that they are made with. Each host has a copy of them on its
disk, so that nobody waits for the place when an image is requested. Besides, it has tombstones of its own: of what it
has forgotten by itself, or what it was told to forget.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

from .tombstones import Tombstones, is_hashed, new_key

_KEY = "key"
_VALUE = b"forgotten"


class Place(Protocol):
    """A place for small named values, which all hosts reach. Methods raise `OSError`, or another error of the place."""

    def get(self, name: str) -> bytes | None:
        """Return the value of *name*, or None."""
        ...

    def create(self, name: str, value: bytes) -> bool:
        """Store *value*, unless there is one. Returns whether there was none."""
        ...

    def names(self) -> Iterable[str]:
        """Return the names of all values."""
        ...

    def delete(self, name: str) -> None:
        """Remove a value, if there is one."""
        ...


class SharedTombstones(Tombstones):
    """The tombstones in *folder*, with a copy of those in *place*. *optional* is as in `Tombstones`."""

    def __init__(self, folder: str, place: Place, *, optional: bool = False) -> None:
        super().__init__(folder, optional=optional)
        self._place = place
        self._copy = Tombstones(os.path.join(folder, "shared"))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._copy

    def may_have_any(self) -> bool:
        return super().may_have_any() or self._copy.may_have_any()

    def remove(self, name: str) -> bool:
        return any([super().remove(name), self._copy.remove(name)])

    def share(self, name: str) -> None:
        if self._copy.key() is None:
            self._place.create(_KEY, self.key() or new_key())
            self._copy_key()
        self._copy.add(name)
        self._place.create(str(self._copy.hashed(name)), _VALUE)

    def unshare(self, name: str) -> None:
        self._copy_key()
        hashed = self._copy.hashed(name)
        if hashed is not None:
            self._place.delete(hashed)

    def sync(self) -> bool:
        if self._place.get(_KEY) is None:
            self._restore()
        self._copy_key()
        theirs, ours = set(filter(is_hashed, self._place.names())), self._copy.all_hashed()
        for hashed in theirs - ours:
            self._copy.add_hashed(hashed)
        for hashed in ours - theirs:  # allowed again
            self._copy.remove_hashed(hashed)
        return bool(theirs - ours)

    def _restore(self) -> None:
        """Put the tombstones of this host into an empty place, which has lost them, or is new."""
        source = self._copy if self._copy.key() is not None else self
        key = source.key()
        if key is not None and self._place.create(_KEY, key):
            for hashed in source.all_hashed():
                self._place.create(hashed, _VALUE)

    def _copy_key(self) -> None:
        """Use the key of the place for the copy.

        Raises:
            OSError: If the copy is of another place. It is in force nevertheless.
        """
        key = self._place.get(_KEY)
        if key is None:
            return
        if self._copy.key() is None:
            self._copy.adopt(key)
        if self._copy.key() != key:
            raise OSError(f"{self._copy.folder} is a copy of other tombstones; delete it if they are not needed")
