"""Open folders of links, and remove links, without following a symbolic link that somebody put in place of a folder."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NOT_OURS = {errno.ENOENT, errno.EINVAL, errno.ENOTDIR, errno.ELOOP, errno.ENOTEMPTY, errno.EEXIST}


@contextlib.contextmanager
def opened_folder(folder: str, name: str, *, make: bool = False) -> Iterator[int]:
    """Open the folder *name* in *folder*, and yield its descriptor. Neither of them may be a symbolic link.

    If *make* is set, missing folders are created, so that other users may enter them, but not list their files.

    Raises:
        OSError: If that is not possible.
    """
    if make:
        _make(folder)
    outer = os.open(folder, _FLAGS)
    try:
        if make:
            _make(name, outer)
        inner = os.open(name, _FLAGS, dir_fd=outer)
    finally:
        os.close(outer)
    try:
        yield inner
    finally:
        os.close(inner)


def remove_links(folder: str, name: str, unwanted: Callable[[str], bool] = lambda link: True) -> None:
    """Remove the links in the folder *name* in *folder* that *unwanted* returns true for.

    If the folder is empty then, it is removed too. Missing and foreign files are no errors: they stay as they are.

    Raises:
        OSError: If a link cannot be removed.
    """
    with passing_over_others():
        with opened_folder(folder, name) as descriptor:
            for link in filter(unwanted, os.listdir(descriptor)):
                with passing_over_others():
                    os.readlink(link, dir_fd=descriptor)
                    os.unlink(link, dir_fd=descriptor)
        os.rmdir(os.path.join(folder, name))


def names_in(folder: str) -> list[str]:
    """Return the names of the files in *folder*, none if there is no such folder.

    Raises:
        OSError: If it cannot be listed.
    """
    with passing_over_others():
        return os.listdir(folder)
    return []


@contextlib.contextmanager
def passing_over_others() -> Iterator[None]:
    """End the block at a file that is missing, or is not what this package would have put there."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise


def _make(folder: str, parent: int | None = None) -> None:
    """Create *folder*, which may be relative to the descriptor *parent*, unless it exists."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o711, dir_fd=parent)
        os.chmod(folder, 0o711, dir_fd=parent)  # noqa: S103 (mkdir heeds the umask; nginx is another user)
