"""Where are results kept? A cache maps keys to immutable bytes and makes what it lacks, once. It knows no images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

Key = tuple[str, str]
"""(folder, file): entries of one folder belong together. Safe file names, the first of hexadecimal digits."""


@dataclass(slots=True)
class Entry:
    """A stored result, or one that could not be stored. Use it in a ``with`` block, which closes its file.

    The file is open from the start, so that evicting it does not take it from a reader. *mtime* is that of what it
    was made from, in whole seconds since 1970; *path* is None where nothing was stored.
    """

    size_bytes: int
    mtime: int
    path: str | None = None
    data: bytes | None = None
    descriptor: int | None = None

    def read(self) -> bytes:
        """The whole content. May be called again."""
        if self.data is None:
            data = os.read(self.fileno(), self.size_bytes)
            while len(data) < self.size_bytes and (more := os.read(self.fileno(), self.size_bytes - len(data))):
                data += more
            self.data = data
        return self.data

    def fileno(self) -> int:
        """The descriptor of the open file."""
        assert self.descriptor is not None
        return self.descriptor

    def detach(self) -> BinaryIO:
        """The open file, which the caller now closes."""
        file = os.fdopen(self.fileno(), "rb")
        self.descriptor = None
        return file

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self) -> Entry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
