"""Join the hosts of one application: what is built from ``IMAGES_REDIS``."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.keys import Config
from .connection import RedisConnection
from .leases import Leases
from .listener import Listener
from .locks import RedisLocks


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the hosts of an application have in common. Nothing is sent to Redis before it is needed."""

    connection: RedisConnection
    listener: Listener
    locks: RedisLocks


def make_fleet(config: Config) -> Fleet:
    """Return what joins the hosts of an application, whose configuration has ``IMAGES_REDIS``.

    Raises:
        ConfigError: If redis-py is missing, or the URL is invalid.
    """
    assert config.redis is not None
    connection = RedisConnection(config.redis, config.redis_prefix, timeout=config.redis_timeout)
    connection.check()
    listener = Listener(connection)
    return Fleet(connection, listener, RedisLocks(connection, Leases(connection, listener)))
