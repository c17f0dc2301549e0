"""Keep the pool alive as long as this process may need it.

A lease is an open connection to the nursery. The kernel closes it when the process ends, for whatever reason.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from ..errors import Busy
from . import wire
from .start import Place

_SECONDS = 2.0

_held: set[socket.socket] = set()
"""The leases of this process. A forked child closes them."""


class Lease:
    """The lease of this process on the pool in *place*, from which it wants *count* renderers."""

    def __init__(self, place: Place, count: int) -> None:
        self._place = place
        self._count = count
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def hold(self) -> None:
        """Open the lease, unless it is open."""
        with self._lock, suppress(OSError, Busy):  # of two threads, the second would use what the first has closed
            if self._connection is None or wire.has_gone(self._connection):
                self._close()
                self._open()

    def ask(self, pid: int) -> dict[str, Any]:
        """End the renderer *pid* if it still runs, and return how it died. Empty if that is not known."""
        with self._lock:
            try:
                connection = self._connection or self._open()
                wire.send(connection, {"wanted": self._count, "pid": pid})
                return wire.receive(connection).fields
            except (OSError, Busy):
                self._close()
                return {}

    def _open(self) -> socket.socket:
        connection = self._connection = self._place.connect("leases", time.monotonic() + _SECONDS)
        _held.add(connection)
        connection.settimeout(_SECONDS)
        wire.send(connection, {"wanted": self._count})
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            _held.discard(self._connection)
            self._connection.close()
            self._connection = None


def _close_inherited() -> None:
    while _held:
        with suppress(OSError):
            os.close(_held.pop().detach())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
