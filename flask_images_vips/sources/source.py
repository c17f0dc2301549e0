"""Where do originals come from? A source is a file on disk, at one version; each finder gives such files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import SourceChanged, SourceNotFound

# Missing on Windows, where there are neither FIFOs nor this kind of link in the way.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one original.

    *ref* is what it was asked for by, *root* the folder that it may not leave, *path* the file itself. The
    version is *size_bytes* and *mtime_ns*, not the inode: a copy of the file on another host is the same source. Where
    *content* is given, a text that stands for its bytes, it is the version instead.
    """

    ref: str
    root: str
    path: str
    size_bytes: int
    mtime_ns: int
    content: str | None = None

    @property
    def identity(self) -> str:
        """One text for this source at this version, equal on every host that has the same file."""
        return f"{self.ref}|{self.content or f'{self.size_bytes}|{self.mtime_ns}'}"

    @property
    def mtime(self) -> int:
        """The modification time in whole seconds since 1970, as HTTP's Last-Modified has it."""
        return self.mtime_ns // 1_000_000_000

    @contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of the file, at its beginning. Leaving the block checks that the file was not changed.

        A descriptor, since libvips reads options out of a name: ``cat.gif[n=-1]``.

        Raises:
            SourceNotFound: may not be read, not a regular file, or a link out of *root*.
            SourceChanged: gone before, or written to before or meanwhile; also where the block failed.
        """
        real = real_path_inside(self.path, self.root)
        if real is None:
            raise SourceNotFound(self.ref, "a link that leads out of its folder")
        try:
            descriptor = os.open(real, _OPEN_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceChanged(self.ref, "gone since it was found") from None
        except OSError as error:
            raise SourceNotFound(self.ref, error.strerror or str(error)) from None
        try:
            before = self._checked(descriptor)
            try:
                yield descriptor
            finally:
                # Also after a failure: a file that is half written is no broken one. To be removed or replaced sets the
                # time of change too, but what the descriptor reads stays this version.
                after = self._checked(descriptor)
                if after.st_ctime_ns != before.st_ctime_ns and after.st_nlink > 0:
                    raise SourceChanged(self.ref, "changed while it was read")
        finally:
            os.close(descriptor)

    def _checked(self, descriptor: int) -> os.stat_result:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceNotFound(self.ref, "not a regular file")
        if (status.st_size, status.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise SourceChanged(self.ref, "another version than was asked for")
        return status


def real_path_inside(path: str, root: str) -> str | None:
    """*path* without links, or None where that is not below *root*."""
    real, root = os.path.realpath(path), os.path.realpath(root)
    return real if os.path.commonpath((real, root)) == root else None
