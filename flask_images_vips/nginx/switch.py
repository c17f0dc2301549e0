"""Keep folders of links, and switch nginx from one of them to the next in one step.

nginx looks for links in the folder *path*. That is a symbolic link to the real folder, which is named after the stamp
of a configuration: ``front -> front.<stamp>``. So nginx never sees the links of two configurations, and a process of
another configuration cannot add a link that nginx finds. The modification time of the symbolic link is the start of the
newest process of that configuration. Among configurations that are used at the same time, the one whose process was
started last is in force.

Nothing here follows a symbolic link, except those that lead to the folder that *path* is in.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass

from . import gates
from .folders import names_in, passing_over_others, remove_links

CLOSED = "closed"
"""A stamp that no configuration has. nginx is switched to it if there shall be no links. There is no such folder."""

FOLDER_NAME = "flask-images-vips"
"""The name of every switch in a folder that the configuration names."""

_STAMP = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SHARD = re.compile(r"[A-Za-z0-9_-]{2}", re.ASCII)
_FORMER = "former"  # in place of a stamp: a real folder that was found at the path


@dataclass(frozen=True, slots=True)
class Owner:
    """The configuration in force: what the symbolic link holds, and a start in nanoseconds since 1970."""

    target: str
    started_ns: int


class Switch:
    """The symbolic link at *path*, and the folders beside it that it may lead to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._parent, self._name = os.path.split(path)

    def folder(self, stamp: str) -> str:
        """Return the path of the folder of links for *stamp*."""
        return f"{self.path}.{stamp}"

    def target(self, stamp: str) -> str:
        """Return what the symbolic link holds if *stamp* is in force."""
        return f"{self._name}.{stamp}"

    def owner(self) -> Owner | None:
        """Return the configuration in force. None if there is none, or if something else is at the path."""
        try:
            target = os.readlink(self.path)
            started_ns = os.lstat(self.path).st_mtime_ns
        except OSError:  # EINVAL if it is no symbolic link
            return None
        return Owner(target, started_ns) if self._is_ours(target) else None

    def leads_to(self, stamp: str) -> bool:
        """Return whether *stamp* is in force."""
        owner = self.owner()
        return owner is not None and owner.target == self.target(stamp)

    def is_newer(self, started_ns: int) -> bool:
        """Return whether a process that was started after *started_ns* has set the switch.

        A start in the future does not count: the clock was set back since then.
        """
        owner = self.owner()
        return owner is not None and started_ns < owner.started_ns <= time.time_ns()

    def turn(self, target: str, started_ns: int) -> None:
        """Let the path lead to *target*, a name of a folder beside it or an absolute path, in one step.

        Raises:
            OSError: If that is not possible.
        """
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.lstat(self.path).st_mode):
                os.rename(self.path, f"{self.folder(_FORMER)}-{secrets.token_hex(4)}")
        temporary = f"{self.path}.tmp-{secrets.token_hex(8)}"
        os.symlink(target, temporary)
        try:
            with contextlib.suppress(OSError, NotImplementedError):  # then the time is that of this call
                os.utime(temporary, ns=(started_ns, started_ns), follow_symlinks=False)
            os.replace(temporary, self.path)
        except OSError:
            os.unlink(temporary)
            raise

    def clear(self) -> None:
        """Remove the links of all configurations, and the folders that become empty.

        Raises:
            OSError: If a link cannot be removed.
        """
        for name in names_in(self._parent):
            kind = name.removeprefix(f"{self._name}.").partition("-")[0] if name.startswith(f"{self._name}.") else ""
            if kind == _FORMER or _STAMP.fullmatch(kind):
                self._remove_folder(os.path.join(self._parent, name))
            elif kind == "tmp":
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._parent, name))

    def folders(self) -> list[str]:
        """Return the paths of the folders of links of all configurations."""
        names = (name for name in names_in(self._parent) if name.startswith(f"{self._name}."))
        return [os.path.join(self._parent, name) for name in names if _STAMP.fullmatch(name[len(self._name) + 1 :])]

    def _remove_folder(self, folder: str) -> None:
        empty(folder)
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, ".stamp"))  # of earlier versions of this package
        with contextlib.suppress(OSError):  # foreign files stay where they are
            os.rmdir(folder)

    def _is_ours(self, target: str) -> bool:
        if os.path.isabs(target):  # a record of a switch elsewhere
            return os.path.basename(target) == FOLDER_NAME
        name, _, stamp = target.rpartition(".")
        return name == self._name and (stamp == CLOSED or bool(_STAMP.fullmatch(stamp)))


def remove_through(folder: str, gates_folder: str, letters: str) -> int:
    """Remove all links in the folder of links *folder* that lead through *gates_folder*. Returns how many there were.

    Only those with *letters* in their names are looked at.

    Raises:
        OSError: If a link cannot be removed.
    """
    removed = 0
    for shard in filter(_SHARD.fullmatch, names_in(folder)):
        path = os.path.join(folder, shard)
        links = (link for link in names_in(path) if letters in link)
        found = {link for link in links if _leads_through(os.path.join(path, link), gates_folder)}
        if found:
            remove_links(folder, shard, found.__contains__)
        removed += len(found)
    return removed


def _leads_through(path: str, gates_folder: str) -> bool:
    with passing_over_others():
        return gates_folder in os.readlink(path).split("/")
    return False


def empty(folder: str) -> None:
    """Remove all links in the folder of links *folder*. None of them leads anywhere once the gates are removed.

    Raises:
        OSError: If a link cannot be removed.
    """
    names = names_in(folder)
    shards = [name for name in names if _SHARD.fullmatch(name)]
    for name in (*filter(gates.holds_gates, names), *shards):
        remove_links(folder, name)
