"""Try whether a cache can be written and locked, without leaving anything in it. The folder is not created."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable

from .disk import DiskCache
from .eviction import Bound
from .locks import try_lock, unlock

_BLOCK = b"\0" * 4096


def write_refusal(cache: DiskCache) -> OSError | None:
    """Return the error with which the file system refuses a small file, or None if it takes it."""
    return _refusal(cache, "tmp", _write)


def lock_refusal(cache: DiskCache) -> OSError | None:
    """Return the error with which the file system refuses a lock, or None if it has locks."""
    return _refusal(cache, "locks", _lock)


def has_room(cache: DiskCache) -> bool:
    """Return whether entries are stored at all: enough of the disk is free, see `Bound`."""
    if cache.bound is None:
        return True
    return Bound(existing(cache.folder), cache.bound.max_bytes, cache.bound.min_free).admits(len(_BLOCK))


def existing(folder: str) -> str:
    """Return *folder*, or the nearest folder above it that exists."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _refusal(cache: DiskCache, part: str, attempt: Callable[[str], object]) -> OSError | None:
    folder = os.path.join(cache.folder, part)
    path = os.path.join(folder if os.path.isdir(folder) else cache.folder, f".tmp-{secrets.token_hex(8)}")
    try:
        attempt(path)
    except OSError as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return None


def _write(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_BLOCK)


def _lock(path: str) -> None:
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(path)
    descriptor = try_lock(path)
    if descriptor is not None:
        unlock(descriptor)
