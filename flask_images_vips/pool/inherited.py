"""Close sockets in forked children, which would otherwise keep them open for as long as they live."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from weakref import WeakSet

_own: WeakSet[socket.socket] = WeakSet()


def keep_from_children(connection: socket.socket) -> socket.socket:
    """Close *connection* in children that this process forks, until `close` is called. Returns *connection*."""
    _own.add(connection)
    return connection


def close(connection: socket.socket) -> None:
    """Close *connection*, for which `keep_from_children` was called."""
    _own.discard(connection)
    connection.close()


def _close_all() -> None:
    while _own:
        with suppress(OSError, KeyError):  # KeyError: the last one was just collected
            os.close(_own.pop().detach())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
