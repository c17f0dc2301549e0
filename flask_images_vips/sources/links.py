"""Decide which symbolic links in the folders of ``IMAGES_PATH`` may be followed."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, islice

from ..system_errors import is_passing, is_shortage

logger = logging.getLogger("flask_images_vips")

_MAX_ENTRIES = 100_000  # files and folders to look at for links at the start, which takes some tenths of a second
_MAX_WARNINGS = 100


class LinkedFolders:
    """The folders that links in *roots* may lead into: *roots* and, with *follow*, the targets of the links there now.

    Links that are made later cannot open another folder.
    """

    def __init__(self, roots: Sequence[str], *, follow: bool) -> None:
        self._roots = tuple(roots)
        self._real: dict[str, tuple[tuple[int, ...], str]] = {}
        self._linked: tuple[str, ...] | None = None if follow else ()
        self._warned: set[str] = set()
        with suppress(OSError):  # it is tried again when the first link is met
            self._targets()

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders that links may lead into, without links.

        Raises:
            OSError: If they cannot be read at the moment.
        """
        return (*self._real_roots(), *self._targets())

    def folder_of(self, root: str, ref: str, real: str) -> str | None:
        """Return the folder that the file *ref* of *root* lies in, without links, or None if it may not be used.

        *real* is its path without links. If a link leads out of all folders, this is logged once.

        Raises:
            OSError: If the folders cannot be read at the moment.
        """
        folders = self.folders
        folder = _containing(real, folders)
        if folder is None:
            paths = accumulate(ref.split("/"), os.path.join, initial=root)
            self._warn(next(path for path in paths if _containing(os.path.realpath(path), folders) is None))
        return folder

    def real(self, root: str) -> str:
        """Return *root* without links. This costs one ``stat`` unless it has changed.

        The configuration trusts such a link, so it may lead elsewhere at any time, for example by a deployment.

        Raises:
            OSError: If it cannot be read at the moment.
        """
        try:
            status = os.stat(root)
        except OSError:  # it may be made later
            return real_path(root)
        state = status.st_dev, status.st_ino, status.st_ctime_ns
        known, real = self._real.get(root, (None, ""))
        if known != state:
            real = real_path(root)
            self._real[root] = state, real
        return real

    def _real_roots(self) -> tuple[str, ...]:
        return tuple(map(self.real, self._roots))

    def _targets(self) -> tuple[str, ...]:
        if self._linked is None:
            self._linked = _linked_folders(self._real_roots())
        return self._linked

    def _warn(self, link: str) -> None:
        if link in self._warned or len(self._warned) >= _MAX_WARNINGS:
            return
        self._warned.add(link)
        target = os.path.realpath(link)
        logger.warning(
            "The link %s leads to %s, outside of IMAGES_PATH, so it is not followed. If its images should be served, "
            "add %r to IMAGES_PATH. This is logged once.",
            *(link, target, target if os.path.isdir(target) else os.path.dirname(target)),
        )


def real_path(path: str) -> str:
    """Return *path* without links.

    Raises:
        OSError: If a link cannot be read at the moment. A part that is missing is no error.
    """
    try:
        return os.path.realpath(path, strict=True)
    except OSError as error:
        if is_passing(error):
            raise
        return os.path.realpath(path)


def _containing(real: str, folders: Sequence[str]) -> str | None:
    return next((folder for folder in folders if is_inside(real, folder)), None)


def is_inside(real: str, folder: str) -> bool:
    """Return whether the path *real* is *folder* or in it. Both must be without links."""
    with suppress(ValueError):  # on another drive of Windows
        return os.path.commonpath((real, folder)) == folder
    return False


def _linked_folders(roots: Sequence[str]) -> tuple[str, ...]:
    """Return the folders outside of *roots* that links in *roots* lead to, also by way of another such folder.

    Links to folders above *roots* are left out: they would open the application's own files.

    Raises:
        OSError: If this process or the host has no descriptors or no memory left.
    """
    found: list[str] = []
    waiting = deque(dict.fromkeys(roots))
    for entry in islice(_entries(waiting), _MAX_ENTRIES):
        with _ignoring_bad_folders():  # such as a link to itself
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_symlink() and entry.is_dir():
                real = os.path.realpath(entry.path)
                if _containing(real, (*roots, *found)) is None and not any(is_inside(root, real) for root in roots):
                    found.append(real)
                    waiting.append(real)
    if waiting:
        logger.warning(
            "IMAGES_PATH has more than %d files and folders, so links in its deeper folders are not followed. Add the "
            "folders that they lead to. They are below: %s",
            *(_MAX_ENTRIES, ", ".join(roots)),
        )
    return tuple(found)


def _entries(waiting: deque[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of the folders *waiting*, which are removed. Folders that cannot be listed have none."""
    while waiting:
        with _ignoring_bad_folders(), os.scandir(waiting.popleft()) as entries:
            yield from entries


@contextmanager
def _ignoring_bad_folders() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_shortage(error):
            raise
