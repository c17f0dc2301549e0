"""Tell which user a site runs as, and what that user may do with a file."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def own_user() -> int:
    """Return the ID of the user of this process. Windows has none; then it is 0."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def name_of(user: int) -> str:
    """Return the name of the *user* with this ID, or the ID itself."""
    with suppress(ImportError, KeyError):
        import pwd  # noqa: PLC0415  (POSIX only)

        return pwd.getpwuid(user).pw_name
    return f"user {user}"


def may(user: int, path: str, *, write: bool = False) -> bool:
    """Return whether *user* may read the file, or write into the folder, at *path*, as far as its mode tells.

    The mode of another user's file is read only if this process is not that user.
    """
    if user == own_user():
        return os.access(path, os.W_OK | os.X_OK if write else os.R_OK)
    try:
        status = os.stat(path)
    except OSError:
        return False
    if user in (0, status.st_uid):
        wanted = stat.S_IWUSR if write else stat.S_IRUSR
        return user == 0 or bool(status.st_mode & wanted)
    bits = (stat.S_IWGRP, stat.S_IWOTH) if write else (stat.S_IRGRP, stat.S_IROTH)
    return bool(status.st_mode & bits[0 if status.st_gid in _groups(user) else 1])


def closed_folder(path: str) -> str | None:
    """Return the folder that keeps other users out of the folder *path*: itself or one above it. None if none does."""
    parts = [path]
    while path != (path := os.path.dirname(path)):
        parts.append(path)
    for folder in reversed(parts):
        with suppress(OSError):
            if not os.stat(folder).st_mode & stat.S_IXOTH:
                return folder
    return None


def _groups(user: int) -> set[int]:
    with suppress(ImportError, KeyError, OSError, AttributeError):
        import pwd  # noqa: PLC0415  (POSIX only)

        entry = pwd.getpwuid(user)
        return {*os.getgrouplist(entry.pw_name, entry.pw_gid)}
    return set()
