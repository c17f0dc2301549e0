"""Make a link of the front door, and bound the number of links."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
from collections.abc import Sequence

from .folders import opened_folder

_SWEEP_ONE_IN = 8
_MOST_LINKS = 64  # in each of the 64² folders that the first two letters of a signature choose


def leads_to(path: str, entry: str) -> bool:
    """Return whether *path* is a link to *entry*. The file name of an entry tells it from all others."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(path)) == os.path.basename(entry) and os.path.exists(path)
    return False


def make_link(folder: str, path: str, entry: str, ways: Sequence[str]) -> None:
    """Make the link *path*, in a folder in *folder*, to *entry*, through the gates *ways*.

    Raises:
        OSError: If that is not possible.
    """
    shard, name = os.path.split(path)
    # Compute the target from real paths, because a `..` in a link starts from the real folder.
    target = os.path.join(os.pardir, *ways, os.path.relpath(os.path.realpath(entry), os.path.realpath(folder)))
    with opened_folder(folder, os.path.basename(shard), make=True) as links:
        _make_room(links)
        temporary = f".tmp-{secrets.token_hex(8)}"
        os.symlink(target, temporary, dir_fd=links)
        os.replace(temporary, name, src_dir_fd=links, dst_dir_fd=links)


def _make_room(shard: int) -> None:
    """Remove links from the folder with the descriptor *shard*, if it is full or by chance.

    Those that lead nowhere are removed first.
    """
    names = os.listdir(shard)
    if len(names) < _MOST_LINKS and random.randrange(_SWEEP_ONE_IN):  # noqa: S311 (a chance, not a secret)
        return
    kept = []
    for name in names:
        with contextlib.suppress(OSError):  # EINVAL if it is no link: a foreign file
            os.readlink(name, dir_fd=shard)
            if _exists(name, shard):
                kept.append(name)
            else:
                os.unlink(name, dir_fd=shard)
    for name in random.sample(kept, max(0, len(kept) - _MOST_LINKS + 1)):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=shard)


def _exists(name: str, folder: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder)
        return True
    return False
