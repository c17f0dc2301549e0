"""What the tests of several hosts share."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from flask_images_vips.fleet.connection import RedisConnection
from flask_images_vips.fleet.leases import Leases
from flask_images_vips.fleet.listener import Listener
from flask_images_vips.fleet.locks import RedisLocks

PREFIX = "images"


class LocksOfFleet:
    """The locks of one host in Redis, which are used like `FileLocks`. *timeout* is how long to wait for one."""

    def __init__(self, url: str, timeout: float, *, command_seconds: float = 2, lease_seconds: float = 2):
        self.timeout = timeout
        self.connection = RedisConnection(url, PREFIX, timeout=command_seconds)
        self.listener = Listener(self.connection)
        self.leases = Leases(self.connection, self.listener, lease_seconds)
        self._locks = RedisLocks(self.leases)

    def hold(
        self, name: str, *, since: float | None = None, needless: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[bool]:
        since = time.monotonic() if since is None else since
        return self._locks.hold(name, since=since, timeout=self.timeout, needless=needless)


def leave(connection: RedisConnection, listener: Listener) -> None:
    """Let a host of this process leave its fleet, as far as that is possible without ending the process."""
    listener.stop()
    client = connection._clients.get().client
    if client is not None:
        client.connection_pool.disconnect()
