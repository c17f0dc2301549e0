"""Originals in folders of this host: ``IMAGES_PATH``."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from ..errors import SourceNotFound
from . import Source


class LocalSources:
    """Finds files below *roots*, absolute folders, the first that has the file first."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(roots)

    def again(self, source: Source) -> Source:
        """*source* as it is now: itself, where nothing has changed. As `find` otherwise."""
        if source.root == self.roots[0]:
            with suppress(OSError):
                status = os.stat(source.path)
                if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
                    return source
        return self.find(source.ref)

    def find(self, ref: str) -> Source:
        """The source that the relative path *ref* names now.

        Costs one ``stat`` per folder. Whether a link leads out of the folder is asked when the file is opened.

        Raises:
            SourceNotFound: no regular file of that name, or a name that climbs out of the folders.
        """
        if os.path.isabs(ref) or ".." in ref.split("/") or "\0" in ref:
            raise SourceNotFound(ref, "not a path below IMAGES_PATH")
        for root in self.roots:
            path = os.path.join(root, ref)
            try:
                status = os.stat(path)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(status.st_mode):
                return Source(ref, root, path, status.st_size, status.st_mtime_ns)
        raise SourceNotFound(ref, f"no such file in IMAGES_PATH ({', '.join(self.roots) or 'which is empty'})")
