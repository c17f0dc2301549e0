"""Originals in folders of this host: ``IMAGES_PATH``."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ..errors import SourceNotFound
from .source import Source, real_path_inside

_REMEMBERED = 4096


class LocalSources:
    """Finds files below *roots*, absolute folders, the first that has the file first."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(roots)
        self._found: dict[str, Source] = {}

    def again(self, source: Source) -> Source:
        """*source* as it is now: itself, where nothing has changed. As `find` otherwise."""
        if source.root == self.roots[0]:
            with suppress(OSError):
                status = os.stat(source.path)
                if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
                    return source
        found = self._looked_up(source.ref)
        return source if found == source else found

    def find(self, ref: str) -> Source:
        """The source that the relative path *ref* names now. Costs one ``stat`` where the first folder had it before.

        Raises:
            SourceNotFound: no regular file of that name, or a name that climbs out of the folders.
        """
        last = self._found.get(ref)
        return self._looked_up(ref) if last is None else self.again(last)

    def _looked_up(self, ref: str) -> Source:
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found.pop(ref, None)
        source = self._found[ref] = self._look_up(ref)
        return source

    def _look_up(self, ref: str) -> Source:
        """As `find`, from the beginning.

        Costs one ``lstat`` per folder and part of *ref*, and more only where one of them is a link. Nothing is asked
        of a file that a link out of the folder leads to.
        """
        if _climbs(ref):
            raise SourceNotFound(ref, "not a path below IMAGES_PATH")
        for root in self.roots:
            with suppress(OSError, ValueError):  # ValueError: a name that no file can have
                status = _status_inside(root, ref)
                if status is not None and stat.S_ISREG(status.st_mode):
                    return Source(ref, root, os.path.join(root, ref), status.st_size, status.st_mtime_ns)
        raise SourceNotFound(ref, f"no such file in IMAGES_PATH ({', '.join(self.roots) or 'which is empty'})")


def _climbs(ref: str) -> bool:
    """Whether *ref* may lead out of a folder without a link, on some system or to one that decodes it once more."""
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
    """The status of the file *ref* below *root*, or None where a link on the way leads out of *root*."""
    path = root
    for part in ref.split("/"):
        path = os.path.join(path, part)
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            real = real_path_inside(os.path.join(root, ref), root)
            return None if real is None else os.lstat(real)
    return status


class HashedSources(LocalSources):
    """As `LocalSources`, with versions that follow from what the files hold: *digest* gives a text for that.

    Copied anew by a deployment, a file that holds the same bytes is the same source.
    """

    def __init__(self, roots: Sequence[str], digest: Callable[[Source], str]) -> None:
        super().__init__(roots)
        self._digest = digest

    def _look_up(self, ref: str) -> Source:
        source = super()._look_up(ref)
        return replace(source, content=self._digest(source))
