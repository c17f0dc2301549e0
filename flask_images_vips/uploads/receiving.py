"""Read an upload into a file without a name, which the system removes whatever happens."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from ..errors import NotStored
from ..system_errors import cause
from . import refusals

_PIECE = 1 << 18
_LONGEST_SLUG = 40
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")


def receive(upload: Any, most_bytes: int) -> BinaryIO:
    """Return an open file with the bytes of *upload*, which is a ``FileStorage``, or an open file of bytes.

    At most *most_bytes* are read, and one more. If reading fails, as it does if the client has gone, that error is
    raised, and nothing is left.

    Raises:
        UploadRefused: If there is no file, if it is empty or too large.
        NotStored: If the temporary folder of the system is full.
    """
    read = getattr(getattr(upload, "stream", upload), "read", None)
    if read is None:  # a form without the field, or a field that is not a file
        raise refusals.missing()
    file = open_temporary()
    try:
        count = 0
        while piece := read(min(_PIECE, most_bytes + 1 - count)):
            count += len(piece)
            if count > most_bytes:
                raise refusals.too_many_bytes(most_bytes)
            with writing_temporary():
                file.write(piece)
        with writing_temporary():
            file.flush()
        if not count:
            raise refusals.empty() if getattr(upload, "filename", "file") else refusals.missing()
    except BaseException:
        close(file)
        raise
    make_old(file)
    return file


def open_temporary() -> BinaryIO:
    """Return a new file without a name.

    Raises:
        NotStored: If the system has no room for it.
    """
    with writing_temporary():
        return cast(BinaryIO, tempfile.TemporaryFile(prefix="flask-images-"))


@contextmanager
def writing_temporary() -> Iterator[None]:
    """Raise `NotStored` if the block cannot write a temporary file."""
    try:
        yield
    except OSError as error:
        raise NotStored(
            f"An upload cannot be kept in the temporary folder of this host ({cause(error)}). Make room there, or set "
            "TMPDIR to another folder."
        ) from error


def close(file: BinaryIO) -> None:
    with suppress(OSError):  # what a full disk has refused is written once more
        file.close()


def make_old(file: BinaryIO) -> None:
    """Let *file* count as complete. A young source that is broken could still be written: see `pool.renderers`."""
    if os.utime in os.supports_fd:
        with suppress(OSError):
            os.utime(file.fileno(), (0, 0))


def new_name(suffix: str, shown: str | None) -> str:
    """Return a name that no file has, which ends in *suffix*.

    It has 128 random bits. If *shown* is given, a name that a person knows, the new one begins with its letters and
    digits. Nothing else of it is used.
    """
    token = secrets.token_hex(16)
    slug = slug_of(shown) if shown else ""
    return f"{slug}-{token}{suffix}" if slug else f"{token}{suffix}"


def slug_of(name: str) -> str:
    """Return the letters and digits of a file name, without its folders and extensions. Others become a hyphen."""
    last = name[-1000:].replace("\\", "/").rpartition("/")[2].partition(".")[0]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_SLUGS.sub("-", plain)[:_LONGEST_SLUG].strip("-")
