"""Tell errors of the system that soon pass from errors that say something about a file.

A process that has no descriptors left, or a file server that does not answer, must not make an image missing or broken:
the host is busy, the client may try again, and nothing is remembered.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Busy, shown

_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# Of disks and of file systems that are mounted over a network. Windows lacks some of them.
_FAILURES = {errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN} | {
    getattr(errno, name) for name in ("ESTALE", "EHOSTDOWN", "EREMOTEIO") if hasattr(errno, name)
}


def is_shortage(error: OSError) -> bool:
    """Return whether the system lacks something that soon becomes free, such as descriptors."""
    return error.errno in _SHORTAGES


def is_passing(error: OSError) -> bool:
    """Return whether *error*, of a call for a file, says nothing about the file."""
    return error.errno in _SHORTAGES or error.errno in _FAILURES


@contextmanager
def passing_errors_are_busy(ref: str) -> Iterator[None]:
    """Raise `Busy` in place of an OSError of the block that soon passes. *ref* is the file that the block reads."""
    try:
        yield
    except OSError as error:
        if is_passing(error):
            raise busy(ref, error) from error
        raise


def start(thread: threading.Thread) -> None:
    """Start *thread*.

    Raises:
        Busy: If no thread can be started now.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise Busy(f"no thread can be started: {error}") from error


def busy(ref: str, error: OSError) -> Busy:
    """Return the error for the file *ref*, which cannot be read because of *error*."""
    return Busy(f"{shown(ref)} cannot be read now: {cause(error)}")


def cause(error: OSError) -> str:
    """Return what the system says of *error*, without the path. Errors that Python code raises may have no number."""
    return error.strerror or str(error)
