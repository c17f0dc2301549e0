"""Share tombstones with other hosts, also with those that come later.

They lie in a place that all hosts reach, with the key that they are made with. Each host has a copy of them on its
disk, so that nobody waits for the place when an image is requested. Besides, it has tombstones of its own: of what it
has forgotten by itself, or what it was told to forget.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from typing import Protocol

from .tombstones import KEY_BYTES, Tombstones, is_hashed, new_key

_KEY = "key"
_VALUE = b"forgotten"
_MARK_BYTES = 8


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
    """The tombstones in *folder*, with a copy of those in *place*. *optional* is as in `Tombstones`.

    A place may lose them, as Redis does without a disk. So the value of its key ends in random bytes, which tell
    whether it is still the same place. If it is a new one, each host brings what it has. If it is the same, what is
    missing there was allowed again.
    """

    def __init__(self, folder: str, place: Place, *, optional: bool = False) -> None:
        super().__init__(folder, optional=optional)
        self._place = place
        self._copy = Tombstones(os.path.join(folder, "shared"))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._copy

    def may_have_any(self) -> bool:
        return super().may_have_any() or self._copy.may_have_any()

    def add(self, name: str) -> bool:
        # With the same key, this host can bring its own tombstones to a place that has lost them.
        if self.key() is None and (key := self._copy.key()) is not None:
            self.adopt(key)
        return super().add(name)

    def remove(self, name: str) -> bool:
        return any([super().remove(name), self._copy.remove(name)])

    def share(self, name: str) -> None:
        self._join(begins=True)
        self._place.create(str(self._copy.hashed(name)), _VALUE)  # first: the disk of this host may be full
        self._copy.add(name)

    def unshare(self, name: str) -> None:
        self._join()
        hashed = self._copy.hashed(name)
        if hashed is not None:
            self._place.delete(hashed)

    def meet(self) -> None:
        if self._copy.key() is None:
            self._join()

    def sync(self) -> bool:
        if not self._join():
            return False
        ours = self._copy.all_hashed()
        theirs = set(filter(is_hashed, self._place.names()))
        new = theirs - ours
        for hashed in new:
            self._copy.add_hashed(hashed)
        for hashed in ours - theirs:  # allowed again
            self._copy.remove_hashed(hashed)
        return bool(new - self._own_hashed())

    def _join(self, *, begins: bool = False) -> bool:
        """Use the key of the place for the copy, and bring what a new place lacks.

        Returns False if there is no key yet. With *begins*, one is made.

        Raises:
            OSError: If the copy is of another place. It is in force nevertheless.
        """
        key, mark = self._key_of_place(begins=begins)
        if not key:
            return False
        if self._copy.key() is None:
            self._copy.adopt(key)
        if self._copy.key() != key:
            raise OSError(f"{self._copy.folder} is a copy of other tombstones; delete it if they are not needed")
        if mark != self._known_mark():
            for hashed in self._copy.all_hashed() | self._own_hashed():
                self._place.create(hashed, _VALUE)
            with open(self._mark_path, "wb") as file:
                file.write(mark)
        return True

    def _key_of_place(self, *, begins: bool) -> tuple[bytes, bytes]:
        """Return the key of the place and its mark. A place without a key gets ours, if there is one."""
        found = self._place.get(_KEY)
        if found is None:
            ours = self._copy.key() or self.key() or (new_key() if begins else b"")
            if ours:
                self._place.create(_KEY, ours + secrets.token_bytes(_MARK_BYTES))
                found = self._place.get(_KEY)  # of whoever was first
        return (found or b"")[:KEY_BYTES], (found or b"")[KEY_BYTES:]

    def _own_hashed(self) -> set[str]:
        """Return the file names of the tombstones of this host alone that the place could have too."""
        return self.all_hashed() if self.key() == self._copy.key() else set()

    @property
    def _mark_path(self) -> str:
        return os.path.join(self._copy.folder, "mark")

    def _known_mark(self) -> bytes | None:
        """Return the mark of the place that this is a copy of. None if that is not known."""
        try:
            with open(self._mark_path, "rb") as file:
                return file.read(_MARK_BYTES)
        except FileNotFoundError:
            return None
