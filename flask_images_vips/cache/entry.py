"""Define cache entries, and the keys that they are stored under."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import Busy
from ..system_errors import cause

Key = tuple[str, str]
"""The folder and the file of an entry, both safe file names. Entries that belong together share a folder.

The folder name starts with two hexadecimal digits, which choose the entry's shard. An entry may depend on other
folders too, see `owners_of`.
"""

# O_NONBLOCK: opening a FIFO would wait for a writer.
_READ_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

OWNER = "~"
"""Precedes the name of each further folder in the name of a file that depends on it."""


def owners_of(path: str) -> tuple[str, ...]:
    """Return the names of the folders that the entry at *path* depends on: its own first.

    The others are named in its file name, before the suffix, as in ``c0ffee~5a5a.jpg``. The entry is removed with any
    of them.
    """
    folder, file = os.path.split(path)
    return (os.path.basename(folder), *_others(file))


def is_owned_by(folder: str, file: str) -> bool:
    """Return whether the file called *file*, in another folder, depends on *folder*."""
    return folder in _others(file)


def _others(file: str) -> list[str]:
    return file.partition(".")[0].split(OWNER)[1:]


@dataclass(slots=True)
class Entry:
    """A stored result, or one that could not be stored. Use it in a ``with`` block, which closes its file.

    The file is already open, so it can be read even if the entry is evicted. *mtime* is the entry's modification time,
    in whole seconds since 1970. *path* is None if nothing was stored. *data* is the content, if it is in memory, and
    *descriptor* is the open file.
    """

    size_bytes: int
    mtime: int
    path: str | None = None
    data: bytes | None = None
    descriptor: int | None = None

    def read(self) -> bytes:
        """Return the whole content. The content stays in memory, so you can call this again.

        Raises:
            Busy: If the file cannot be read. It is removed, so that it is made again.
        """
        if self.data is None:
            try:
                self.data = self._read()
            except OSError as error:
                self.discard()
                raise Busy(f"{self.path} cannot be read, and is removed: {cause(error)}") from error
        return self.data

    def _read(self) -> bytes:
        data = os.read(self.fileno(), self.size_bytes)
        while len(data) < self.size_bytes and (more := os.read(self.fileno(), self.size_bytes - len(data))):
            data += more
        return data

    def discard(self) -> None:
        """Remove the file, because its content is damaged. It is made again when it is needed."""
        if self.path is not None:
            with suppress(OSError):
                os.unlink(self.path)

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        assert self.descriptor is not None
        return self.descriptor

    def detach(self) -> BinaryIO:
        """Return the open file. The caller must close it."""
        file = os.fdopen(self.fileno(), "rb")
        self.descriptor = None
        return file

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unstored(data: bytes, mtime_ns: int) -> Entry:
    """Return an entry that exists in memory only. *mtime_ns* is in nanoseconds since 1970."""
    return Entry(len(data), mtime_ns // 1_000_000_000, data=data)


def opened(path: str) -> tuple[int, os.stat_result]:
    """Open a file for reading. Returns its descriptor and its status.

    Raises:
        OSError: If there is no such file, or it cannot be opened.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        return descriptor, os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise
