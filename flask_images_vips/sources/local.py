"""Find originals in the folders of ``IMAGES_PATH``."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ..errors import SourceNotFound
from .source import SETTLED_SECONDS, Source, real_path_inside

_MAX_REMEMBERED = 4096


class LocalSources:
    """Finds files in *roots*, which are absolute folders. If several have the file, the first one is used.

    *on_same_version* is called with a source that was replaced by another that has the same version in URLs, although
    it was settled.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(roots)
        self.on_same_version: Callable[[Source], None] = lambda source: None
        self._found: dict[str, Source] = {}

    def again(self, source: Source) -> Source:
        """Find the current version of *source*. Returns *source* itself if nothing has changed.

        Raises:
            SourceNotFound: As in `find`.
        """
        if source.root == self.roots[0]:
            with suppress(OSError):
                status = os.stat(source.path)
                if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
                    return source
        found = self._looked_up(source.ref)
        return source if found == source else found

    def find(self, ref: str) -> Source:
        """Find the file with the relative path *ref*, at its current version.

        If it was found in the first folder before, this costs a single ``stat``.

        Raises:
            SourceNotFound: If there is no regular file of that name, or the name leads out of the folders.
        """
        last = self._found.get(ref)
        return self._looked_up(ref) if last is None else self.again(last)

    def _looked_up(self, ref: str) -> Source:
        if len(self._found) >= _MAX_REMEMBERED:
            self._found.clear()
        last = self._found.pop(ref, None)
        source = self._found[ref] = self._look_up(ref)
        if last is not None and _has_same_version(last, source) and time.time() > source.mtime + SETTLED_SECONDS:
            self.on_same_version(source)
        return source

    def _look_up(self, ref: str) -> Source:
        """Search all folders for *ref*.

        This costs one ``lstat`` per folder and per part of *ref*, and more only if one of the parts is a link. The
        target of a link that leads out of the folder is neither opened nor read.
        """
        if _climbs(ref):
            raise SourceNotFound(ref, "not a path inside IMAGES_PATH")
        for root in self.roots:
            with suppress(OSError, ValueError):  # ValueError: not a valid file name
                status = _status_inside(root, ref)
                if status is not None and stat.S_ISREG(status.st_mode):
                    return Source(ref, root, os.path.join(root, ref), status.st_size, status.st_mtime_ns)
        raise SourceNotFound(ref, f"no such file in IMAGES_PATH ({', '.join(self.roots) or 'which is empty'})")


def _has_same_version(last: Source, source: Source) -> bool:
    """Return whether two different sources have the same version in URLs."""
    return last != source and (last.content, last.mtime) == (source.content, source.mtime)


def _climbs(ref: str) -> bool:
    """Return whether *ref* could lead out of a folder even without a link.

    This includes names that do so only on some operating systems, or if a server percent-decodes them once more.
    """
    parts = ref.split("/")
    return (
        os.path.isabs(ref)
        or bool(os.path.splitdrive(ref)[0])
        or ".." in parts
        or "\0" in ref
        or "\\" in ref
        or "%2e" in ref.lower()
    )


def _status_inside(root: str, ref: str) -> os.stat_result | None:
    """Return the status of the file *ref* in *root*, or None if a link on the way leads out of *root*."""
    path = root
    for part in ref.split("/"):
        path = os.path.join(path, part)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            real = real_path_inside(os.path.join(root, ref), root)
            return None if real is None else os.lstat(real)
    return status


class HashedSources(LocalSources):
    """Finds files as `LocalSources` does, but a file's version is what *digest* returns, not its size and time.

    So a deployment that copies unchanged files again does not change their versions.
    """

    def __init__(self, roots: Sequence[str], digest: Callable[[Source], str]) -> None:
        super().__init__(roots)
        self._digest = digest

    def _look_up(self, ref: str) -> Source:
        source = super()._look_up(ref)
        return replace(source, content=self._digest(source))
