"""Make a link of the front door that only nginx can answer, to find out whether nginx looks for links."""

from __future__ import annotations

import contextlib
import os
import secrets
import string
from collections.abc import Iterator

from .folders import opened_folder
from .front_door import FrontDoor

_LETTERS = string.ascii_letters + string.digits
_SIGNATURE_LETTERS = 26
_LAST_LETTERS = "AEIMQUYcgkosw048"  # of a signature


@contextlib.contextmanager
def trial_link(door: FrontDoor, canonical: str, suffix: str, link: str) -> Iterator[str]:
    """Yield a URL like *canonical* for which nginx finds a link during the block, but which the application refuses.

    Its signature is random. The link leads where *link* does, a link for *canonical* with the *suffix* of its file.

    Raises:
        OSError: If the link cannot be made.
    """
    signature = "".join(secrets.choice(_LETTERS) for _ in range(_SIGNATURE_LETTERS)) + secrets.choice(_LAST_LETTERS)
    url = f"{canonical.rpartition('=')[0]}={signature}"
    path = door.path_of(url, suffix)
    assert path is not None
    (folder, shard), name = os.path.split(os.path.dirname(path)), os.path.basename(path)
    with opened_folder(folder, shard, make=True) as links:
        os.symlink(os.readlink(link), name, dir_fd=links)
        try:
            yield url
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=links)
