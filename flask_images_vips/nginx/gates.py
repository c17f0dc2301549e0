"""Cut all links to the pictures of one source at once.

A link leads through a gate of each source that its picture shows. A gate is a symbolic link back to the folder of
links, so any number of them can follow each other:

    front.<stamp>/ab/<URL> -> ../of-<source>/<version>-<number>/../cd/<source>/<file>
    front.<stamp>/of-<source>/<version>-<number> -> ..

When the gate is removed, all links through it lead nowhere, however many there are. The number is random, so they stay
so when the source gets a gate again. A link that is still being made is no exception: its gate is made first, then the
conditions for the link are checked, and then the link is made.
"""

from __future__ import annotations

import os
import re
import secrets

from ..hashing import digest
from ..rendition import source_folder
from ..sources.source import Source
from .folders import opened_folder, passing_over_others, remove_links

_FOLDER = re.compile(r"of-[0-9a-f]{32}", re.ASCII)
_VERSION_BYTES = 8
_NUMBER_BYTES = 4


def holds_gates(name: str) -> bool:
    """Return whether *name* is that of a folder of gates, in a folder of links."""
    return _FOLDER.fullmatch(name) is not None


def gate(folder: str, source: Source) -> str:
    """Return the path of a gate of *source*, relative to the folder of links *folder*. It is made if there is none.

    Raises:
        OSError: If that is not possible.
    """
    name, version = folder_of(source.ref), _version(source)
    with opened_folder(folder, name, make=True) as gates:
        for found in os.listdir(gates):
            with passing_over_others():
                if found.startswith(version) and os.readlink(found, dir_fd=gates) == os.pardir:
                    return f"{name}/{found}"
        made = f"{version}{secrets.token_hex(_NUMBER_BYTES)}"
        os.symlink(os.pardir, made, dir_fd=gates)
    return f"{name}/{made}"


def cut(folder: str, ref: str, but: Source | None = None) -> None:
    """Remove the gates of the source *ref* in the folder of links *folder*, except those of the version *but*.

    Raises:
        OSError: If one cannot be removed.
    """
    name, kept = folder_of(ref), None if but is None else _version(but)

    def is_unwanted(gate: str) -> bool:
        return kept is None or not gate.startswith(kept)

    with passing_over_others():
        # Nearly always, there are no gates or they stay, and then one call is enough.
        if any(map(is_unwanted, os.listdir(os.path.join(folder, name)))) or kept is None:
            remove_links(folder, name, is_unwanted)


def folder_of(ref: str) -> str:
    """Return the name of the folder of the gates of the source *ref*, in a folder of links."""
    return f"of-{source_folder(ref)}"


def _version(source: Source) -> str:
    return f"{digest(source.identity, _VERSION_BYTES)}-"
