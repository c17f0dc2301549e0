"""Define what is kept of a remote source: its current version, how long that is fresh, and the last error."""

from __future__ import annotations

import json
import re
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import BinaryIO

from ..cache.stored import json_object
from .http import LONGEST_VALIDATOR

_FILE = re.compile(r"original-[0-9a-f]{16}")


def new_file_name() -> str:
    """Return a name for the file of a new version."""
    return f"original-{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class Record:
    """The state of a URL, valid until the time *until*, in seconds since 1970.

    *file* is the current version, or None if there is none. *missing* is set if the server answered that the source
    does not exist.
    """

    url: str
    until: float
    file: str | None = None
    size_bytes: int = 0
    mtime_ns: int = 0
    digest: str = ""
    etag: str | None = None
    last_modified: str | None = None
    missing: bool = False
    failure: str = ""

    @classmethod
    def read(cls, data: bytes, url: str) -> Record | None:
        """Parse *data*. Returns None if it is not a record of *url*, or was written by another version."""
        with suppress(ValueError, TypeError, RecursionError):
            record = cls(**json_object(data))
            if record.url == url and record._is_valid():
                return record
        return None

    def write(self, file: BinaryIO) -> int:
        """Write the record into *file*, and return the modification time that this should get, in nanoseconds."""
        file.write(json.dumps(asdict(self)).encode())
        return time.time_ns()

    def _is_valid(self) -> bool:
        texts = (self.digest, self.etag or "", self.last_modified or "", self.failure)
        return (
            (self.file is None or _FILE.fullmatch(self.file) is not None)
            and isinstance(self.until, (int, float))
            and all(type(number) is int for number in (self.size_bytes, self.mtime_ns))
            and all(isinstance(text, str) and len(text) <= LONGEST_VALIDATOR for text in texts)
        )
