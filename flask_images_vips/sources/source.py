"""Define a source: one version of an original file, which can be opened safely."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import SourceChanged, SourceNotFound
from ..system_errors import cause, is_passing, passing_errors_are_busy
from .links import is_inside

# Some flags do not exist on Windows, which has neither FIFOs nor POSIX symlinks.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

# A folder that may be entered but not listed can be opened by its path alone.
_FOLDER_FLAGS = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
# A part of the path is gone, has become a link, or is no link any more.
_REPLACED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL}

# What older versions of this package rendered wrongly, by the extension of the source. The words are part of the cache
# keys, so that everything made of such sources is made again. The others keep their keys.
_MENDED = {
    "avif": "upright, in sRGB",
    "webp": "without a halo",
    "tif": "without foreign samples",
    "tiff": "without foreign samples",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one original file.

    *ref* is the path or URL that was asked for, *path* is the path of the file, which may lead through links, and
    *root* is the folder that the file must be in, without links. The version consists of *size_bytes* and *mtime_ns*,
    but not of the *inode*, so that a copy of the file on another host is the same source. If *content* is set, this
    digest of the file's bytes is the version instead.
    """

    ref: str
    root: str
    path: str
    size_bytes: int
    mtime_ns: int
    content: str | None = None
    inode: int = field(default=0, compare=False)

    @property
    def identity(self) -> str:
        """A string that identifies this version of this source, on every host that has the same file.

        Different files may have the same name, size and time, so the folder counts too, unless the bytes are known.
        """
        version = self.content or f"{self.root}|{self.size_bytes}|{self.mtime_ns}"
        _, _, extension = self.ref.lower().rpartition(".")
        return "|".join([self.ref, version, *([_MENDED[extension]] if extension in _MENDED else [])])

    @property
    def mtime(self) -> int:
        """The modification time in whole seconds since 1970, for HTTP's Last-Modified."""
        return self.mtime_ns // 1_000_000_000

    @contextmanager
    def open(self) -> Iterator[int]:
        """Open the file and yield its descriptor. When the block ends, check that the file has not changed.

        A descriptor is used because libvips reads options from file names, such as ``cat.gif[n=-1]``.

        Raises:
            SourceNotFound: If the file may not be read, or is not a regular file.
            Busy: If it cannot be opened or read now, for example because this process has no descriptors left.
            SourceChanged: If the file is gone, is another version, changes during the block, or if a link on its path
                leads out of *root* since it was found. This error replaces an error of the block.
        """
        with passing_errors_are_busy(self.ref):
            descriptor = self._opened()
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

    def _opened(self) -> int:
        try:
            root = os.path.realpath(self.root)
            real = real_path_inside(self.path, root)
            if real is None:
                raise SourceChanged(self.ref, "a link on its path leads out of its folder since it was found")
            return _open_below(root, os.path.relpath(real, root))
        except OSError as error:
            if error.errno in _REPLACED:
                raise SourceChanged(self.ref, "gone since it was found") from None
            if is_passing(error):
                raise
            raise unreadable(self.ref, self.path, error) from None

    def _checked(self, descriptor: int) -> os.stat_result:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SourceNotFound(self.ref, "not a regular file")
        if (status.st_size, status.st_mtime_ns) != (self.size_bytes, self.mtime_ns):
            raise SourceChanged(self.ref, "not the version that was asked for")
        return status


def unreadable(ref: str, path: str, error: OSError) -> SourceNotFound:
    """Return the error for *path*, the file of the source *ref* or a folder above it, which *error* keeps us from."""
    if not isinstance(error, PermissionError):
        return SourceNotFound(ref, f"{path} cannot be read: {cause(error)}")
    user = f"runs as user {os.geteuid()}, who" if hasattr(os, "geteuid") else "runs as a user who"
    return SourceNotFound(ref, f"this process {user} may not read {path}. Change its owner or its mode")


def _open_below(root: str, path: str) -> int:
    """Open the file *path* in the folder *root* without following any link, also none that has just been made.

    Raises:
        OSError: If it cannot be opened. Its number is one of `_REPLACED` if a part of *path* is a link.
    """
    if os.open not in os.supports_dir_fd:  # Windows
        return os.open(os.path.join(root, path), _OPEN_FLAGS)
    *folders, name = path.split(os.sep)
    descriptor = os.open(root, _FOLDER_FLAGS)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER_FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        return os.open(name, _OPEN_FLAGS, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def real_path_inside(path: str, root: str) -> str | None:
    """Return *path* with all links resolved, or None if that is outside *root*."""
    real = os.path.realpath(path)
    return real if is_inside(real, os.path.realpath(root)) else None
