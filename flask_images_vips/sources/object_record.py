"""Define what is kept of an object: what its store has stated about it, and until when that is used."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import BinaryIO

from ..cache.stored import json_object
from ..stores.store import Stated

_LONGEST_ETAG = 1000  # characters
_DIGEST_BYTES = 18  # a multiple of 3: Base64 needs no padding
_WEAK = "W/"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """What a store has stated about the object *ref*. It is used until the time *until*, in seconds since 1970.

    *missing* is set if there is no such object.
    """

    ref: str
    until: float
    size_bytes: int = 0
    mtime_ns: int = 0
    etag: str | None = None
    missing: bool = False

    @classmethod
    def of(cls, stated: Stated, ref: str, until: float) -> ObjectRecord:
        return cls(ref, until, stated.size_bytes, stated.mtime_ns, stated.etag)

    @classmethod
    def read(cls, data: bytes, ref: str) -> ObjectRecord:
        """Parse *data*.

        Raises:
            ValueError, TypeError: If it is not a record of *ref*, or was written by another version.
        """
        record = cls(**json_object(data))
        if record.ref != ref or not record._is_valid():
            raise ValueError("not a record of this object")
        return record

    def write(self, file: BinaryIO) -> int:
        """Write the record into *file*, and return the modification time that this should get, in nanoseconds."""
        file.write(json.dumps(asdict(self)).encode())
        return time.time_ns()

    @property
    def content(self) -> str:
        """The version of the object: a digest of its ETag and its size. It is the same on all hosts.

        Without a strong ETag, which identifies the bytes, the modification time is a part of it too.
        """
        parts = [str(self.size_bytes), self.etag or ""]
        if self.etag is None or self.etag.startswith(_WEAK):
            parts.append(str(self.mtime_ns))
        return urlsafe_b64encode(blake2b("\n".join(parts).encode(), digest_size=_DIGEST_BYTES).digest()).decode()

    def _is_valid(self) -> bool:
        etag = self.etag
        return (
            isinstance(self.until, (int, float))
            and all(type(number) is int and number >= 0 for number in (self.size_bytes, self.mtime_ns))
            and (etag is None or (isinstance(etag, str) and len(etag) <= _LONGEST_ETAG))
            and type(self.missing) is bool
        )
