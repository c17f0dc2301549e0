"""Replace an entry with a smaller file of the same meaning, such as a better compressed image.

This happens at most once per entry. It is the only exception to the rule that entries never change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from .folder import Folder
from .notices import Loss

_MAX_REMEMBERED = 4096
# What a file system answers that cannot sync. Other errors mean that data has been lost.
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EROFS}


class SmallerFiles:
    """Replaces files of *folder* with smaller ones, and marks each file that it has dealt with as final.

    A final file is read-only. The mark needs no storage of its own, and disappears with the file. If the file system
    does not set it, each process remembers by itself which files are final.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._unmarked: set[tuple[str, int]] = set()

    def is_final(self, path: str) -> bool | None:
        """Return whether the file at *path* is final; None if there is no file."""
        with contextlib.suppress(OSError):
            status = os.stat(path)
            return not status.st_mode & stat.S_IWUSR or (path, status.st_ino) in self._unmarked
        return None

    def replace(self, path: str, data: bytes | None, admits: Callable[[int], bool]) -> int:
        """Replace the file at *path* with *data* if that is smaller. Either way, make the file final.

        If the folder cannot be used, or smaller *data* cannot be stored, nothing changes. Returns the number of bytes
        saved. If the file is gone, it is not recreated, and the result is 0. The modification time stays the same.
        Readers that have opened the old file can read it to its end.
        """
        if not self._folder.usable():
            return 0
        try:
            size = os.stat(path).st_size
            if data is None or len(data) >= size:
                self._folder.make_read_only(path)
                self._remember(path)
                return 0

            def fill(file: BinaryIO) -> int:
                file.write(data)
                file.flush()
                self._sync(file)
                return os.stat(path).st_mtime_ns  # fails if the entry was evicted meanwhile

            stored = self._folder.write(path, fill, admits=admits, in_use=True, read_only=True)
            self._remember(path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            self._folder.warn("written", error)
            return 0
        return size - len(data) if stored else 0

    def _remember(self, path: str) -> None:
        """Remember that the file at *path* is final, if it has no mark."""
        status = os.stat(path)
        if status.st_mode & stat.S_IWUSR:
            if len(self._unmarked) >= _MAX_REMEMBERED:
                self._unmarked.clear()
            self._unmarked.add((path, status.st_ino))

    def _sync(self, file: BinaryIO) -> None:
        """Write *file* to the disk: nginx may send it through a link, without checking that it is complete.

        Raises:
            OSError: If it cannot be written, unless the file system does not support this at all.
        """
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
            self._folder.notices.lose(Loss.SYNC, error)
