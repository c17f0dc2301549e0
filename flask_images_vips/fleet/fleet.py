"""Join the hosts of one application: what is built from ``IMAGES_REDIS``."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.keys import Config
from ..errors import ConfigError
from .connection import RedisConnection
from .leases import Leases
from .listener import Listener
from .locks import RedisLocks
from .slots import Slots


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the hosts of an application have in common. Nothing is sent to Redis before it is needed.

    *slots* bound the renders on all hosts; None if ``IMAGES_MAX_RENDERS_IN_ALL`` is not set.
    """

    connection: RedisConnection
    listener: Listener
    locks: RedisLocks
    slots: Slots | None


def check_fleet(config: Config) -> None:
    """Check what can be checked without a request.

    Raises:
        ConfigError: If a key lacks another one, redis-py is missing, or the URL is invalid.
    """
    if config.redis is not None:
        _connection(config, config.redis).check()
    elif config.max_renders_in_all is not None:
        raise ConfigError("IMAGES_MAX_RENDERS_IN_ALL needs IMAGES_REDIS, through which the hosts of a site count.")


def make_fleet(config: Config) -> Fleet:
    """Return what joins the hosts of an application, whose configuration has ``IMAGES_REDIS``."""
    assert config.redis is not None
    connection = _connection(config, config.redis)
    listener = Listener(connection)
    leases, count = Leases(connection, listener), config.max_renders_in_all
    slots = Slots(leases, count, config.lock_timeout) if count is not None else None
    return Fleet(connection, listener, RedisLocks(leases), slots)


def _connection(config: Config, url: str) -> RedisConnection:
    return RedisConnection(url, config.redis_prefix, timeout=config.redis_timeout)
