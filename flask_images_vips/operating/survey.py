"""Look at all files of a cache folder: how many there are of each kind, their sizes, the oldest and the biggest.

Files of the cache are named by digests, so the name of a source is found by the digests of the names that are known.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from ..formats import STORED
from ..rendition import source_folder

STORES = {"copies": "copies", "remote": "remote sources", "objects": "store sources"}
"""The caches in the folder of the cache, and what they hold."""

RENDITIONS, FACTS = "renditions", "facts"
_FORMAT_OF = {format.suffix: format.name for format in STORED}
_MAX_FILES = 100_000  # of the folders with sources, whose names are compared


@dataclass(slots=True)
class Size:
    """A number of *files*, and their size together."""

    files: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.files += 1
        self.size_bytes += size_bytes


@dataclass(frozen=True, slots=True)
class File:
    """A rendition at *path*. *folder* is that of its source, and *read_at* when it was last read, since 1970."""

    path: str
    folder: str
    size_bytes: int
    read_at: float


@dataclass(slots=True)
class Survey:
    """What is in a cache folder. *by_folder* has the renditions of each source, by the digest of its name."""

    kinds: dict[str, Size] = field(default_factory=dict)
    by_format: dict[str, Size] = field(default_factory=dict)
    by_folder: dict[str, Size] = field(default_factory=dict)
    oldest: list[File] = field(default_factory=list)
    biggest: list[File] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(size.size_bytes for size in self.kinds.values())


def survey(folder: str, most: int) -> Survey:
    """Look at the cache in *folder*, and name at most *most* files that are the oldest or the biggest.

    Raises:
        OSError: If the folder cannot be listed.
    """
    os.listdir(folder)
    found = Survey({kind: Size() for kind in (RENDITIONS, *STORES.values(), FACTS)})
    for store, kind in STORES.items():
        for file in _files(os.path.join(folder, store)):
            found.kinds[kind].add(file.size_bytes)
    renditions = (file for file in _files(folder) if _is_rendition(file, found))
    files = list(renditions)
    found.oldest = heapq.nsmallest(most, files, key=lambda file: file.read_at)
    found.biggest = heapq.nlargest(most, files, key=lambda file: file.size_bytes)
    return found


def _is_rendition(file: File, found: Survey) -> bool:
    """Count *file* in *found*. Return whether it is a rendition."""
    format = _FORMAT_OF.get(os.path.splitext(file.path)[1])
    found.kinds[FACTS if format is None else RENDITIONS].add(file.size_bytes)
    if format is None:
        return False
    found.by_format.setdefault(format, Size()).add(file.size_bytes)
    found.by_folder.setdefault(file.folder, Size()).add(file.size_bytes)
    return True


def _files(folder: str) -> Iterator[File]:
    """Yield the files of the cache *folder*."""
    for shard in _entries(folder):
        if len(shard.name) == 2:
            for source in _entries(shard.path):
                for file in _entries(source.path):
                    with suppress(OSError):  # evicted meanwhile
                        status = file.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            yield File(file.path, source.name, status.st_size, status.st_atime)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def names_of(folders: Iterable[str], known: Iterable[str], roots: Iterable[str]) -> dict[str, str]:
    """Return the sources of the digests *folders*, as far as they can be found.

    Names that are *known* are compared first, and then the files in *roots*, the folders with local sources.
    """
    wanted, names = set(folders), {}
    for ref in (*known, *islice(_refs(roots), _MAX_FILES)):
        if not wanted:
            break
        folder = source_folder(ref)
        if folder in wanted:
            wanted.remove(folder)
            names[folder] = ref
    return names


def _refs(roots: Iterable[str]) -> Iterator[str]:
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
