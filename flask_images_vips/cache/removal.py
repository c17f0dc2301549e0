"""Remove files from the folder of a cache: the entries of one folder, of all folders, or every trace of one.

Somebody may be writing an entry of the same folder meanwhile. `erase` is safe against that, if a tombstone was made
before. Whoever writes looks for it just before the file gets its final name. So there are three cases: the file has its
name already, and is removed with the folder; it has a temporary name, and is removed under that, so that it cannot be
renamed any more; or it is not begun yet, and the tombstone is found. It makes no difference if a process is killed in
between.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from .entry import is_owned_by, owners_of
from .eviction import SHARDS, files_below
from .folder import DEPENDENTS, TEMPORARY
from .room import Room


class Removed(NamedTuple):
    """The names of files that were removed, and their total size in bytes.

    *own* were in the folder, and *others* in other folders, but they depended on it. *unfinished* is the number of
    temporary files.
    """

    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    unfinished: int = 0
    size_bytes: int = 0


class Kept(NamedTuple):
    """An entry: when it was last read, in seconds since 1970, its size, and its path."""

    read: float
    size_bytes: int
    path: str


class Removal:
    """Removes files of the cache in *path*, whose space *room* counts."""

    def __init__(self, path: str, room: Room) -> None:
        self._path = path
        self._room = room

    def purge(self, folder: str) -> int:
        """Remove the entries in *folder*, and those that depend on it. Returns how many there were."""
        removed = self._removed_from(folder)
        return len(removed.own) + len(removed.others)

    def erase(self, folder: str) -> Removed:
        """Do as `purge`, and remove what is being written there too. Returns what was removed.

        Raises:
            OSError: If something cannot be removed.
        """
        unfinished = list(self._unfinished(folder))
        for path in unfinished:
            _unlink(path)
        removed = self._removed_from(folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._path, DEPENDENTS, folder))
        with contextlib.suppress(OSError):  # another process may be making it; it is not empty if it holds folders
            os.rmdir(self._folder(folder))
        return removed._replace(unfinished=len(unfinished))

    def erase_if(self, is_barred: Callable[[str], bool]) -> list[str]:
        """Do as `erase` with each folder for which *is_barred* returns True. Returns their names."""
        own = {folder for _, folders in self._shards() for folder in folders}
        barred = list(filter(is_barred, own.union(_listed(os.path.join(self._path, DEPENDENTS)))))
        for folder in barred:
            self.erase(folder)
        return barred

    def purge_all(self) -> int:
        """Remove all entries and return how many there were. Entries that are being written may remain."""
        removed = 0
        for shard, folders in self._shards():
            removed += sum(len(remove_files(self._folder(folder))) for folder in folders)
            self._room.recount(shard)
        return removed

    def set_aside(self) -> list[str]:
        """Take all entries out of the cache at once, however many there are. Returns the folders to delete afterwards.

        They are beside the temporary files, so what is left of them by a killed process is removed with these.

        Raises:
            OSError: If that is not possible.
        """
        aside = []
        for shard, _ in self._shards():
            path = os.path.join(self._path, shard)
            to = os.path.join(self._path, TEMPORARY, f".old-{shard}-{secrets.token_hex(8)}")
            try:
                os.rename(path, to)
            except FileNotFoundError:
                if os.path.lexists(path):
                    raise
                continue  # another process has done so
            aside.append(to)
            self._room.recount(shard)
        return aside

    def oldest_first(self, folders: Collection[str] | None) -> list[Kept]:
        """Return all entries, or those in *folders*, in the order in which they were last read."""
        found = (
            Kept(file.status.st_atime, file.status.st_size, file.path)
            for index in range(SHARDS)
            for file in files_below(os.path.join(self._path, f"{index:02x}"))
        )
        return sorted(kept for kept in found if folders is None or owners_of(kept.path)[0] in folders)

    def remove(self, entries: Iterable[Kept]) -> Iterator[Kept]:
        """Remove *entries*, and yield each that is removed.

        Raises:
            OSError: If one cannot be removed.
        """
        shards = set()
        try:
            for kept in entries:
                if _unlink(kept.path) is None:
                    continue
                folder = os.path.dirname(kept.path)
                shards.add(os.path.basename(os.path.dirname(folder)))
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # fails unless it is empty
                yield kept
        finally:
            for shard in sorted(shards):
                self._room.recount(shard)

    def _removed_from(self, folder: str) -> Removed:
        own = remove_files(self._folder(folder))
        others = self._remove_dependents(folder)
        for shard in {folder[:2] for folder in (folder, *others)} if own or others else ():
            self._room.recount(shard)
        names = tuple(name for found in others.values() for name in found)
        sizes = sum(own.values()) + sum(size for found in others.values() for size in found.values())
        return Removed(tuple(own), names, size_bytes=sizes)

    def _remove_dependents(self, folder: str) -> dict[str, dict[str, int]]:
        """Remove the entries of other folders that depend on *folder*. Returns the removed files of each."""
        try:
            os.lstat(os.path.join(self._path, DEPENDENTS, folder))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        removed = {}
        for _, folders in self._shards():
            for other in folders:
                found = remove_files(self._folder(other), owner=folder)
                if found:
                    removed[other] = found
        return removed

    def _unfinished(self, folder: str) -> Iterator[str]:
        temporary = os.path.join(self._path, TEMPORARY)
        for name in _listed(temporary):
            if folder in name:
                yield os.path.join(temporary, name)

    def _shards(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the name of each shard, and those of the folders in it."""
        for shard in (f"{index:02x}" for index in range(SHARDS)):
            folders = _listed(os.path.join(self._path, shard))
            if folders:
                yield shard, folders

    def _folder(self, folder: str) -> str:
        return os.path.join(self._path, folder[:2], folder)


def remove_files(folder: str, owner: str | None = None) -> dict[str, int]:
    """Remove the files in *folder*, then *folder* itself if it is empty. Returns the size of each, by its name.

    With *owner*, only those that depend on the folder of this name are removed.

    Raises:
        OSError: If one cannot be removed.
    """
    removed = {}
    for name in _listed(folder):
        path = os.path.join(folder, name)
        if (owner is None or is_owned_by(owner, name)) and not os.path.isdir(path):
            size = _unlink(path)
            if size is not None:
                removed[name] = size
    if removed:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # fails unless it is empty
    return removed


def names_in(folder: str) -> list[str]:
    """Return the names of what is in *folder*, none if it cannot be listed."""
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def _listed(folder: str) -> list[str]:
    """Return the names of what is in *folder*, none if it is missing.

    Raises:
        OSError: If it cannot be listed.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.listdir(folder)
    return []


def _unlink(path: str) -> int | None:
    """Remove a file and return its size in bytes, or None if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        size = os.lstat(path).st_size
        os.unlink(path)
        return size
    return None
