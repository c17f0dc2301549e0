"""Store uploads in a folder: whole or not at all, under a new name, and never through a link.

A file is written without a name and gets one when it is complete, so nothing is left of a process that is killed. Where
the file system cannot do that, it is written in a folder beside the others and moved.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from ..cache.folder import make_parents
from ..errors import NotStored
from ..sources.links import is_inside
from ..system_errors import cause

# Others may read a file if they know its name, such as nginx, which sends it. Nobody can run it.
_FOLDER_MODE, _FILE_MODE = 0o711, 0o644
_OPEN_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_NEW_FILE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_WITHOUT_NAME = getattr(os, "O_TMPFILE", 0)
_BY_DESCRIPTORS = {os.open, os.mkdir, os.unlink, os.link, os.rename} <= os.supports_dir_fd
_PARTIAL = ".partial"
_PIECE = 1 << 20


class UploadFolder:
    """The folder *parts* below the folder *root* of ``IMAGES_PATH``. Missing folders are created.

    *inside* returns the folders that links may lead into: see `LinkedFolders`. What a killed process has left in a
    folder of partial files is removed after *temp_max_age* seconds.
    """

    def __init__(self, root: str, parts: Sequence[str], inside: Sequence[str], temp_max_age: float) -> None:
        self.root = root
        self._parts = tuple(parts)
        self._inside = tuple(inside)
        self._temp_max_age = temp_max_age

    def store(self, folders: Sequence[str], name: str, file: BinaryIO, media_type: str) -> None:
        """Write the bytes of *file* to a new file *name* in *folders* below this one.

        Raises:
            NotStored: If that is not possible, also if there is such a file. Nothing is left.
        """
        del media_type  # the extension of the name says it
        try:
            with self._opened(folders) as folder:
                self._write(folder, name, file)
        except OSError as error:
            raise NotStored(f"An upload cannot be stored in {self._path(folders)}: {_cure(error)}") from error

    def remove(self, folders: Sequence[str], name: str) -> bool:
        """Remove the file *name* in *folders*, and return whether there was one.

        Raises:
            NotStored: If it cannot be removed.
        """
        try:
            with self._opened(folders, create=False) as folder:
                os.unlink(*folder.named(name), **folder.at)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise NotStored(f"{name} cannot be removed from {self._path(folders)}: {_cure(error)}") from error
        return True

    def _path(self, folders: Sequence[str]) -> str:
        return os.path.join(self.root, *self._parts, *folders)

    def _real(self) -> str:
        """Return this folder without links.

        Raises:
            NotStored: If a link leads out of all folders of ``IMAGES_PATH``.
        """
        path = os.path.join(self.root, *self._parts)
        real = os.path.realpath(path)
        if not any(is_inside(real, folder) for folder in (os.path.realpath(self.root), *self._inside)):
            raise NotStored(
                f"Uploads are not stored, because {path} leads to {real}, outside of IMAGES_PATH. If that is right, "
                f"add {real!r} to IMAGES_PATH and restart the application. If it is not, find out who made this link."
            )
        return real

    @contextmanager
    def _opened(self, folders: Sequence[str], *, create: bool = True) -> Iterator[_Open]:
        real = self._real()
        if create and not os.path.isdir(real):
            make_parents(os.path.join(real, "."), _FOLDER_MODE)
            os.chmod(real, _FOLDER_MODE)  # mkdir applies the umask
        if not _BY_DESCRIPTORS:  # Windows
            path = os.path.join(real, *folders)
            if create:
                os.makedirs(path, exist_ok=True)
            yield _Open(path, None)
            return
        # Each part is opened by itself, without following a link that may have been made a moment ago.
        top, *rest = [os.sep, *real.strip(os.sep).split(os.sep), *folders]
        descriptor = os.open(top, _OPEN_FOLDER)
        try:
            for number, part in enumerate(rest):
                if create and number >= len(rest) - len(folders):
                    _make_folder(part, descriptor)
                inner = os.open(part, _OPEN_FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield _Open(os.path.join(real, *folders), descriptor)
        finally:
            os.close(descriptor)

    def _write(self, folder: _Open, name: str, file: BinaryIO) -> None:
        if _WITHOUT_NAME and folder.descriptor is not None:
            with suppress(_NotSupported):
                _link_new(folder, name, file)
                return
        _move_new(folder, name, file, self._temp_max_age)


class _NotSupported(Exception):
    """The file system has no files without a name."""


class _Open:
    """An open folder. *descriptor* is None where the system has no functions that take one."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self._path = path
        self.descriptor = descriptor

    @property
    def at(self) -> dict[str, Any]:
        """The keyword for functions of `os` that take a name in this folder."""
        return {} if self.descriptor is None else {"dir_fd": self.descriptor}

    def named(self, *parts: str) -> tuple[str]:
        """Return the argument for functions of `os` that take a name in this folder."""
        return (os.path.join(*parts) if self.descriptor is not None else os.path.join(self._path, *parts),)


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        return
    with suppress(OSError, NotImplementedError):  # mkdir applies the umask
        os.chmod(name, _FOLDER_MODE, dir_fd=parent, follow_symlinks=True)


