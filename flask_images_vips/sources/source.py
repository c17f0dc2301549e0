"""Define a source: one version of an original file, which can be opened safely."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Busy, SourceChanged, SourceNotFound

SETTLED_SECONDS = 2
"""The age at which a source is called settled.

A version in a URL is a modification time in whole seconds, so a newer file may still change without getting another
version.
"""

# Some flags do not exist on Windows, which has neither FIFOs nor POSIX symlinks.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

# Errors that say nothing about the file. ESTALE does not exist on Windows.
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, getattr(errno, "ESTALE", None)}


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one original file.

    *ref* is the path or URL that was asked for, *path* is the path of the file, and *root* is the folder that the file
    must be in. The version consists of *size_bytes* and *mtime_ns*, but not of the inode, so that a copy of the file on
    another host is the same source. If *content* is set, this digest of the file's bytes is the version instead.
    """

    ref: str
    root: str
    path: str
    size_bytes: int
    mtime_ns: int
    content: str | None = None

    @property
    def identity(self) -> str:
        """A string that identifies this version of this source, on every host that has the same file."""
        version = self.content or f"{self.size_bytes}|{self.mtime_ns}"
        # Older versions of this package applied the EXIF orientation of AVIF files, so what they cached may be turned
        # wrongly. The suffix changes the cache keys, so that it is made again.
        return f"{self.ref}|{version}|upright" if self.ref.lower().endswith(".avif") else f"{self.ref}|{version}"

    @property
    def mtime(self) -> int:
        """The modification time in whole seconds since 1970, for HTTP's Last-Modified."""
        return self.mtime_ns // 1_000_000_000

    @contextmanager
    def open(self) -> Iterator[int]:
        """Open the file and yield its descriptor. When the block ends, check that the file has not changed.

        A descriptor is used because libvips reads options from file names, such as ``cat.gif[n=-1]``.

        Raises:
            SourceNotFound: If the file may not be read, is not a regular file, or is a link out of *root*.
            Busy: If it cannot be opened at the moment, for example because this process has no descriptors left.
            SourceChanged: If the file is gone, is another version, or changes during the block. This error replaces an
                error of the block.
        """
        real = real_path_inside(self.path, self.root)
        if real is None:
            raise SourceNotFound(self.ref, "a link that leads out of its folder")
        try:
            descriptor = os.open(real, _OPEN_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceChanged(self.ref, "gone since it was found") from None
        except OSError as error:
            if error.errno in _PASSING:
                raise Busy(f"{self.ref!r} cannot be opened now: {error.strerror}") from None
            raise SourceNotFound(self.ref, error.strerror or str(error)) from None
        try:
            before = self._checked(descriptor)
            try:
                yield descriptor
            finally:
                # Check after an error, too: the file may only look broken because it is being written. Removing or
                # replacing the file also sets its change time, but then the descriptor still reads the old version,
                # which has no name any more.
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
            raise SourceChanged(self.ref, "not the version that was asked for")
        return status


def real_path_inside(path: str, root: str) -> str | None:
    """Return *path* with all links resolved, or None if that is outside *root*."""
    real, root = os.path.realpath(path), os.path.realpath(root)
    return real if os.path.commonpath((real, root)) == root else None
