"""Keep the pool alive as long as this process may need it.

A lease is an open connection to the nursery. The kernel closes it when the process ends, for whatever reason. A forked
child does not keep it.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any
from weakref import finalize

from ..errors import Busy
from . import wire
from .inherited import close, keep_from_children
from .place import Place

_SECONDS = 2.0


class Lease:
    """The lease of this process on the pool in *place*, from which it wants *count* renderers."""

    def __init__(self, place: Place, count: int) -> None:
        self._place = place
        self._count = count
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._listener: int | None = None
        self._closer: finalize[..., Lease] | None = None

    def hold(self) -> None:
        """Open the lease, unless it is open. If another pool has taken the place of the pool, change to that."""
        with self._lock, suppress(OSError, Busy):  # another thread could close the connection
            connection = self._connection
            if connection is None or self._listener != self._place.inode("leases") or wire.has_gone(connection):
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
        self._listener = self._place.inode("leases")
        connection = self._connection = self._place.connect("leases", time.monotonic() + _SECONDS)
        keep_from_children(connection)
        # Close it if the application is gone. A `__del__` of this object may run after that of the socket, which warns.
        self._closer = finalize(self, close, connection)
        connection.settimeout(_SECONDS)
        wire.send(connection, {"wanted": self._count})
        return connection

    def _close(self) -> None:
        if self._closer is not None:
            self._closer()
        self._connection = self._closer = None
