"""Originals in folders of this host: ``IMAGES_PATH``."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from ..errors import SourceNotFound
from . import Source


class LocalSources:
    """Finds files below *roots*, absolute folders, the first that has the file first."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(roots)

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
