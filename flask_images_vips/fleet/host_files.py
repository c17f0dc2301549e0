"""Keep what a host must remember about the log, in the folder of its cache: if that is lost, so is what is cached."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ..cache.locks import FileLocks
from .log import Event, Position

FOLDER = os.path.join("locks", "hosts")
"""The folder of these files in the cache."""

_LOCK, _LOCK_OF_KEPT = "0" * 9, "1" * 9  # names of locks are digits
_LOCK_SECONDS = 10.0
_LONGEST_FILE = 10_000_000  # bytes
_ID_BYTES, _LONGEST_NAME = 4, 64
_POSITION, _ID, _KEPT, _BEING_TOLD = "position", "id", "untold", "untold.1"


class HostFiles:
    """The files of this host in *folder*. All processes of the host share them.

    Methods raise `OSError` if a file cannot be read or written, except where they say otherwise.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._locks = FileLocks(folder, _LOCK_SECONDS)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one process of the host after the other carry out events."""
        with self._locks.hold(_LOCK):
            yield

    def host(self) -> str:
        """Return the name of this host, which each new cache gets in its first turn: host names may not be unique.

        So does one that was copied from another host, which would ignore what that one tells, as if it were its own.
        """
        found = self._own_name()
        if not found:
            found = f"{socket.gethostname()[:_LONGEST_NAME]}-{secrets.token_hex(_ID_BYTES)}"
            self._write(_ID, found)
        return found

    def known_host(self) -> str:
        """Return the name of this host, or an empty string if it has none yet. Nothing is written."""
        with suppress(OSError):
            return self._own_name()
        return ""

    def _own_name(self) -> str:
        """Return the name of this host, or an empty string. One that was copied with its cache is that of another."""
        found = self._read(_ID) or ""
        return found if found.rpartition("-")[0] == socket.gethostname()[:_LONGEST_NAME] else ""

    def position(self) -> Position | None:
        """Return where this host has stopped reading. None if it has never read, or if its file is damaged."""
        text = self._read(_POSITION)
        with suppress(ValueError, TypeError):
            generation, id, number = json.loads(text or "")
            return Position(str(generation), str(id), int(number))
        return None

    def set_position(self, position: Position) -> None:
        """Remember *position*."""
        self._write(_POSITION, json.dumps(position))

    def position_age(self) -> float:
        """Return how many seconds ago a process of this host has read the log to its end."""
        try:
            return time.time() - os.stat(self._path(_POSITION)).st_mtime
        except OSError:
            return float("inf")

    def keep(self, event: Event) -> None:
        """Keep *event*, of which the other hosts could not be told."""
        os.makedirs(self.folder, 0o700, exist_ok=True)
        line = json.dumps([event.kind, event.ref, event.by]) + "\n"
        with self._locks.hold(_LOCK_OF_KEPT):
            descriptor = os.open(self._path(_KEPT), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)

    def has_kept(self) -> bool:
        """Return whether there are events of which the other hosts could not be told yet."""
        return any(os.path.lexists(self._path(name)) for name in (_KEPT, _BEING_TOLD))

    def kept(self) -> Sequence[Event]:
        """Return the events that were kept, until `drop_kept` is called in the same turn."""
        if os.path.lexists(self._path(_KEPT)) and not os.path.lexists(self._path(_BEING_TOLD)):
            with self._locks.hold(_LOCK_OF_KEPT):  # nobody is writing into it
                os.rename(self._path(_KEPT), self._path(_BEING_TOLD))  # what is kept from now on comes next
        lines = (self._read(_BEING_TOLD) or "").splitlines()
        return [event for line in lines if (event := _event(line)) is not None]

    def drop_kept(self) -> None:
        """Drop the events that `kept` has returned."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(_BEING_TOLD))

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _read(self, name: str) -> str | None:
        try:
            with open(self._path(name), "rb") as file:
                return file.read(_LONGEST_FILE).decode("utf-8", "replace")
        except FileNotFoundError:
            return None

    def _write(self, name: str, text: str) -> None:
        """Write a whole file at once."""
        os.makedirs(self.folder, 0o700, exist_ok=True)
        temporary = self._path(f".{name}-{secrets.token_hex(_ID_BYTES)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.replace(temporary, self._path(name))


def _event(line: str) -> Event | None:
    with suppress(ValueError, TypeError):
        kind, ref, by = json.loads(line)
        return Event(str(kind), str(ref), str(by))
    return None