def _link_new(folder: _Open, name: str, file: BinaryIO) -> None:
    """Write a file without a name, and link it to *name*, which must be new."""
    assert folder.descriptor is not None
    try:
        descriptor = os.open(".", os.O_WRONLY | _WITHOUT_NAME | os.O_CLOEXEC, _FILE_MODE, dir_fd=folder.descriptor)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise _NotSupported from None
    try:
        _copy(file, descriptor)
        try:
            os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder.descriptor, follow_symlinks=True)
        except FileExistsError:
            raise
        except OSError:  # such as without /proc
            raise _NotSupported from None
    finally:
        os.close(descriptor)


def _move_new(folder: _Open, name: str, file: BinaryIO, temp_max_age: float) -> None:
    """Write a file in the folder of partial files, and move it to *name*."""
    with suppress(FileExistsError):
        os.mkdir(*folder.named(_PARTIAL), 0o700, **folder.at)
    _sweep(folder, temp_max_age)
    partial = folder.named(_PARTIAL, secrets.token_hex(16))
    descriptor = os.open(*partial, _NEW_FILE, 0o600, **folder.at)
    try:
        try:
            _copy(file, descriptor)
        finally:
            os.close(descriptor)
        both: dict[str, Any] = (
            {} if folder.descriptor is None else {"src_dir_fd": folder.descriptor, "dst_dir_fd": folder.descriptor}
        )
        os.rename(*partial, *folder.named(name), **both)
    except BaseException:
        with suppress(OSError):
            os.unlink(*partial, **folder.at)
        raise


def _sweep(folder: _Open, temp_max_age: float) -> None:
    """Remove partial files that killed processes have left."""
    oldest = time.time() - temp_max_age
    with suppress(OSError):
        descriptor = os.open(*folder.named(_PARTIAL), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0), **folder.at)
        try:
            for name in os.listdir(descriptor):
                if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mtime < oldest:
                    os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)


def _copy(file: BinaryIO, descriptor: int) -> None:
    """Copy *file* from its start to the disk, also the disk of a file server, which may be full."""
    file.seek(0)
    while piece := file.read(_PIECE):
        left = memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]
    if hasattr(os, "fchmod"):  # whatever the umask is
        os.fchmod(descriptor, _FILE_MODE)
    os.fsync(descriptor)


def _cure(error: OSError) -> str:
    """Return what the system says of *error*, and what to do."""
    hints = {
        "ENOSPC": "Make room on that disk",
        "EDQUOT": "Make room on that disk, or raise the quota of this user",
        "EFBIG": "Raise the limit on the size of files of this process",
        "EACCES": "Let the user of this process write there",
        "EPERM": "Let the user of this process write there",
        "EROFS": "Mount it so that it can be written, or set IMAGES_UPLOADS to another folder",
        "ELOOP": "A link is not followed there: replace it by a folder",
        "ENOTDIR": "A link or a file is not a folder: replace it by a folder",
    }
    hint = hints.get(errno.errorcode.get(error.errno or 0, ""))
    return f"{cause(error)}. {hint}." if hint else f"{cause(error)}."
